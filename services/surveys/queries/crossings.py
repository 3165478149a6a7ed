"""Professions by places of years that are over, as they may be shown: worked out once, as nothing changes any more.

A table is hidden with the one above it in mind (domain/crossing.py), so that every office sees the same of it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from services.surveys.domain.crossing import ALL, BEYOND, Answers, Table, Topic, cross
from services.surveys.domain.gaps import ACQUIRED, REQUIRED
from services.surveys.domain.instruments import PairPart
from services.surveys.domain.pooling import above
from services.surveys.domain.scoring import competence_measure, rating_score
from services.surveys.domain.statistics import Sums
from services.surveys.domain.tallies import AT
from services.surveys.instruments import InstrumentLibrary
from shared.errors import HamkorError
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM

MOST_KEPT: Final = 64
"""Tables kept at hand."""

_PLACE = (
    "case when length(p.counts_in) > length(:path) "
    "then split_part(substr(p.org_path, length(:path) + 1), '/', 1) else '' end"
)
_POOLED = (
    "from pooled_campaign p join campaign c on c.id = p.campaign_id and c.instrument = any(:instruments) "
    "and p.last_day between :first and :last"
)
_CELLS = text(
    f"select c.instrument, {_PLACE}, o.measure, o.option, sum(o.count) {_POOLED} "
    "join choice o on o.campaign_id = p.campaign_id where starts_with(p.counts_in, :path) "
    "and o.measure like '%@%' and split_part(o.measure, '@', 1) = any(:topics) group by 1, 2, 3, 4"
)
_CAMPAIGNS = text(
    f"select c.instrument, {_PLACE}, t.measure, count(*) {_POOLED} "
    "join tally t on t.campaign_id = p.campaign_id where starts_with(p.counts_in, :path) "
    "and t.measure like '%@%' and split_part(t.measure, '@', 1) = any(:topics) group by 1, 2, 3"
)
_TOTALS = text(
    f"select c.instrument, {_PLACE}, t.measure, sum(t.count) {_POOLED} "
    "join tally t on t.campaign_id = p.campaign_id where starts_with(p.counts_in, :path) "
    "and t.measure = any(:topics) group by 1, 2, 3"
)
_SHOWN = text(
    "select c.instrument, split_part(substr(c.org_path, length(:path) + 1), '/', 1), r.measure, sum(r.count) "
    "from pool c join released_result r on r.campaign_id = c.id where starts_with(c.org_path, :path) "
    "and c.instrument = any(:instruments) and c.last_day between :first and :last and r.measure = any(:topics) "
    "group by 1, 2, 3"
)
_OPEN = text(
    "select exists (select from campaign c where c.instrument = any(:instruments) "
    "and c.last_day between :first and :last "
    "and not exists (select from pooled_campaign p where p.campaign_id = c.id))"
)


class YearNotPooled(HamkorError):
    """Campaigns of the year are not over, or not pooled yet."""

    status = 409
    code = "year-not-pooled"


@dataclass(slots=True)
class Crossings:
    """The tables of years; one is worked out at a time, beside the loop that answers."""

    database: Database
    library: InstrumentLibrary
    k: int
    _kept: OrderedDict[tuple[str, str], dict[str, Table]] = field(default_factory=OrderedDict)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, path: str, year: str) -> dict[str, Table]:
        """By respondent group what may be shown of a territory in an academic year; raises YearNotPooled."""
        async with self._one:
            return await self._of(path, year)

    async def _of(self, path: str, year: str) -> dict[str, Table]:
        key = path, year
        if key not in self._kept:
            higher = await self._of(above(path), year) if above(path) else {}
            groups = await self._groups(path, year)
            self._kept[key] = await run_in_threadpool(_cross, groups, self.k, higher, path)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _groups(self, path: str, year: str) -> dict[str, dict[str, Topic]]:
        topics, tops = self._topics()
        start = int(year[:4])
        parameters: dict[str, Any] = {
            "path": path,
            "instruments": [REQUIRED, *ACQUIRED],
            "first": date(start, 9, 1),
            "last": date(start + 1, 8, 31),
            "topics": sorted({topic for _, topic in tops}),
        }
        counts: dict[tuple[str, str], dict[tuple[str, str], dict[int, int]]] = {}
        totals: dict[tuple[str, str], dict[str, int]] = {}
        shown: dict[tuple[str, str], dict[str, int]] = {}
        campaigns: dict[tuple[str, ...], int] = {}
        async with self.database.reading(SYSTEM) as session:
            if (await session.execute(_OPEN, parameters)).scalar_one():
                raise YearNotPooled(year=year)
            for group, place, measure, count in await session.execute(_TOTALS, parameters):
                totals.setdefault((group, measure), {})[place] = int(count)
            for group, place, measure, count in await session.execute(_SHOWN, parameters):
                pooled = shown.setdefault((group, measure), {})
                pooled[ALL] = pooled.get(ALL, 0) + int(count)
                if place != BEYOND:
                    pooled[place] = int(count)
            for group, place, measure, option, count in await session.execute(_CELLS, parameters):
                topic, _, profession = measure.partition(AT)
                cell = counts.setdefault((group, topic), {}).setdefault((profession, place), {})
                cell[int(option)] = int(count)
            for group, place, measure, count in await session.execute(_CAMPAIGNS, parameters):
                topic, _, profession = measure.partition(AT)
                campaigns[group, topic, profession, place] = int(count)
        found: dict[str, dict[str, Topic]] = {}
        for group, topic in topics:
            answers = {
                cell: _answers(given, tops[group, topic], campaigns.get((group, topic, *cell), 0))
                for cell, given in counts.get((group, topic), {}).items()
            }
            every = totals.get((group, topic), {})
            found.setdefault(group, {})[topic] = Topic(answers, every, shown.get((group, topic), {}))
        return found

    def _topics(self) -> tuple[list[tuple[str, str]], dict[tuple[str, str], int]]:
        """What is compared – of S1 importance, of the others the level – and the highest rating."""
        tops = {}
        for group in (REQUIRED, *ACQUIRED):
            part = PairPart.IMPORTANCE if group == REQUIRED else PairPart.SATISFACTION
            for pair in self.library.get(group).competences:
                tops[group, competence_measure(pair.code, part)] = pair.terms.scales[part].top
        return list(tops), tops


def _answers(given: Mapping[int, int], top: int, campaigns: int) -> Answers:
    """The answers of a cell, from how often each value was given in so many campaigns."""
    ratings = [given.get(rating_score(rating, top), 0) for rating in range(1, top + 1)]
    count = sum(given.values())
    total = sum(value * many for value, many in given.items())
    return Answers(Sums(count, total, sum(value * value * many for value, many in given.items())), ratings, campaigns)


def _cross(
    groups: Mapping[str, Mapping[str, Topic]], k: int, higher: Mapping[str, Table], path: str
) -> dict[str, Table]:
    place = path.rstrip("/").rpartition("/")[2]
    return {group: cross(topics, k, higher.get(group), place) for group, topics in groups.items()}
