"""Reads of reports and publications: how far a period is reported, what was frozen beside what is known now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.monitoring import queries
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import Period
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import UNKNOWN, Value
from services.monitoring.reporting import freezes
from services.monitoring.tables import SOURCES

_PROGRESS = """
    select level, status, count(*), count(*) filter (where due_on < $3 and status in ('open', 'returned', 'reopened'))
    from submission where {below} and period = $2 group by level, status
"""
_PERIODS = "select distinct period from submission where {below}"
_BELOW_UNIT = "starts_with(org_path, $1)"
_BELOW_INSTITUTION = "position($1 in org_path) > 0"
_PUBLISHED = """
    select p.id, p.place, p.state->'level' as level, e.value as edition, f.value, f.numerator, f.denominator,
        f.coverage, f.suppressed
    from publication p
    cross join lateral (select value from jsonb_array_elements(p.state->'editions') value
        order by (value->>'edition')::integer desc limit 1) e
    join frozen_value f on f.frozen = (e.value->>'figures')::uuid and f.place = $3 and f.indicator = $4
    where p.period = $1 and p.place = any($2::text[]) order by length(p.place)
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A frozen figure beside what is known now; `changed` is None where either may not be shown."""

    place: Place
    indicator: Indicator
    frozen: freezes.Row
    now: Value

    @property
    def changed(self) -> bool | None:
        """Whether what is known now differs."""
        suppressed = self.frozen[6]
        if suppressed or self.now.suppressed or self.now is UNKNOWN:
            return None
        return (self.frozen[3], self.frozen[4]) != (self.now.numerator, self.now.denominator)


async def progress(connection: Any, root: Place, period: str, today: Any) -> dict[str, dict[str, int]]:
    """Reports of a period at a place and below, by level and status; `overdue` of those that wait for their place."""
    found: dict[str, dict[str, int]] = {}
    below, path = _below(root)
    for level, status, count, overdue in await connection.fetch(_PROGRESS.format(below=below), path, period, today):
        own = found.setdefault(level, {"overdue": 0})
        own[status] = count
        own["overdue"] += overdue
    return found


async def periods(connection: Any, root: Place) -> list[str]:
    """The periods that there are reports of at a place and below."""
    below, path = _below(root)
    return [row["period"] for row in await connection.fetch(_PERIODS.format(below=below), path)]


def _below(root: Place) -> tuple[str, str]:
    """The condition of reports at a place and below: those of an institution lie under the offices of their time."""
    return (_BELOW_INSTITUTION, f"/{root.code}/") if root.level is Level.INSTITUTION else (_BELOW_UNIT, root.path)


async def published(
    connection: Any, place: Place, above: Sequence[Place], indicator: Indicator, period: Period
) -> list[Any]:
    """A value as published: of every publication that covers it the last edition, the highest office's first."""
    codes = [place.code, *(each.code for each in above)]
    rows: list[Any] = await connection.fetch(_PUBLISHED, period.text, codes, place.id, indicator.code)
    return rows


async def compared(
    connection: Any,
    freeze: str,
    places: Sequence[Place],
    period: Period,
    sight: queries.Sight,
    k: int,
    indicator: str | None = None,
) -> list[Compared]:
    """Frozen figures beside what is known now, place by place.

    What is known now of a place is for whoever sees it in the period: a locked report stays with the offices that
    approved it, whatever is told of its institution's moves afterwards.
    """
    rows = await freezes.read(connection, freeze, [place.id for place in places], indicator)
    if not rows:
        return []
    wanted = {row[1] for row in rows}
    indicators = [each for each in freezes.indicators_for(period) if each.code in wanted]
    measures = {measure for each in indicators for measure in each.core}
    until = queries.end_of(period, sight.this_month)
    amounts = await queries.amounts_at(connection, measures, [place.id for place in places], period, until)
    by_key = {(row[0], row[1]): row for row in rows}
    return [
        Compared(
            place,
            each,
            by_key[place.id, each.code],
            queries.shown(each, amounts[place.id], place, k) if sight.sees(place, period) else UNKNOWN,
        )
        for place in places
        for each in indicators
        if (place.id, each.code) in by_key
    ]


async def positions_at(connection: Any, moment: Any) -> freezes.Positions:
    """The positions that all streams had reached at a moment, as far as they are applied."""
    rows = await connection.fetch("select source, shard, position from inbox order by source, shard")
    numbers = [SOURCES[row["source"]] for row in rows]
    found = await connection.fetch(
        "select position_at(source, shard, highest, $4) as position "
        "from unnest($1::smallint[], $2::smallint[], $3::bigint[]) with ordinality "
        "as key(source, shard, highest, number) order by number",
        numbers,
        [row["shard"] for row in rows],
        [row["position"] for row in rows],
        moment,
    )
    positions: dict[str, list[int]] = {}
    for row, reached in zip(rows, found, strict=True):
        positions.setdefault(row["source"], []).append(reached["position"])
    return {source: tuple(each) for source, each in positions.items()}
