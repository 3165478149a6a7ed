"""What partners tells of the labour market: demand and supply by profession and region; the region's plan.

Professions are ISCO-08 unit groups, sectors ISIC Rev. 4 sections, regions SOATO codes, years calendar years.
"""

from enum import StrEnum

from shared.contracts.events import State, Value, declare


class Qualification(StrEnum):
    """Level of training by ISCED 2011."""

    VOCATIONAL = "vocational"  # ISCED 3: initial vocational
    SECONDARY_SPECIALISED = "secondary_specialised"  # ISCED 4–5: technikum, college
    HIGHER = "higher"  # ISCED 6–8


class Trend(StrEnum):
    """Where demand goes; "stable" also means that a change is no more than noise."""

    GROWING = "growing"
    STABLE = "stable"
    FALLING = "falling"
    UNKNOWN = "unknown"


class ReporterKind(StrEnum):
    """Who reports demand."""

    ENTERPRISE = "enterprise"
    LABOUR_BODY = "labour_body"


class DemandReportState(State):
    """Positions wanted and vacant of a profession and qualification in a region and year, as one reporter says.

    `reporter_ref` is the enterprise's id or the labour body's register number. None is not zero.
    """

    reporter: ReporterKind
    reporter_ref: str
    enterprise_id: str | None = None
    region: str
    profession: str
    qualification: Qualification
    year: int
    positions: int | None = None
    vacancies: int | None = None


class SupplyReportState(State):
    """Registered unemployed of a profession in a region at the end of a year, as the labour body says."""

    reporter_ref: str
    region: str
    profession: str
    qualification: Qualification
    year: int
    unemployed: int


class PlanRole(StrEnum):
    """An enterprise's place in the region's long-term plan."""

    ANCHOR = "anchor"
    GROWING = "growing"
    NEW = "new"
    SUPPORTING = "supporting"


class PlannedEnterprise(Value):
    """An enterprise the plan names, with the jobs it is to bring (None: not said)."""

    enterprise_id: str
    role: PlanRole
    new_jobs: int | None = None


class PlanPriorityState(State):
    """A sector in the region's long-term development plan: `priority` 1 (first) to 5, from one year to another."""

    region: str
    isic_section: str
    year_from: int
    year_until: int
    priority: int
    trend: Trend
    new_jobs: int | None = None
    enterprises: tuple[PlannedEnterprise, ...] = ()


DEMAND_REPORT_REPORTED, DEMAND_REPORT_CORRECTED, DEMAND_REPORT_REASSIGNED = declare(
    "partners", "demand_report", DemandReportState, "reported", "corrected", "reassigned"
)
SUPPLY_REPORT_REPORTED, SUPPLY_REPORT_CORRECTED = declare(
    "partners", "supply_report", SupplyReportState, "reported", "corrected"
)
PLAN_PRIORITY_RECORDED, PLAN_PRIORITY_UPDATED, PLAN_PRIORITY_REASSIGNED = declare(
    "partners", "plan_priority", PlanPriorityState, "recorded", "updated", "reassigned"
)
