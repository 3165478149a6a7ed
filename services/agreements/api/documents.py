"""HTTP routes of documents (R11): templates, samples in force, issued documents, their files and their hashes."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.agreements.commands import documents
from services.agreements.domain.documents import issuing, samples
from services.agreements.domain.documents.content import Content
from services.agreements.domain.documents.filling import blank
from services.agreements.domain.final_stage import Repeal
from services.agreements.queries import documents as queries
from services.agreements.rendering.press import printed
from services.agreements.tables.agreements import own_paths
from services.agreements.tables.final_stage import DocumentRow, SampleRow
from services.agreements.templates import templates
from shared.clock import local_day
from shared.contracts.final_stage import AdoptionStatus, DocumentKind, DocumentState, DocumentStatus, SampleState
from shared.errors import NotFound
from shared.i18n import Lang
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, RequestEdge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "sample.read": EDUCATION | {Role.SERVICE},
    "sample.adopt": EDUCATION,
    "document.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
    "document.issue": frozenset({Role.INSTITUTION}),
    # What documents say of persons is for those who signed them.
    "document.print": frozenset({Role.INSTITUTION, Role.ENTERPRISE}),
    "template.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
}


class Format(StrEnum):
    """Files a document is printed as."""

    DOCX = "docx"
    PDF = "pdf"


MEDIA_TYPES = {
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.PDF: "application/pdf",
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}, "description": "the file"}
}


class SampleFilter(Filter):
    """What the list of samples is narrowed by."""

    institution_id: Reference = None
    kind: DocumentKind | None = None
    status: AdoptionStatus | None = None


class DocumentFilter(Filter):
    """What the list of documents is narrowed by."""

    institution_id: Reference = None
    kind: DocumentKind | None = None
    status: DocumentStatus | None = None
    subject: Reference = None
    enterprise_id: Reference = None


SAMPLES = Register(
    name="samples",
    what="sample",
    row=SampleRow,
    state=SampleState,
    read="sample.read",
    own_paths=own_paths,
    filters=SampleFilter,
    create=Creation("sample.adopt", samples.AdoptSample, documents.adopt_sample),
)
DOCUMENTS = Register(
    name="documents",
    what="document",
    row=DocumentRow,
    state=DocumentState,
    shown=issuing.DocumentShown,
    read="document.read",
    own_paths=own_paths,
    filters=DocumentFilter,
    create=Creation("document.issue", issuing.IssueDocument, documents.issue_document),
)
REGISTERS = (SAMPLES, DOCUMENTS)

router = APIRouter(prefix="/v1")
Language = Annotated[Lang | None, Query(description="language of the text; left out: the caller's")]


@router.get("/documents/{id_}.{format_}", tags=["documents"], response_class=Response, responses=FILE)
async def print_document(edge: Edge, id_: str, format_: Format) -> Response:
    """The document as DOCX or PDF, printed from what was kept when it was issued."""
    state, content = await _issued(edge, "document.print", id_)
    return await _file(edge, content, format_, state.number.replace("/", "-"))


@router.get("/document-templates/{kind}.{format_}", tags=["documents"], response_class=Response, responses=FILE)
async def print_blank(edge: Edge, kind: DocumentKind, format_: Format, language: Language = None) -> Response:
    """A template with empty lines to fill in by hand."""
    edge.allow("template.read")
    today = local_day(edge.database.clock())
    return await _file(edge, blank(templates()[kind], language or edge.lang, today), format_, kind.value)


@router.get("/document-templates", tags=["documents"], response_model=queries.TemplatesShown)
async def list_templates(edge: Edge, language: Language = None) -> Response:
    """The templates with their fields and tables, labelled in the caller's language."""
    edge.allow("template.read")
    return _shown(queries.shown_templates(language or edge.lang))


@router.get("/document-templates/{kind}", tags=["documents"], response_model=queries.TemplateShown)
async def get_template(edge: Edge, kind: DocumentKind, language: Language = None) -> Response:
    """One template with its fields and tables."""
    edge.allow("template.read")
    return _shown(queries.shown_template(templates()[kind], language or edge.lang))


@router.get("/documents/{id_}/verify", tags=["documents"], response_model=queries.Verification)
async def verify_document(
    edge: Edge,
    id_: str,
    sha256: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file or content held")],
) -> Response:
    """Whether a file held is this document: `matches` says which of its hashes it is, `valid` also that it stands."""
    state, content = await _issued(edge, "document.read", id_)
    return _shown(await queries.verified(edge.principal, state, content, sha256))


for _register in REGISTERS:
    add_register(router, _register)


@router.post("/documents/{id_}/annul", tags=["documents"], response_model=issuing.DocumentShown)
async def annul_document(edge: Edge, id_: str) -> Response:
    """It is no longer valid; it keeps its number and can still be verified."""
    return await edge.command("document.issue", lambda uow: documents.annul_document(uow, id_), versioned=True)


@router.post("/samples/{id_}/revise", tags=["samples"], response_model=SampleState)
async def revise_sample(edge: Edge, id_: str, body: samples.ReviseSample) -> Response:
    """Adopt the newest template as the next edition; the one before ends on its first day."""
    return await edge.command("sample.adopt", lambda uow: documents.revise_sample(uow, id_, body), versioned=True)


@router.post("/samples/{id_}/repeal", tags=["samples"], response_model=SampleState)
async def repeal_sample(edge: Edge, id_: str, body: Repeal) -> Response:
    """End the last edition; none follows."""
    return await edge.command("sample.adopt", lambda uow: documents.repeal_sample(uow, id_, body), versioned=True)


def _shown(shown: queries.Shown) -> Response:
    return Response(shown.model_dump_json(), media_type="application/json")


async def _issued(edge: RequestEdge, action: str, id_: str) -> tuple[DocumentState, Content]:
    async with edge.reading(action) as session:
        found = await queries.issued(session, edge.principal.scope, id_)
    if found is None:
        raise NotFound(what="document", id=id_[:100])
    return found


async def _file(edge: RequestEdge, content: Content, format_: Format, name: str) -> Response:
    files = await printed(content, edge.principal)
    return Response(
        files.pdf if format_ is Format.PDF else files.docx,
        media_type=MEDIA_TYPES[format_],
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{format_}"',
            "Content-SHA256": content.sha256(),
            "X-Content-Type-Options": "nosniff",
        },
    )
