"""What a report says, as numbers: values, series, those of the places below, reports, recommendations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.monitoring import queries
from services.monitoring.advice import queries as advice_queries
from services.monitoring.advice.lifecycle import WORKED_ON
from services.monitoring.advice.tables import RecommendationRow
from services.monitoring.comparison.effectiveness import composition
from services.monitoring.comparison.reading import Shown, index_of, not_frozen
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import STEPS, Period, PeriodKind, period_at
from services.monitoring.domain.territory import Place
from services.monitoring.domain.values import Value
from services.monitoring.outputs.editions import Published, edition_of, figures
from services.monitoring.reporting import queries as reporting_queries
from shared.clock import Clock, local_day
from shared.persistence.engine import raw_connection
from shared.scope import Principal

POINTS: Final = {
    PeriodKind.MONTH: 13,
    PeriodKind.QUARTER: 9,
    PeriodKind.ROLLING_12: 13,
    PeriodKind.ACADEMIC_YEAR: 6,
    PeriodKind.FISCAL_YEAR: 6,
}
"""Points of a trend by the kind of its periods."""
BELOW: Final = ("I1", "I2", "I3", "I4", "I5", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "STAGE")
"""Indicators by which the places below are compared."""
ADVICE: Final = 12
"""Recommendations that are listed, the most pressing ones."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An indicator at the report's place: its value in the fitted period, and the series up to it."""

    indicator: Indicator
    period: Period
    value: Value
    frozen: bool
    periods: Sequence[Period]
    series: Sequence[Value]
    under_way: bool = False

    @property
    def before(self) -> Value | None:
        """The value of the period before, to compare with; None while its own is under way.

        What is not over yet is no fall, however much less it is so far than in all of the year before.
        """
        return None if self.under_way or len(self.series) < 2 else self.series[-2]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything a report is written from."""

    root: Place
    above: Sequence[Place]
    period: Period
    under_way: bool
    made_at: datetime
    as_of: datetime | None
    k: int
    published: Published | None
    published_by: Place | None
    figures: Mapping[str, Figure]
    children: Sequence[Place]
    below: Mapping[tuple[int, str], Value]
    progress: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, Any]
    advice: Sequence[RecommendationRow]
    index: Sequence[tuple[Shown, Sequence[queries.PlaceValue]]]
    """The effectiveness index at the root and the places below it, with the values of its components."""
    index_of_now: Sequence[str]
    """Of a published report the components of the index that its edition lacks."""
    places: Mapping[str, Place] = field(default_factory=dict)


class Gathering:
    """Reads on behalf of one caller; `k` is the limit of privacy."""

    def __init__(self, directory: Directory, clock: Clock, this_month: int, k: int, principal: Principal) -> None:
        self._directory = directory
        self._clock = clock
        self._this_month = this_month
        self._k = k
        self._principal = principal

    async def gather(self, session: AsyncSession, root: Place, period: Period) -> Gathered:
        """All that the report of a period at a place says."""
        connection = await raw_connection(session)
        until = queries.end_of(period, self._this_month)
        sight = queries.Sight(self._directory, self._principal, self._this_month)
        children = self._directory.below(root, until, self._principal)
        published = await edition_of(session, self._directory, root, period, self._this_month)
        frozen = await figures(connection, published.edition, [root, *children]) if published else {}
        found: dict[str, Figure] = {}
        below: dict[tuple[int, str], Value] = {}
        as_of: datetime | None = None
        for indicator in INDICATORS.values():
            fitted = fit(indicator, period, self._this_month)
            (own,) = await sight.values(connection, indicator, [root], fitted, self._k)
            if own.as_of and (as_of is None or own.as_of > as_of):
                as_of = own.as_of
            periods = _periods(fitted)
            series = await sight.series(connection, indicator, root, periods, self._k)
            known = frozen.get((root.id, indicator.code)) if fitted == period else None
            if known is not None:
                series[-1] = known
            lasts = fitted.last >= self._this_month
            found[indicator.code] = Figure(
                indicator, fitted, known or own.value, known is not None, periods, series, lasts
            )
            if children and indicator.code in BELOW:
                values = await sight.values(connection, indicator, children, fitted, self._k, parts=False)
                for each in values:
                    key = each.place.id, indicator.code
                    below[key] = frozen.get(key, each.value) if fitted == period else each.value
        indexed = [root, *children]
        scope = self._principal.scope
        rows, _ = await advice_queries.page(
            session,
            scope,
            root,
            below=True,
            narrowed={"status": [each.value for each in WORKED_ON]},
            after=None,
            limit=ADVICE,
        )
        named = {row.place: place for row in rows if (place := self._directory.by_code(row.place))}
        return Gathered(
            root=root,
            above=self._directory.ancestors(root, self._principal),
            period=period,
            under_way=period.last >= self._this_month,
            made_at=self._clock(),
            as_of=as_of,
            k=self._k,
            published=published,
            published_by=self._directory.by_code(published.by) if published else None,
            figures=found,
            children=[child for child in children if child.active or _any(child, below)],
            below=below,
            progress=await reporting_queries.progress(connection, root, period.text, local_day(self._clock())),
            counts=await advice_queries.counts(session, scope, root, self._clock),
            advice=rows,
            index=await index_of(connection, composition(), indexed, period, sight, self._k, frozen),
            index_of_now=not_frozen(composition(), indexed, period, frozen) if published else (),
            places=named,
        )


def _any(child: Place, below: Mapping[tuple[int, str], Value]) -> bool:
    return any(value.numerator for (place, _), value in below.items() if place == child.id)


def fit(indicator: Indicator, period: Period, this_month: int) -> Period:
    """The period where the indicator knows its kind, else the academic year, or the month, that its end lies in."""
    if period.kind in indicator.period_kinds:
        return period
    kind = PeriodKind.ACADEMIC_YEAR if PeriodKind.ACADEMIC_YEAR in indicator.period_kinds else PeriodKind.MONTH
    return period_at(kind, queries.end_of(period, this_month))


def _periods(last: Period) -> list[Period]:
    step = STEPS[last.kind]
    return [period_at(last.kind, last.last - step * back) for back in range(POINTS[last.kind])][::-1]
