"""HTTP routes of partners: one line a command; what may be done by whom stands in one table."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlmodel import col

from services.partners.commands import enterprises, institutions, partnerships, territory
from services.partners.domain import enterprises as enterprise_domain
from services.partners.domain import institutions as institution_domain
from services.partners.domain import partnerships as partnership_domain
from services.partners.domain import territory as territory_domain
from services.partners.queries import enterprises as enterprise_queries
from services.partners.queries import registers as queries
from services.partners.tables.registers import (
    EnrolmentRow,
    EnterpriseRow,
    InstitutionRow,
    PartnershipRow,
    TerritoryRow,
    own_paths,
)
from shared.contracts.fields import PLACE_PATTERN, PLAIN_PATTERN, TERRITORY_PATTERN, AcademicYear, IsicSection, Stir
from shared.contracts.partners import (
    EnrolmentState,
    EnterpriseState,
    EnterpriseStatus,
    InstitutionState,
    PartnershipStage,
    PartnershipState,
    TerritoryState,
)
from shared.contracts.vocabulary import EnterpriseSize, InstitutionKind
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.pages import one_state
from shared.scope import ALL, EDUCATION, SOATO_LENGTHS, SYSTEM, TERRITORIAL, Role, path_of
from shared.web.edge import Edge, json_response, page_response, state_dict_response
from shared.web.exchange import add_exchange
from shared.web.registers import Condition, Creation, Filter, Reference, Register, add_register

EVERYBODY = EDUCATION | {Role.ENTERPRISE, Role.SERVICE}
PERMISSIONS: dict[str, frozenset[Role]] = {
    "territory.read": EVERYBODY,
    "territory.record": frozenset({Role.MINISTRY}),
    "institution.read": EDUCATION | {Role.SERVICE},
    "institution.name": frozenset({Role.ENTERPRISE}),
    "institution.register": TERRITORIAL,
    "institution.update": EDUCATION,
    "institution.move": frozenset({Role.MINISTRY, Role.REGION}),
    "institution.close": TERRITORIAL,
    "institution.merge": frozenset({Role.MINISTRY, Role.REGION}),
    "institution.reopen": frozenset({Role.MINISTRY, Role.REGION}),
    "enrolment.report": EDUCATION,
    "enterprise.read": EVERYBODY,
    "enterprise.register": EDUCATION,
    "enterprise.update": TERRITORIAL | {Role.ENTERPRISE},
    "enterprise.merge": frozenset({Role.MINISTRY}),
    "enterprise.unmerge": frozenset({Role.MINISTRY}),
    "enterprise.close": TERRITORIAL | {Role.ENTERPRISE},
    "enterprise.reopen": TERRITORIAL,
    "partnership.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
    "partnership.record": EDUCATION,
}


Territory = Annotated[
    str | None, Field(pattern=TERRITORY_PATTERN, description="code of the nation, a region or a district")
]
Place = Annotated[str | None, Field(pattern=PLACE_PATTERN, description="code of a region or district")]


class PartnershipFilter(Filter):
    """What the list of partnerships is narrowed by."""

    institution_id: Reference = None
    enterprise_id: Reference = None
    stage: PartnershipStage | None = None


PARTNERSHIPS = Register(
    name="partnerships",
    what="partnership",
    row=PartnershipRow,
    state=PartnershipState,
    read="partnership.read",
    own_paths=own_paths,
    filters=PartnershipFilter,
    create=Creation("partnership.record", partnership_domain.RecordPartnership, partnerships.record_partnership),
)


class EnrolmentFilter(Filter):
    """What the list of yearly figures is narrowed by."""

    institution_id: Reference = None
    academic_year: AcademicYear | None = None


ENROLMENTS = Register(
    name="enrolments",
    what="enrolment",
    row=EnrolmentRow,
    state=EnrolmentState,
    read="institution.read",
    own_paths=own_paths,
    filters=EnrolmentFilter,
    create=Creation("enrolment.report", institution_domain.ReportFigures, institutions.report_figures),
)
REGISTERS = (PARTNERSHIPS, ENROLMENTS)
TERRITORY = Register(name="territory", what="territory", row=TerritoryRow, state=TerritoryState, read="territory.read")


class InstitutionExport(Filter):
    """What an export of institutions is narrowed by."""

    kind: InstitutionKind | None = None
    district: Territory = None


class EnterpriseExport(Filter):
    """What an export of enterprises is narrowed by."""

    district: Place = None
    isic_section: IsicSection | None = None
    size: EnterpriseSize | None = None
    status: EnterpriseStatus | None = None


def _term(name: str) -> Condition:
    return lambda value: col(EnterpriseRow.terms).contains([f"{name}:{value}"])


INSTITUTIONS = Register(
    name="institutions",
    what="institution",
    row=InstitutionRow,
    state=InstitutionState,
    read="institution.read",
    filters=InstitutionExport,
    conditions={"district": lambda code: col(InstitutionRow.org_path).startswith(path_of(code), autoescape=True)},
    order=("name", "id"),
    create=Creation("institution.register", institution_domain.RegisterInstitution, institutions.register_institution),
)
ENTERPRISES = Register(
    name="enterprises",
    what="enterprise",
    row=EnterpriseRow,
    state=EnterpriseState,
    read="enterprise.read",
    filters=EnterpriseExport,
    conditions={
        name: _term(term)
        for name, term in (("district", "place"), ("isic_section", "isic"), ("size", "size"), ("status", "status"))
    },
    create=Creation("enterprise.register", enterprise_domain.RegisterEnterprise, enterprises.register_enterprise),
)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)
# Their lists are searched by words, and enterprises are imported as jobs: the rest is as everywhere.
add_exchange(router, INSTITUTIONS)
add_exchange(router, ENTERPRISES, imports=False)
add_exchange(router, TERRITORY)
Limit = Annotated[int, Query(ge=1, le=500, description="items a page")]
After = Annotated[str | None, Query(max_length=500, description="cursor of the page before")]
Search = Annotated[str | None, Query(max_length=100, pattern=PLAIN_PATTERN)]


@router.get("/territory", tags=["territory"])
async def list_territory(edge: Edge) -> Response:
    """Nation, regions and districts with their names in four languages."""
    async with edge.reading("territory.read") as session:
        return page_response(await queries.territory(session, edge.principal.scope), None)


@router.put("/territory/{soato}", tags=["territory"], response_model=TerritoryState)
async def record_territory(edge: Edge, soato: str, body: territory_domain.RecordTerritory) -> Response:
    """Enter a unit of the territory or change its names."""
    return await edge.command("territory.record", lambda uow: territory.record_territory(uow, soato, body))


@router.post("/institutions", tags=["institutions"], status_code=201, response_model=InstitutionState)
async def register_institution(edge: Edge, body: institution_domain.RegisterInstitution) -> Response:
    """Enter an institution into the register."""
    return await edge.command(
        "institution.register", lambda uow: institutions.register_institution(uow, body), status=201
    )


@router.get("/institutions", tags=["institutions"])
async def list_institutions(
    edge: Edge,
    q: Search = None,
    kind: InstitutionKind | None = None,
    district: Annotated[str | None, Query(max_length=7, description="any territory code")] = None,
    code: Annotated[Reference, Query()] = None,
    successor_id: Annotated[Reference, Query(description="into which they were merged")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """Institutions of the caller's territory by name."""
    if district is not None and (not (district.isascii() and district.isdigit()) or len(district) not in SOATO_LENGTHS):
        raise InvalidInput(FieldError("district", "soato", {"value": district}))
    async with edge.reading("institution.read") as session:
        return page_response(
            *await queries.institutions(
                session,
                edge.principal.scope,
                q=q,
                kind=kind,
                district=district,
                code=code,
                successor=successor_id,
                after=after,
                limit=limit,
            )
        )


