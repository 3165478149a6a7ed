"""A synthetic year of a whole country as events, quickly made: the mix that a real country would send."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

from shared.contracts.events import Event
from shared.ids import new_id, shard_of

KINDS = ("activity", "agreement", "employment", "response", "partnership", "enrolment")
WEIGHTS = (35, 25, 20, 15, 4, 1)
"""Shares of the events: activities lead, agreements are told about five times each, employments one to three times."""
FORMS = [f"AF{number}" for number in range(1, 10)]
FORM_WEIGHTS = (40, 20, 5, 8, 4, 6, 5, 10, 2)


@dataclass
class Nation:
    """Institutions in a territory, and what they do, as events with dense positions per (source, shard)."""

    institutions: int
    months: int = 24
    enterprises: int = 30_000
    districts_per_region: int = 15
    random: Random = field(default_factory=lambda: Random(1))
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the ids."""
        self.first = date(2024, 12, 1)
        self.partners = [new_id() for _ in range(self.enterprises)]
        self.open: list[dict[str, object]] = []
        self.active: list[dict[str, object]] = []
        self.employed: list[dict[str, object]] = []
        self.time = datetime(2026, 11, 1, tzinfo=UTC)

    def event(self, source: str, aggregate: str, fact: str, key: str, data: dict[str, object]) -> Event:
        """The next event of the stream that `key` belongs to."""
        shard = shard_of(key)
        position = self.positions[source, shard] = self.positions.get((source, shard), 0) + 1
        self.time += timedelta(milliseconds=1)
        return Event(
            id=new_id(),
            type=f"hamkor.{source}.{aggregate}.{fact}.v1",
            source=source,
            subject=f"{aggregate}/{data['id']}",
            key=key,
            time=self.time,
            shard=shard,
            position=position,
            data=json.dumps(data, separators=(",", ":")).encode(),
        )

    def places(self) -> Iterator[Event]:
        """Territory and institutions."""
        districts = []
        yield self.unit("17", "nation", None)
        for region in range(14):
            code = f"17{region:02d}"
            yield self.unit(code, "region", "17")
            for number in range(self.districts_per_region):
                districts.append(f"{code}{number:03d}")
                yield self.unit(districts[-1], "district", code)
        for number in range(self.institutions):
            id_, district = new_id(), districts[number % len(districts)]
            self.ids.append(id_)
            yield self.event(
                "partners",
                "institution",
                "registered",
                id_,
                {
                    "id": id_,
                    "version": 1,
                    "code": f"{number:06d}",
                    "kind": "college",
                    "name": f"Kollej {number}",
                    "status": "active",
                    "path": f"/17/{district[:4]}/{district}/{id_}/",
                    "membership": [{"district": district, "since": "2015-09-01"}],
                    "sector": None,
                    "programmes": [],
                    "opened_on": "2015-09-01",
                    "closed_on": None,
                },
            )

    def unit(self, code: str, level: str, parent: str | None) -> Event:
        """A unit of the territory."""
        path = {2: f"/{code}/", 4: f"/17/{code}/"}.get(len(code), f"/17/{code[:4]}/{code}/")
        names = {"uz": code, "uz-Cyrl": code, "ru": code, "en": code}
        data = {"id": code, "version": 1, "level": level, "parent": parent, "path": path, "names": names}
        return self.event("partners", "territory", "recorded", code, data)

    def day(self) -> str:
        """Some day of the months."""
        return (self.first + timedelta(days=self.random.randrange(self.months * 30))).isoformat()

    def institution(self) -> str:
        """Some institution."""
        return self.ids[int(self.random.random() * len(self.ids))]

    def work(self, count: int) -> Iterator[Event]:
        """`count` events of work in the mix above."""
        for kind in self.random.choices(KINDS, WEIGHTS, k=count):
            yield getattr(self, kind)()

    def agreement(self) -> Event:
        """A new agreement, or the next state of one: signed, activated, scheduled, ended."""
        if len(self.open) > 2000 or (self.open and self.random.random() < 0.75):
            index = self.random.randrange(len(self.open))
            state = self.open[index]
            state["version"] = int(str(state["version"])) + 1
            step = state["version"]
            if step == 2:
                state |= {"status": "signed", "signed_on": state["valid_from"]}
                fact = "signed"
            elif step == 3:
                state |= {"status": "active", "active_periods": [{"since": state["valid_from"], "until": None}]}
                fact = "activated"
                self.active.append(state)
            elif step == 4:
                term = {"term": "1", "starts_on": self.day(), "ends_on": self.day(), "profession": "7212"}
                state |= {"schedule": [term | {"seats": 20, "filled": 15, "completed": 0}], "schedule_complete": True}
                fact = "scheduled"
            else:
                until = self.day()
                state |= {"status": "ended", "ended_on": until}
                state["active_periods"] = [{"since": min(until, str(state["valid_from"])), "until": until}]
                fact = "ended"
                self.open[index] = self.open[-1]
                self.open.pop()
            return self.event("agreements", "agreement", fact, str(state["institution_id"]), state)
        institution = self.institution()
        enterprise = self.partners[int(self.random.random() ** 2 * len(self.partners))]
        state = {
            "id": new_id(),
            "version": 1,
            "institution_id": institution,
            "form": self.random.choices(FORMS, FORM_WEIGHTS)[0],
            "opportunities": ["O4"],
            "status": "draft",
            "parties": [
                {"party_id": "1", "category": "institution", "ref": institution, "signature": None},
                {"party_id": "2", "category": "enterprise", "ref": enterprise, "signature": None},
            ],
            "valid_from": self.day(),
            "valid_until": "2027-08-31",
            "signed_on": None,
            "ended_on": None,
            "amendment": 0,
            "active_periods": [],
            "schedule": [],
            "schedule_complete": False,
        }
        self.open.append(state)
        return self.event("agreements", "agreement", "drafted", institution, state)

    def activity(self) -> Event:
        """An activity under an agreement that has been active."""
        if self.active:
            agreement = self.active[int(self.random.random() * len(self.active))]
        else:
            agreement = {"institution_id": self.institution(), "id": new_id(), "form": FORMS[0]}
        institution = str(agreement["institution_id"])
        data = {
            "id": new_id(),
            "version": 1,
            "institution_id": institution,
            "agreement_id": agreement["id"],
            "form": agreement["form"],
            "status": "recorded",
            "held_on": self.day(),
            "participants": 12,
        }
        return self.event("agreements", "activity", "recorded", institution, data)

    def employment(self) -> Event:
        """A graduate's employment, or its confirmation."""
        if self.employed and self.random.random() < 0.4:
            state = self.employed.pop(self.random.randrange(len(self.employed)))
            state |= {"version": 2, "status": "confirmed", "confirmed_on": state["started_on"]}
            return self.event("agreements", "employment", "confirmed", str(state["institution_id"]), state)
        institution = self.institution()
        state = {
            "id": new_id(),
            "version": 1,
            "institution_id": institution,
            "graduate_ref": str(self.random.randrange(10**6)),
            "enterprise_id": self.partners[int(self.random.random() ** 2 * len(self.partners))],
            "agreement_id": None,
            "profession": "7212",
            "status": "reported",
            "started_on": self.day(),
            "confirmed_on": None,
            "ended_on": None,
        }
        self.employed.append(state)
        return self.event("agreements", "employment", "reported", institution, state)

    def response(self) -> Event:
        """An answer to a questionnaire."""
        institution = self.institution()
        scores = {name: {"sum_thousandths": 310_000, "count": 4} for name in ("skills", "knowledge", "attitude")}
        data: dict[str, object] = {
            "id": new_id(),
            "version": 1,
            "campaign_id": new_id(),
            "group": self.random.choice(["S1", "S2", "S3", "S4", "S5"]),
            "institution_id": institution,
            "month": self.day()[:7],
            "index_thousandths": self.random.randrange(100_001),
            "dimensions": scores,
        }
        return self.event("surveys", "response", "recorded", institution, data)

    def partnership(self) -> Event:
        """A partnership (R2, R13)."""
        institution = self.institution()
        data: dict[str, object] = {
            "id": new_id(),
            "version": 1,
            "institution_id": institution,
            "category": "enterprise",
            "enterprise_id": self.partners[0],
            "partner_ref": None,
            "stage": "existing",
            "forms": ["AF1"],
            "opportunities": ["O4"],
            "since": self.day(),
        }
        return self.event("partners", "partnership", "recorded", institution, data)

    def enrolment(self) -> Event:
        """A yearly report."""
        institution = self.institution()
        data: dict[str, object] = {
            "id": new_id(),
            "version": 1,
            "institution_id": institution,
            "academic_year": self.random.choice(["2024-25", "2025-26"]),
            "places": 120,
            "first_choice": 150,
            "graduates": 90,
            "teachers": 40,
        }
        return self.event("partners", "enrolment", "reported", institution, data)
