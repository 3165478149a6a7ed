"""Everything that a role sees of counts of persons, at several moments: nobody can compute a small one from it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from services.monitoring.domain.periods import NESTED, SEPTEMBER, PeriodKind, month_of, parse
from services.monitoring.domain.persons import PERSON_SLOTS
from services.monitoring.notices import CHANNEL, Notice, decode
from services.monitoring.suppression import release
from services.monitoring.suppression.release import Releasing
from services.monitoring.suppression.tables import NOTE_EVERYTHING
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.events import Event
from shared.contracts.practice import CourseStatus, OutcomeState, OutcomeStatus, TrainingKind, TrainingState
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import RespondentGroup
from shared.ids import new_id
from shared.persistence.engine import make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from shared.telemetry.progress import Progress
from tests.integration.monitoring.support import Bench, tell
from tests.support.disclosure import Attack, Known
from tests.support.monitoring import Story
from tests.support.services import Client, Running, eventually

K = 10
YEAR = 2025
SEPTEMBER_25 = YEAR * 12 + SEPTEMBER
YEAR_TEXT = "2025-26"
INDICATORS = ("F3", "F6", "I1", "S3")
"""Counts by month, counts with parts, a share, a mean of answers: of each kind of family one."""
OVER_PERSONS = ("I1", "S3")
"""Those whose persons are the denominator."""


@pytest.fixture
async def monitoring(neighbourhood: Callable[..., Any]) -> AsyncIterator[Running]:
    """The service alone, its inbox ready."""
    async with neighbourhood("monitoring") as near, near.service("monitoring") as running:
        await running.app.state.inbox.prepare()
        yield running


@dataclass
class Land:
    """A country in which persons are counted, and the truth: by indicator how many by (institution, month)."""

    random: Random
    story: Story
    truth: dict[str, dict[tuple[str, int], int]] = field(default_factory=lambda: {code: {} for code in INDICATORS})
    sizes: dict[str, int] = field(default_factory=dict)
    persons: int = 0

    @classmethod
    def founded(cls, random: Random) -> "Land":
        story = Story(random)
        story.territory(2, 2)
        for district in story.districts:
            for _ in range(random.randint(4, 6)):
                story.an_institution(district)
        land = cls(random, story)
        for ident in story.institutions:
            land.sizes[ident] = random.choice((1, 3, 9, 25))
        return land

    def of(self, place: str) -> list[str]:
        """The institutions at or below a place."""
        return [
            ident
            for ident in self.story.institutions
            if place in (ident, *self.story.country.institutions[ident].path.split("/"))
        ]

    def goes_on(self) -> list[Event]:
        """Some more persons are counted; the events that tell so."""
        before = len(self.story.events)
        for ident in self.story.institutions:
            for _ in range(self.random.randint(0, self.sizes[ident])):
                self.count("F3", ident, self.random.choice((0, 0, 1, 4, 9)))
            if self.random.random() < 0.6:
                for _ in range(self.random.randint(0, self.sizes[ident])):
                    self.count("F6", ident, self.random.choice((2, 8)))
            for _ in range(self.random.randint(0, self.sizes[ident])):
                self.count("I1", ident, 3)
            for _ in range(self.random.randint(0, self.sizes[ident])):
                self.count("S3", ident, self.random.choice((5, 5, 6)))
        return self.story.events[before:]

    def paths(self, place: str) -> list[str]:
        """The places at and above an institution."""
        known = self.story.country.institutions.get(place)
        return known.path.split("/") if known else []

    def take_away(self, code: str, ident: str, month: int | None = None) -> bool:
        """One person of F3 or F6 less at an institution (in that month); False where there is nobody."""
        kind: type[EmploymentState | TrainingState] = EmploymentState if code == "F3" else TrainingState
        there = [
            (state, at)
            for state in self.story.latest.values()
            if isinstance(state, kind) and state.institution_id == ident and str(state.status) != "cancelled"
            for at in (month_of(_counted_on(state)),)
            if month is None or at == SEPTEMBER_25 + month
        ]
        if not there:
            return False
        state, at = self.random.choice(there)
        self.truth[code][ident, at] -= 1
        status = (EmploymentStatus if code == "F3" else CourseStatus)("cancelled")
        self.story.tell(state.model_copy(update={"version": state.version + 1, "status": status}))
        return True

    def count(self, code: str, ident: str, month: int) -> None:
        """One more person at an institution."""
        self.persons += 1
        truth = self.truth[code]
        number, at = self.persons, SEPTEMBER_25 + month
        day = date(at // 12, at % 12 + 1, 3)
        common: dict[str, Any] = {"id": new_id(), "version": 1, "institution_id": ident}
        if code == "F3":
            status = self.random.choice((EmploymentStatus.CONFIRMED, EmploymentStatus.REPORTED))
            profession = self.random.choice(("7212", "7212", "2141", "5120"))
            self.story.tell(
                EmploymentState(
                    **common,
                    graduate_ref=str(number),
                    enterprise_id=new_id(),
                    profession=profession,
                    status=status,
                    started_on=day,
                )
            )
        elif code == "F6":
            self.story.tell(
                TrainingState(
                    **common,
                    agreement_id=new_id(),
                    trainee_ref=str(number),
                    kind=self.random.choice(list(TrainingKind)),
                    profession="7212",
                    referred_by="1",
                    starts_on=day,
                    ends_on=day,
                    hours=72,
                    status=CourseStatus.COMPLETED,
                    completed_on=day,
                )
            )
        elif code == "S3":
            month_text = f"{at // 12}-{at % 12 + 1:02d}"
            self.story.tell(
                ResponseState(
                    **common,
                    campaign_id=new_id(),
                    group=RespondentGroup.S3,
                    month=month_text,
                    index_thousandths=50_000,
                    dimensions={},
                )
            )
        else:
            six_before = at - 6
            outcome = self.random.choice((OutcomeStatus.EMPLOYED, OutcomeStatus.EMPLOYED, OutcomeStatus.UNEMPLOYED))
            self.story.tell(
                OutcomeState(
                    **common,
                    graduate_ref=str(number),
                    graduated_on=date(six_before // 12, six_before % 12 + 1, 3),
                    months=6,
                    status=outcome,
                    surveyed_on=day,
                    withdrawn=False,
                )
            )
        truth[ident, at] = truth.get((ident, at), 0) + 1


def _counted_on(state: EmploymentState | TrainingState) -> date:
    day = state.started_on if isinstance(state, EmploymentState) else state.completed_on
    assert day is not None
    return day


Shown = dict[tuple[str, str, str], int | None]
"""By (indicator, place, period) the persons that are shown; None where they are hidden."""


async def everything(client: Client, places: list[str]) -> tuple[Shown, dict[tuple[str, str], dict[str, Any]]]:
    """All series of the places, and their values of the year with all parts."""
    shown: Shown = {}
    values: dict[tuple[str, str], dict[str, Any]] = {}
    for code in INDICATORS:
        for place in places:
            for kind in NESTED if code == "S3" else PeriodKind:
                answer = await client.get(
                    "/v1/series",
                    indicator=code,
                    place=place,
                    kind=str(kind),
                    **({"from": "2025-09", "to": "2026-10"} if kind is PeriodKind.MONTH else {}),
                )
                for point in answer.json()["points"]:
                    persons = point["denominator"] if code in OVER_PERSONS else point["numerator"]
                    shown[code, place, point["period"]] = None if point["suppressed"] else persons or 0
            answer = await client.get("/v1/values", indicator=code, place=place, period=YEAR_TEXT)
            values[code, place] = answer.json()["value"]
    return shown, values


def cells_of(land: Land, place: str, period: str) -> tuple[tuple[str, int], ...]:
    """The institutions and months that a value is the sum of, as far as anybody was counted in them."""
    window = parse(period)
    months = range(max(window.first, SEPTEMBER_25), min(window.last, SEPTEMBER_25 + 11) + 1)
    return tuple((ident, month) for ident in land.of(place) for month in months)


def attacks(land: Land, code: str, seen: list[Shown], truths: list[dict[tuple[str, int], int]]) -> Iterator[list[str]]:
    """At each moment: whoever saw all before it, too, and knows that nobody is ever taken away.

    What has just moved is exactly true; what stands still may since have grown by less than k.
    """
    before: Shown = {}
    shown_before: Shown = {}
    for moment, (shown, truth) in enumerate(zip(seen, truths, strict=True)):
        known: list[Known] = []
        hidden: dict[str, tuple[Any, int, int]] = {}
        for (of, place, period), persons in shown.items():
            if of != code:
                continue
            cells = cells_of(land, place, period)
            if not cells:
                continue
            total = sum(truth.get(cell, 0) for cell in cells)
            if persons is None:
                hidden[f"{moment}/{code}/{place}/{period}"] = cells, total, 0
                if (past := before.get((of, place, period))) is not None:
                    known.append(Known(cells, past, 1e6))
            else:
                past = shown_before.get((of, place, period))
                # Answers are released by rows of their own: what comes to be shown may have stood still before.
                still = past == persons or (code == "S3" and moment > 0 and past is None)
                known.append(Known(cells, persons, K - 1 if still and persons else 0))
        yield Attack(known, hidden, K).found(only_small=True)
        before |= {key: persons for key, persons in shown.items() if persons is not None}
        shown_before = shown


def moved_by_few(one: Shown, other: Shown) -> list[tuple[str, str, str]]:
    """Whole years whose figure moved by fewer than k persons."""
    return [
        key
        for key, persons in other.items()
        if key[2] == YEAR_TEXT and persons is not None and (was := one[key]) and 0 < abs(persons - was) < K
    ]


async def published(client: Client, places: list[str]) -> Shown:
    """The year as the ministry publishes it now."""
    ordered = await client.post("/v1/publications", {"place": "17", "period": YEAR_TEXT})
    assert ordered.status_code == 202, ordered.text
    id_ = ordered.json()["id"]

    async def made() -> bool:
        return bool((await client.get(f"/v1/publications/{id_}")).json()["editions"])

    await eventually(made, "the publication is made")
    shown: Shown = {}
    for place in places:
        for item in (await client.get(f"/v1/publications/{id_}/values", place=place, limit=500)).json()["items"]:
            figure, code = item["published"], item["indicator"]
            if code in INDICATORS:
                persons = figure["denominator"] if code in OVER_PERSONS else figure["numerator"]
                shown[code, item["place"]["code"], YEAR_TEXT] = None if figure["suppressed"] else persons or 0
    return shown


async def check_recommendations(client: Client, places: list[str]) -> int:
    """The evidence of recommendations is what is shown; says in how many there were counts of persons."""
    found = 0
    for place in places:
        looked = await client.post(f"/v1/recommendations/look?place={place}", {})
        assert looked.status_code == 200, looked.text
        for item in (await client.get("/v1/recommendations", place=place, limit=200)).json()["items"]:
            evidence = item["latest"]
            if evidence["indicator"] in INDICATORS:
                found += 1
                asked = {"indicator": evidence["indicator"], "place": place, "period": evidence["period"]}
                value = (await client.get("/v1/values", **asked)).json()["value"]
                assert evidence["coverage"] in (None, value["coverage"]), item
                if value["suppressed"]:
                    assert (evidence["value"], evidence["numerator"], evidence["denominator"]) == (None, None, None)
    return found


async def check_lineage(client: Client, shown: Shown, places: list[str]) -> None:
    """Behind a count of persons stand institutions with what is shown of them, no records and no events."""
    for code in set(INDICATORS) - {"S3"}:
        for place in places:
            answer = await client.get("/v1/lineage", indicator=code, place=place, period=YEAR_TEXT, limit=200)
            for item in answer.json()["items"]:
                assert (item["aggregate"], item["events"]) == ("institution", [])
                if item["part"] in ("reported", "completed", "available"):
                    assert item["amount"] == shown[code, item["institution"]["code"], YEAR_TEXT]
        told = await client.get("/v1/changed", indicator=code, place="17", **{"from": "2026-01-01T00:00:00+05:00"})
        assert told.status_code == 422


@pytest.mark.slow
async def test_no_small_count_follows_from_all_that_is_shown_at_several_moments(monitoring: Running) -> None:
    land = Land.founded(Random(1))
    await tell(monitoring, land.story.events)
    ministry = monitoring.as_(Role.MINISTRY, "17")
    places = ["17", "1700", "1701", *land.story.districts, *land.story.institutions]
    seen: list[Shown] = []
    truths: dict[str, list[dict[tuple[str, int], int]]] = {code: [] for code in INDICATORS}
    frozen: Shown = {}
    for moment in range(3):
        await tell(monitoring, land.goes_on())
        shown, values = await everything(ministry, places)
        if moment == 1:
            frozen = await published(ministry, places)
            assert frozen == {key: persons for key, persons in shown.items() if key[2] == YEAR_TEXT}
        seen.append(shown)
        for code in INDICATORS:
            truths[code].append(dict(land.truth[code]))
        for (code, _), value in values.items():
            parts = [part for name, part in value["parts"].items() if name != "spread"]
            assert all(part in (None, 0) or part >= K for part in parts), (code, value)
    await check_lineage(ministry, seen[-1], places[:4])
    await check_recommendations(ministry, ["1700", land.story.districts[0]])
    district = land.story.districts[0]
    within = [place for place in places if district in (place, *land.paths(place))]
    own, _ = await everything(monitoring.as_(Role.DISTRICT, district), within)
    assert own == {key: persons for key, persons in seen[-1].items() if key[1] in within}
    for code in INDICATORS:
        of_code = {key: persons for key, persons in seen[-1].items() if key[0] == code}
        assert any(persons for (_, place, _), persons in of_code.items() if len(place) > 7), code
        assert None in of_code.values(), code
        for found in attacks(land, code, seen, truths[code]):
            assert found == []
    for one, other in pairwise(seen):
        assert not moved_by_few(one, other)


async def test_the_stream_tells_of_counts_of_persons_only_what_was_released(bench: Bench) -> None:
    land = Land.founded(Random(2))
    worker = await bench.worker()
    await worker.take(land.story.events)
    heard: list[Notice] = []
    listener = await bench.connection()
    await listener.add_listener(CHANNEL, lambda *message: heard.append(decode(message[3])))
    ident = land.story.institutions[0]

    async def employ(persons: int) -> list[Notice]:
        before = len(land.story.events)
        for _ in range(persons):
            land.count("F3", ident, 0)
        heard.clear()
        await worker.take(land.story.events[before:])
        await listener.fetchval("select 1")
        return [notice for notice in heard if any(PERSON_SLOTS & {*move.slots} for move in notice.moves)]

    await employ(1)  # nobody becomes hidden, and that is seen
    assert await employ(8) == []
    (told,) = await employ(1)
    assert all(move.places for move in told.moves)
    assert await employ(9) == []
    assert len(await employ(1)) == 1
    for first in (True, False):
        before = len(land.story.events)
        land.count("F6", ident, 2)
        heard.clear()
        await worker.take(land.story.events[before:])
        await listener.fetchval("select 1")
        # A course is an activity of its form as well: whoever heard of each could count them.
        assert first or heard == []


@pytest.mark.parametrize(("some", "above"), [(release.SOME, release.SOME_ABOVE), (2, 1)])
async def test_what_was_left_for_later_is_released_as_it_would_have_been_at_once(
    bench: Bench, postgres: Any, monkeypatch: pytest.MonkeyPatch, some: int, above: int
) -> None:
    """In however many pieces, between which others of the process go first."""
    land = Land.founded(Random(3))
    land.goes_on()
    settled = (
        "select p.code, d.family, d.year, d.shown, d.opened, h.held from disclosed d join place p on p.id = d.place, "
        "lateral (select array_agg((slot, period, v0, v1, v2, v3)::text order by slot, period) as held "
        "from held where held.place = d.place) h"
    )
    halts = 0

    async def halt(*_: float) -> None:
        nonlocal halts
        halts += 1

    async with Bench(await postgres.database("monitoring")) as other:
        await (await other.worker()).take(land.story.events)
        at_once = {tuple(map(str, row)) for row in await other.rows(settled)}
    await (await bench.worker()).take(land.story.events, release=False)
    assert await bench.rows(settled) == []
    database = Database("monitoring", make_engine(bench.database.url, application="release-test", pool_size=2))
    monkeypatch.setattr(database.precedence, "give_way", halt)
    monkeypatch.setattr(release, "SOME", some)
    monkeypatch.setattr(release, "SOME_ABOVE", above)
    try:
        job = Releasing(database, K, Progress())
        while await job.catch_up():
            pass
        assert {tuple(map(str, row)) for row in await bench.rows(settled)} == at_once
        assert at_once
        assert halts > len(at_once) / some
        async with database.unit_of_work() as uow:
            await (await raw_connection(uow.session)).execute(NOTE_EVERYTHING)
        assert await job.catch_up() > 0
        assert {tuple(map(str, row)) for row in await bench.rows(settled)} == at_once
    finally:
        await database.engine.dispose()