@router.get("/institutions/{id_}", tags=["institutions"], response_model=InstitutionState)
async def get_institution(edge: Edge, id_: str) -> Response:
    """One institution; its version is the ETag."""
    async with edge.reading("institution.read") as session:
        return state_dict_response(
            await one_state(session, InstitutionRow, id_, edge.principal.scope), "institution", id_
        )


class InstitutionName(BaseModel):
    """What is public of an institution."""

    id: str
    code: str
    name: str
    kind: InstitutionKind
    district: str


@router.get("/institutions/{id_}/name", tags=["institutions"], response_model=InstitutionName)
async def get_institution_name(edge: Edge, id_: str) -> Response:
    """What an enterprise may know of any institution: with whom it would sign, and whose students come."""
    edge.allow("institution.name")
    async with edge.database.reading(SYSTEM) as session:
        state = await one_state(session, InstitutionRow, id_, ALL)
    if state is None:
        raise NotFound(what="institution", id=id_[:100])
    shown = {name: state[name] for name in ("id", "code", "name", "kind")}
    return json_response({**shown, "district": state["membership"][-1]["district"]})


@router.patch("/institutions/{id_}", tags=["institutions"], response_model=InstitutionState)
async def update_institution(edge: Edge, id_: str, body: institution_domain.UpdateInstitution) -> Response:
    """Change name, kind or sector."""
    return await edge.command("institution.update", lambda uow: institutions.update_institution(uow, id_, body))


