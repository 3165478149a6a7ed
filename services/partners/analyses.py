"""What the registers say together: rivals (R3), sectors' prospects (R5), labour market (R6), partners by form (R2).

Everything here reads beyond one institution: call it in a session that sees all, and hand on sums or what is public.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.domain import labour_market as domain
from services.partners.domain.labour_market import Projection
from services.partners.tables.labour_market import DemandReportRow, PlanPriorityRow, SupplyReportRow
from services.partners.tables.registers import InstitutionRow
from shared.contracts.labour_market import Qualification, ReporterKind, Trend
from shared.contracts.partners import InstitutionState
from shared.contracts.vocabulary import EnterpriseSize
from shared.scope import path_of

SERIES_YEARS = 10
"""How far back demand is looked at."""


@dataclass(frozen=True, slots=True)
class Rival:
    """An institution that trains for the same: by sector, or for professions that both train for."""

    id: str
    name: str
    kind: str
    district: str
    same_sector: bool
    professions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prospects:
    """R5: a sector in a region – demand of its enterprises by year and where it goes, the plan, enterprises by size."""

    region: str
    isic_section: str
    demand: Mapping[int, int]
    trend: Trend
    plan_priority: int | None
    plan_trend: Trend
    plan_new_jobs: int | None
    enterprises: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LabourMarket:
    """R6: a profession and qualification in a region; None means not reported. `gap` is demand less graduates."""

    region: str
    profession: str
    qualification: Qualification
    year: int | None
    demand: int | None
    vacancies: int | None
    unemployed: int | None
    places: int | None
    graduates: int | None
    institutions: int
    institutions_reporting: int
    reporters: int
    series: Mapping[int, int]
    trend: Trend
    projection: Projection | None

    @property
    def gap(self) -> int | None:
        """Positions that graduates do not fill (negative: more graduates than positions)."""
        return None if self.demand is None or self.graduates is None else self.demand - self.graduates

    @property
    def cover(self) -> float | None:
        """Graduates for each position."""
        return None if not self.demand or self.graduates is None else self.graduates / self.demand


def region_of(institution: InstitutionState) -> str:
    """The SOATO code of the region an institution lies in."""
    return institution.membership[-1].district[:4]


def professions_of(institution: InstitutionState) -> tuple[str, ...]:
    """The professions (ISCO-08) that an institution trains for."""
    return tuple(sorted({code for programme in institution.programmes for code in programme.occupations}))


async def rivals(session: AsyncSession, institution: InstitutionState, area: str) -> list[Rival]:
    """R3: institutions at work in `area` that train for the same sector or professions, by name."""
    mine = set(professions_of(institution))
    rows = await session.execute(
        select(InstitutionRow)
        .where(
            col(InstitutionRow.org_path).startswith(path_of(area), autoescape=True),
            col(InstitutionRow.status) == "active",
            col(InstitutionRow.id) != institution.id,
        )
        .order_by(col(InstitutionRow.name), col(InstitutionRow.id))
    )
    found = []
    for row in rows.scalars():
        theirs = {code for programme in row.state["programmes"] for code in programme["occupations"]}
        same_sector = institution.sector is not None and row.state["sector"] == institution.sector
        if same_sector or mine & theirs:
            district = row.state["membership"][-1]["district"]
            shared = tuple(sorted(mine & theirs))
            found.append(Rival(row.id, row.name, row.kind, district, same_sector, shared))
    return found


_SECTOR_DEMAND = text(
    "select r.year, sum(r.positions) from demand_report r join enterprise e on e.id = r.enterprise_id "
    "where r.region = :region and r.reporter = 'enterprise' and r.year > :since "
    "and e.state ->> 'isic_section' = :section "
    "and r.positions is not null group by r.year"
)
_ENTERPRISES_BY_SIZE = text(
    "select state ->> 'size', count(*) from enterprise where org_path like :path and status = 'active' "
    "and state ->> 'isic_section' = :section group by 1"
)


async def sector_prospects(session: AsyncSession, region: str, section: str, year: int) -> Prospects:
    """R5: what is known of a sector in a region as of `year`."""
    asked = {"region": region, "section": section}
    rows = await session.execute(_SECTOR_DEMAND, {**asked, "since": year - SERIES_YEARS})
    demand = {int(at): int(total) for at, total in rows}
    sizes = await session.execute(_ENTERPRISES_BY_SIZE, {"path": path_of(region) + "%", "section": section})
    enterprises = dict.fromkeys(map(str, EnterpriseSize), 0) | {str(size): int(count) for size, count in sizes}
    plans = await session.execute(
        select(PlanPriorityRow).where(
            col(PlanPriorityRow.region) == region, col(PlanPriorityRow.isic_section) == section
        )
    )
    current = [row.state for row in plans.scalars() if row.state["year_from"] <= year <= row.state["year_until"]]
    plan = min(current, key=lambda state: (state["priority"], state["year_from"]), default=None)
    return Prospects(
        region=region,
        isic_section=section,
        demand=demand,
        trend=domain.trend(demand),
        plan_priority=plan["priority"] if plan else None,
        plan_trend=Trend(plan["trend"]) if plan else Trend.UNKNOWN,
        plan_new_jobs=plan["new_jobs"] if plan else None,
        enterprises=enterprises,
    )


async def labour_market(
    session: AsyncSession, region: str, profession: str, qualification: Qualification, today: date
) -> LabourMarket:
    """R6: demand against supply, as reported; the demand is that of the latest year that anybody reported."""
    reports = (
        await session.execute(
            select(
                col(DemandReportRow.reporter),
                col(DemandReportRow.year),
                col(DemandReportRow.positions),
                col(DemandReportRow.vacancies),
            ).where(
                col(DemandReportRow.region) == region,
                col(DemandReportRow.profession) == profession,
                col(DemandReportRow.qualification) == qualification,
                col(DemandReportRow.year) > today.year - SERIES_YEARS,
            )
        )
    ).all()
    series = domain.yearly_demand((ReporterKind(who), year, positions) for who, year, positions, _ in reports)
    vacant = domain.yearly_demand((ReporterKind(who), year, vacancies) for who, year, _, vacancies in reports)
    latest = max((year for year in series if year <= today.year), default=max(series, default=None))
    unemployed = await _unemployed(session, region, profession, qualification)
    trained = domain.trained(await _institutions(session, region, today), profession, qualification)
    return LabourMarket(
        region=region,
        profession=profession,
        qualification=qualification,
        year=latest,
        demand=series.get(latest) if latest is not None else None,
        vacancies=vacant[max(vacant)] if vacant else None,
        unemployed=unemployed,
        places=trained.places,
        graduates=trained.graduates,
        institutions=trained.institutions,
        institutions_reporting=trained.reporting,
        reporters=sum(1 for _, year, positions, _ in reports if year == latest and positions is not None),
        series=dict(sorted(series.items())),
        trend=domain.trend(series),
        projection=domain.projection(series, today.year + domain.YEARS_TO_GRADUATION[qualification]),
    )


async def _unemployed(session: AsyncSession, region: str, profession: str, qualification: Qualification) -> int | None:
    """Registered unemployed in the latest reported year."""
    query = (
        select(col(SupplyReportRow.year), func.sum(col(SupplyReportRow.unemployed)))
        .where(
            col(SupplyReportRow.region) == region,
            col(SupplyReportRow.profession) == profession,
            col(SupplyReportRow.qualification) == qualification,
        )
        .group_by(col(SupplyReportRow.year))
        .order_by(col(SupplyReportRow.year).desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else int(row[1])


_TRAINING = text(
    "select i.state -> 'programmes', (select jsonb_build_object("
    "'places', (select n.state -> 'places' from enrolment n where n.institution_id = i.id "
    "and n.state ->> 'places' is not null and n.academic_year <= :year order by n.academic_year desc limit 1), "
    "'graduates', (select g.state -> 'graduates' from enrolment g where g.institution_id = i.id "
    "and g.state ->> 'graduates' is not null and g.academic_year <= :year order by g.academic_year desc limit 1))) "
    "from institution i where i.org_path like :path and i.status = 'active' "
    "and jsonb_array_length(i.state -> 'programmes') > 0"
)


async def _institutions(
    session: AsyncSession, region: str, today: date
) -> Sequence[tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]]:
    """(programmes, latest figures or None) of every institution at work in the region."""
    year = today.year if today.month >= 9 else today.year - 1
    rows = await session.execute(_TRAINING, {"path": path_of(region) + "%", "year": f"{year}-{(year + 1) % 100:02d}"})
    return [
        (programmes, figures if any(value is not None for value in figures.values()) else None)
        for programmes, figures in rows
    ]


_PARTNERS = text(
    "select state ->> 'category', stage, form, count(*) from partnership, "
    "jsonb_array_elements_text(state -> 'forms') form "
    "where (cast(:institution as text) is null or institution_id = :institution) group by 1, 2, 3 order by 1, 2, 3"
)


async def partner_overview(session: AsyncSession, institution_id: str | None) -> list[dict[str, Any]]:
    """R2: partners by category, stage and form, of what the session sees – of one institution, or of all."""
    rows = await session.execute(_PARTNERS, {"institution": institution_id})
    return [
        {"category": category, "stage": stage, "form": form, "partners": count} for category, stage, form, count in rows
    ]


_PROGRAMMES = text(
    "select occupation, (programme ->> 'isced_level')::integer, count(distinct i.id) "
    "from institution i, jsonb_array_elements(i.state -> 'programmes') programme, "
    "jsonb_array_elements_text(programme -> 'occupations') occupation "
    "where i.status = 'active' and i.org_path like :path group by 1, 2 order by 1, 2"
)


async def programme_overview(session: AsyncSession, area: str) -> list[dict[str, Any]]:
    """R4: which professions are taught at which ISCED level in a territory, by how many institutions."""
    rows = await session.execute(_PROGRAMMES, {"path": path_of(area) + "%"})
    return [
        {"profession": profession, "isced_level": level, "institutions": count} for profession, level, count in rows
    ]
