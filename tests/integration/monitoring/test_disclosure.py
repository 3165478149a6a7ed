"""Everything that a role sees of counts of persons, at several moments: nobody can compute a small one from it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from services.monitoring.domain.periods import SEPTEMBER, PeriodKind, parse, text_of
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.events import Event
from shared.contracts.practice import CourseStatus, OutcomeState, OutcomeStatus, TrainingKind, TrainingState
from shared.ids import new_id
from shared.scope import Role
from tests.support.disclosure import Attack, Known
from tests.support.monitoring import Story
from tests.support.services import Client, Running

K = 10
YEAR = 2025
SEPTEMBER_25 = YEAR * 12 + SEPTEMBER
INDICATORS = ("F3", "F6", "I1")
"""Counts by month, counts with parts, a share: of each kind of family one."""


@pytest.fixture
async def monitoring(neighbourhood: Callable[..., Any]) -> AsyncIterator[Running]:
    """The service alone, its inbox ready."""
    async with neighbourhood("monitoring") as near, near.service("monitoring") as running:
        await running.app.state.inbox.prepare()
        yield running


@dataclass
class Land:
    """A country in which persons are counted, and the truth about them by indicator: how many by (institution, month)."""

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
            for _ in range(random.randint(3, 4)):
                story.an_institution(district)
        land = cls(random, story)
        for ident in story.institutions:
            land.sizes[ident] = random.choice((1, 2, 9, 25))
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
                self._count("F3", ident, self.random.choice((0, 0, 1, 4, 9)))
            if self.random.random() < 0.6:
                for _ in range(self.random.randint(0, self.sizes[ident])):
                    self._count("F6", ident, self.random.choice((2, 8)))
            for _ in range(self.random.randint(0, self.sizes[ident])):
                self._count("I1", ident, 3)
        return self.story.events[before:]

    def _count(self, code: str, ident: str, month: int) -> None:
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
                    form="AF6",
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
        else:
            six_before = at - 6
            status = self.random.choice((OutcomeStatus.EMPLOYED, OutcomeStatus.EMPLOYED, OutcomeStatus.UNEMPLOYED))
            self.story.tell(
                OutcomeState(
                    **common,
                    graduate_ref=str(number),
                    graduated_on=date(six_before // 12, six_before % 12 + 1, 3),
                    months=6,
                    status=status,
                    surveyed_on=day,
                    withdrawn=False,
                )
            )
        truth[ident, at] = truth.get((ident, at), 0) + 1


Shown = dict[tuple[str, str, str], int | None]
"""By (indicator, place, period) the persons that are shown; None where they are hidden."""


async def everything(client: Client, places: list[str]) -> tuple[Shown, dict[tuple[str, str], dict[str, Any]]]:
    """All series of the places, and their values of the year with all parts."""
    shown: Shown = {}
    values: dict[tuple[str, str], dict[str, Any]] = {}
    for code in INDICATORS:
        for place in places:
            for kind in PeriodKind:
                answer = await client.get(
                    "/v1/series",
                    indicator=code,
                    place=place,
                    kind=str(kind),
                    **{"from": "2025-09", "to": "2026-10"} if kind in (PeriodKind.MONTH,) else {},
                )
                for point in answer.json()["points"]:
                    persons = point["denominator"] if code == "I1" else point["numerator"]
                    shown[code, place, point["period"]] = None if point["suppressed"] else persons or 0
            answer = await client.get("/v1/values", indicator=code, place=place, period="2025-26")
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
                still = before.get((of, place, period)) == persons
                known.append(Known(cells, persons, K - 1 if still and persons else 0))
        yield Attack(known, hidden, K).found(only_small=True)
        before |= {key: persons for key, persons in shown.items() if persons is not None}


@pytest.mark.parametrize("seed", [1])
async def test_no_small_count_follows_from_all_that_is_shown_at_several_moments(monitoring: Running, seed: int) -> None:
    land = Land.founded(Random(seed))
    await tell(monitoring, land.story.events)
    ministry = monitoring.as_(Role.MINISTRY, "17")
    places = ["17", "1700", "1701", *land.story.districts, *land.story.institutions]
    seen: list[Shown] = []
    truths: dict[str, list[dict[tuple[str, int], int]]] = {code: [] for code in INDICATORS}
    for _ in range(4):
        await tell(monitoring, land.goes_on())
        shown, values = await everything(ministry, places)
        seen.append(shown)
        for code in INDICATORS:
            truths[code].append(dict(land.truth[code]))
        for (code, place), value in values.items():
            check_parts(code, place, value)
    for code in INDICATORS:
        assert any(persons for (of, place, _), persons in seen[-1].items() if of == code and len(place) > 7), code
        assert any(persons is None for (of, _, _), persons in seen[-1].items() if of == code), code
        for found in attacks(land, code, seen, truths[code]):
            assert found == []
    for one, other in pairwise(seen):
        for key, persons in other.items():
            was = one[key]
            if key[2] == "2025-26" and persons is not None and was:
                assert persons == was or abs(persons - was) >= K, key


def check_parts(code: str, place: str, value: dict[str, Any]) -> None:
    """No part of a value, and no rest of it, is of few persons."""
    for part in value["parts"].values():
        assert part is None or part == 0 or part >= K or part == 0, (code, place, value)


async def tell(running: Running, events: list[Event]) -> None:
    """Let the events take effect."""
    sources = dict.fromkeys(event.source for event in events)
    for source in sources:
        waiting = [event for event in events if event.source == source]
        assert await running.app.state.inbox.deliver(source, waiting) == len(waiting)