@router.put("/institutions/{id_}/programmes", tags=["institutions"], response_model=InstitutionState)
async def set_programmes(edge: Edge, id_: str, body: institution_domain.SetProgrammes) -> Response:
    """Replace the list of educational programmes (R4)."""
    return await edge.command("institution.update", lambda uow: institutions.set_programmes(uow, id_, body))


@router.post("/institutions/{id_}/move", tags=["institutions"], response_model=InstitutionState)
async def move_institution(edge: Edge, id_: str, body: institution_domain.MoveInstitution) -> Response:
    """The institution belongs to another district from a day on."""
    return await edge.command("institution.move", lambda uow: institutions.move_institution(uow, id_, body))


@router.post("/institutions/{id_}/close", tags=["institutions"], response_model=InstitutionState)
async def close_institution(edge: Edge, id_: str, body: institution_domain.CloseInstitution) -> Response:
    """The institution ends its work and keeps its history."""
    return await edge.command("institution.close", lambda uow: institutions.close_institution(uow, id_, body))


@router.post("/institutions/{id_}/merge", tags=["institutions"], response_model=InstitutionState)
async def merge_institution(edge: Edge, id_: str, body: institution_domain.MergeInstitution) -> Response:
    """Another institution does its work from a day on; what is still open lies below it and counts in its district.

    Its people see registers, reports and figures of the one that was merged, and go on with them; surveys stay apart.
    """
    return await edge.command("institution.merge", lambda uow: institutions.merge_institution(uow, id_, body))


@router.post("/institutions/{id_}/reopen", tags=["institutions"], response_model=InstitutionState)
async def reopen_institution(edge: Edge, id_: str) -> Response:
    """It was closed or merged by mistake: it is at work again, where it was before."""
    return await edge.command("institution.reopen", lambda uow: institutions.reopen_institution(uow, id_))


@router.get("/institutions/{id_}/enrolments", tags=["institutions"])
async def list_institution_enrolments(edge: Edge, id_: str) -> Response:
    """The institution's yearly figures, newest first."""
    async with edge.reading("institution.read") as session:
        if await one_state(session, InstitutionRow, id_, edge.principal.scope) is None:
            raise NotFound(what="institution", id=id_)
        return page_response(await queries.enrolments(session, edge.principal.scope, id_), None)


@router.put("/institutions/{id_}/enrolments/{academic_year}", tags=["institutions"], response_model=EnrolmentState)
async def report_enrolment(
    edge: Edge, id_: str, academic_year: AcademicYear, body: institution_domain.ReportEnrolment
) -> Response:
    """Report or correct places, first-choice applications, graduates and teachers of a year ("2025-26")."""
    return await edge.command(
        "enrolment.report", lambda uow: institutions.report_enrolment(uow, id_, academic_year, body)
    )


@router.post("/enterprises", tags=["enterprises"], status_code=201, response_model=EnterpriseState)
async def register_enterprise(edge: Edge, body: enterprise_domain.RegisterEnterprise) -> Response:
    """Enter an enterprise into the national register."""
    return await edge.command("enterprise.register", lambda uow: enterprises.register_enterprise(uow, body), status=201)


