"""The labour market, pure: reports of demand and supply, the region's plan – and the analyses of R5 and R6.

Methods, said with every answer:
- demand of a year: the larger of what enterprises and what labour bodies report (adding them would count twice);
- places and graduates of an institution are spread evenly over its programmes, a programme's over its occupations;
- projection: ordinary least squares over the reported years, prediction interval by Student's t;
- trend: the slope's two-sided t-test; a change that is no more than noise is "stable".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from services.partners.domain.inputs import Grade, Note, RegionCode, refuse
from services.partners.domain.institutions import Command
from shared.contracts import labour_market as told
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, IsicSection, Ref
from shared.contracts.labour_market import (
    DemandReportState,
    PlannedEnterprise,
    PlanPriorityState,
    PlanRole,
    Qualification,
    ReporterKind,
    SupplyReportState,
    Trend,
)
from shared.errors import BrokenRule, FieldError, InvalidInput

CONFIDENCE = 0.9
FEWEST_YEARS = 3
"""With fewer reported years there is no projection and no trend."""
YEARS_TO_GRADUATION: Mapping[Qualification, int] = {
    Qualification.VOCATIONAL: 2,
    Qualification.SECONDARY_SPECIALISED: 2,
    Qualification.HIGHER: 4,
}
ISCED_LEVELS: Mapping[Qualification, range] = {
    Qualification.VOCATIONAL: range(4),
    Qualification.SECONDARY_SPECIALISED: range(4, 6),
    Qualification.HIGHER: range(6, 9),
}

Year = Annotated[int, Field(ge=2000, le=2100)]
Positions = Annotated[int, Field(ge=0, le=10_000_000)]


class ReportDemand(Command):
    """How many positions an enterprise, or a labour body for its region, wants to fill in a year.

    The same reporter, profession, qualification, region and year again is a correction. What is not known is left out.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reporter": "labour_body",
                    "reporter_ref": "bandlik-1708",
                    "region": "1708",
                    "profession": "7212",
                    "qualification": "vocational",
                    "year": 2026,
                    "positions": 340,
                    "vacancies": 120,
                }
            ]
        }
    )

    reporter: ReporterKind
    reporter_ref: Ref = Field(description="the enterprise's id, or the labour body's register number")
    region: RegionCode
    profession: IscoUnitGroup = Field(description="ISCO-08 unit group")
    qualification: Qualification
    year: Year
    positions: Positions | None = Field(default=None, description="positions to be filled in the year")
    vacancies: Positions | None = Field(default=None, description="vacant now")

    @model_validator(mode="after")
    def _something(self) -> "ReportDemand":
        if self.positions is None and self.vacancies is None:
            raise ValueError("no_demand_reported")
        return self


class ReportSupply(Command):
    """Registered unemployed of a profession in a region at the end of a year; the same again is a correction."""

    reporter_ref: Ref = Field(description="the labour body's register number")
    region: RegionCode
    profession: IscoUnitGroup
    qualification: Qualification
    year: Year
    unemployed: Positions


class PlannedEnterpriseInput(Command):
    """An enterprise the plan names: its place in the plan and the jobs it is to bring."""

    enterprise_id: Id
    role: PlanRole
    new_jobs: Positions | None = None


class RecordPlanPriority(Command):
    """A sector's place in the region's long-term plan; the same sector and first year again is an update."""

    region: RegionCode
    isic_section: IsicSection
    year_from: Year
    year_until: Year
    priority: Grade = Field(description="1 first … 5 last")
    trend: Trend = Trend.UNKNOWN
    new_jobs: Positions | None = None
    enterprises: Annotated[tuple[PlannedEnterpriseInput, ...], Field(max_length=200)] = ()
    notes: Note | None = None

    @model_validator(mode="after")
    def _years_in_order(self) -> "RecordPlanPriority":
        if self.year_until < self.year_from:
            raise BrokenRule("years_out_of_order", "year_until")
        return self


def report_demand(
    id_: str, state: DemandReportState | None, command: ReportDemand
) -> tuple[EventType, DemandReportState]:
    """The report; the whole figures are replaced."""
    enterprise = command.reporter_ref if command.reporter is ReporterKind.ENTERPRISE else None
    return (
        told.DEMAND_REPORT_CORRECTED if state else told.DEMAND_REPORT_REPORTED,
        DemandReportState(
            id=id_, version=state.version + 1 if state else 1, enterprise_id=enterprise, **command.model_dump()
        ),
    )


def report_supply(
    id_: str, state: SupplyReportState | None, command: ReportSupply
) -> tuple[EventType, SupplyReportState]:
    """The report; the figure is replaced."""
    return (
        told.SUPPLY_REPORT_CORRECTED if state else told.SUPPLY_REPORT_REPORTED,
        SupplyReportState(id=id_, version=state.version + 1 if state else 1, **command.model_dump()),
    )


def record_priority(
    id_: str, state: PlanPriorityState | None, command: RecordPlanPriority
) -> tuple[EventType, PlanPriorityState]:
    """The sector's place in the plan; raises InvalidInput where an enterprise stands twice."""
    seen: set[str] = set()
    for index, each in enumerate(command.enterprises):
        if each.enterprise_id in seen:
            raise InvalidInput(
                FieldError(f"enterprises.{index}.enterprise_id", "duplicate", {"value": each.enterprise_id})
            )
        seen.add(each.enterprise_id)
    fields = command.model_dump(exclude={"notes", "enterprises"})
    return (
        told.PLAN_PRIORITY_UPDATED if state else told.PLAN_PRIORITY_RECORDED,
        PlanPriorityState(
            id=id_,
            version=state.version + 1 if state else 1,
            enterprises=tuple(PlannedEnterprise.model_validate(each.model_dump()) for each in command.enterprises),
            **fields,
        ),
    )