@router.get("/enterprises", tags=["enterprises"])
async def list_enterprises(
    edge: Edge,
    q: Annotated[
        str | None,
        Query(max_length=100, pattern=PLAIN_PATTERN, description="words of the name, or a STIR's first digits"),
    ] = None,
    stir: Stir | None = None,
    district: Annotated[str | None, Query(max_length=7, description="code of a region or district")] = None,
    isic_section: IsicSection | None = None,
    size: EnterpriseSize | None = None,
    status: EnterpriseStatus | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """Enterprises of the national register, page by page – or, with `q`, the best answers, best first.

    Words are found in Latin and Cyrillic, in any order, without the legal form, by their beginning or with a wrong
    letter; there is no page after the best answers: narrow the question instead.
    """
    if district is not None and (not (district.isascii() and district.isdigit()) or len(district) not in (4, 7)):
        raise InvalidInput(FieldError("district", "soato", {"value": district}))
    asked = enterprise_queries.Asked(district=district, isic_section=isic_section, size=size, status=status)
    async with edge.reading("enterprise.read") as session:
        scope = edge.principal.scope
        if q and q.strip():
            return page_response(await enterprise_queries.search(session, scope, q, asked, limit), None)
        page = await enterprise_queries.enterprises(session, scope, asked, stir=stir, after=after, limit=limit)
        return page_response(*page)


@router.get("/enterprises/{id_}", tags=["enterprises"], response_model=EnterpriseState)
async def get_enterprise(edge: Edge, id_: str) -> Response:
    """One enterprise; a merged one names the entry that lives on."""
    async with edge.reading("enterprise.read") as session:
        return state_dict_response(
            await one_state(session, EnterpriseRow, id_, edge.principal.scope), "enterprise", id_
        )


@router.patch("/enterprises/{id_}", tags=["enterprises"], response_model=EnterpriseState)
async def update_enterprise(edge: Edge, id_: str, body: enterprise_domain.UpdateEnterprise) -> Response:
    """Change name, size, sector, district or union affiliation."""
    return await edge.command("enterprise.update", lambda uow: enterprises.update_enterprise(uow, id_, body))


@router.post("/enterprises/{id_}/merge", tags=["enterprises"], response_model=EnterpriseState)
async def merge_enterprise(edge: Edge, id_: str, body: enterprise_domain.MergeEnterprise) -> Response:
    """This entry is a duplicate: references follow to `into`."""
    return await edge.command("enterprise.merge", lambda uow: enterprises.merge_enterprise(uow, id_, body))


@router.post("/enterprises/{id_}/unmerge", tags=["enterprises"], response_model=EnterpriseState)
async def unmerge_enterprise(edge: Edge, id_: str) -> Response:
    """It was no duplicate: what the merge moved comes back, what was made since stays where it is."""
    return await edge.command("enterprise.unmerge", lambda uow: enterprises.unmerge_enterprise(uow, id_))


@router.post("/enterprises/{id_}/close", tags=["enterprises"], response_model=EnterpriseState)
async def close_enterprise(edge: Edge, id_: str) -> Response:
    """The enterprise is gone; old agreements keep it."""
    return await edge.command("enterprise.close", lambda uow: enterprises.close_enterprise(uow, id_))


@router.post("/enterprises/{id_}/reopen", tags=["enterprises"], response_model=EnterpriseState)
async def reopen_enterprise(edge: Edge, id_: str) -> Response:
    """It was closed by mistake."""
    return await edge.command("enterprise.reopen", lambda uow: enterprises.reopen_enterprise(uow, id_))


@router.patch("/partnerships/{id_}", tags=["partnerships"], response_model=PartnershipState)
async def update_partnership(edge: Edge, id_: str, body: partnership_domain.UpdatePartnership) -> Response:
    """Change stage, forms or opportunities; stage "ended" ends it."""
    return await edge.command("partnership.record", lambda uow: partnerships.update_partnership(uow, id_, body))