def reassign_demand(state: DemandReportState, enterprise_id: str) -> tuple[EventType, DemandReportState]:
    """The report follows a merged enterprise."""
    if state.enterprise_id is None:
        raise refuse("labour_body", "reassign", ())
    changes: dict[str, Any] = {"enterprise_id": enterprise_id, "version": state.version + 1}
    return told.DEMAND_REPORT_REASSIGNED, state.model_copy(update=changes)


def reassign_priority(state: PlanPriorityState, old: str, new: str) -> tuple[EventType, PlanPriorityState]:
    """References of the plan follow a merged enterprise; one that is named already is not named twice."""
    named = {each.enterprise_id for each in state.enterprises}
    enterprises = tuple(
        each.model_copy(update={"enterprise_id": new}) if each.enterprise_id == old else each
        for each in state.enterprises
        if each.enterprise_id != old or new not in named
    )
    changes: dict[str, Any] = {"enterprises": enterprises, "version": state.version + 1}
    return told.PLAN_PRIORITY_REASSIGNED, state.model_copy(update=changes)


# -- analyses

Series = Mapping[int, int]
"""A figure by calendar year; a year that nobody reported is not in it."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a figure is expected to be in `year`, and the interval that holds it with probability CONFIDENCE."""

    year: int
    expected: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class _Line:
    slope: float
    intercept: float
    residual: float
    years: tuple[int, ...]
    mean_year: float
    spread: float

    def at(self, year: int) -> float:
        return self.intercept + self.slope * year


def _fit(series: Series) -> _Line | None:
    """Ordinary least squares; None with fewer than FEWEST_YEARS years."""
    years = tuple(sorted(series))
    count = len(years)
    if count < FEWEST_YEARS:
        return None
    mean_year = sum(years) / count
    mean = sum(series[year] for year in years) / count
    spread = sum((year - mean_year) ** 2 for year in years)
    slope = sum((year - mean_year) * (series[year] - mean) for year in years) / spread
    intercept = mean - slope * mean_year
    squares = sum((series[year] - intercept - slope * year) ** 2 for year in years)
    return _Line(slope, intercept, sqrt(squares / (count - 2)), years, mean_year, spread)


def projection(series: Series, year: int) -> Projection | None:
    """The figure projected to `year` with its prediction interval; None with fewer than FEWEST_YEARS reported years.

    Source: Draper and Smith, Applied Regression Analysis, 1.4. No figure is below zero.
    """
    line = _fit(series)
    if line is None:
        return None
    from scipy.stats import t

    count = len(line.years)
    error = line.residual * sqrt(1 + 1 / count + (year - line.mean_year) ** 2 / line.spread)
    margin = float(t.ppf((1 + CONFIDENCE) / 2, count - 2)) * error
    expected = line.at(year)
    return Projection(year, max(0, round(expected)), max(0, round(expected - margin)), max(0, round(expected + margin)))


def trend(series: Series) -> Trend:
    """Where the figure goes: a slope counts when its t-test says so with CONFIDENCE, otherwise it is stable."""
    line = _fit(series)
    if line is None:
        return Trend.UNKNOWN
    if line.residual == 0:
        moved = line.slope != 0
    else:
        from scipy.stats import t

        statistic = abs(line.slope) / (line.residual / sqrt(line.spread))
        moved = statistic > float(t.ppf((1 + CONFIDENCE) / 2, len(line.years) - 2))
    if not moved:
        return Trend.STABLE
    return Trend.GROWING if line.slope > 0 else Trend.FALLING


def yearly_demand(reports: Iterable[tuple[ReporterKind, int, int | None]]) -> dict[int, int]:
    """Demand by year from (reporter, year, figure): the larger of enterprises' sum and labour bodies' sum."""
    sums: dict[tuple[int, ReporterKind], int] = {}
    for reporter, year, figure in reports:
        if figure is not None:
            sums[year, reporter] = sums.get((year, reporter), 0) + figure
    found: dict[int, int] = {}
    for (year, _), total in sums.items():
        found[year] = max(total, found.get(year, 0))
    return found


@dataclass(frozen=True, slots=True)
class Trained:
    """What institutions give a profession in a year: places and graduates; None where nobody reported."""

    places: int | None
    graduates: int | None
    institutions: int
    reporting: int


def trained(
    institutions: Iterable[tuple[Iterable[Mapping[str, Any]], Mapping[str, Any] | None]],
    profession: str,
    qualification: Qualification,
) -> Trained:
    """Places and graduates for a profession from (programmes, the year's figures or None) of every institution.

    An institution's figures are spread evenly over its programmes, a programme's share over its occupations.
    """
    levels = ISCED_LEVELS[qualification]
    sums: dict[str, float] = {}
    count = reporting = 0
    for programmes, figures in institutions:
        offered = list(programmes)
        share = sum(
            1 / len(each["occupations"]) / len(offered)
            for each in offered
            if profession in each["occupations"] and each["isced_level"] in levels
        )
        if not share:
            continue
        count += 1
        reporting += figures is not None
        for name in ("places", "graduates"):
            if figures is not None and figures.get(name) is not None:
                sums[name] = sums.get(name, 0.0) + share * figures[name]
    places, graduates = (round(sums[name]) if name in sums else None for name in ("places", "graduates"))
    return Trained(places, graduates, count, reporting)
