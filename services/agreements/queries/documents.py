"""Reading documents: the templates, a document's files printed again, and whether a hash is one of a document's."""

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.domain.documents.content import Content, sha256
from services.agreements.domain.documents.templates import FieldType, Subject, Template
from services.agreements.rendering.press import printed
from services.agreements.tables.final_stage import DocumentRow
from services.agreements.templates import templates
from shared.contracts.final_stage import DocumentKind, DocumentState, DocumentStatus
from shared.contracts.vocabulary import Form
from shared.i18n import Lang
from shared.persistence.unit_of_work import could_be_id
from shared.scope import Principal, Scope


class Shown(BaseModel):
    """Base of what is shown."""

    model_config = ConfigDict(frozen=True)


class FieldShown(Shown):
    """A value to give when a document is issued: days as ISO 8601, numbers in digits."""

    name: str
    type: FieldType
    required: bool
    label: str


class ColumnShown(Shown):
    """A column of a table."""

    name: str
    label: str


class TableShown(Shown):
    """A table to give when a document is issued; its rows have the columns in this order."""

    name: str
    label: str
    required: bool
    columns: tuple[ColumnShown, ...]


class TemplateShown(Shown):
    """A template: what it is filled from, and which fields and tables it takes besides."""

    kind: DocumentKind
    version: int
    title: str
    series: str
    form: Form | None
    filled_from: Subject
    languages: tuple[Lang, ...]
    fields: tuple[FieldShown, ...]
    tables: tuple[TableShown, ...]


class TemplatesShown(Shown):
    """All templates; there is no next page."""

    items: tuple[TemplateShown, ...]
    next: None = None


class Verification(Shown):
    """`matches` says of what a hash is (content, docx, pdf, or nothing of it); `valid` also that it is not annulled.

    `content_sha256` is told to the institution and to the enterprise alone.
    """

    id: str
    number: str
    status: DocumentStatus
    valid: bool
    matches: str | None
    content_sha256: str | None


def shown_template(template: Template, language: Lang) -> TemplateShown:
    """What whoever fills a template must know, in the reader's language."""
    words = template.words[language]
    return TemplateShown(
        kind=template.kind,
        version=template.version,
        title=template.wordings[language].title,
        series=template.series,
        form=template.form,
        filled_from=template.subject,
        languages=tuple(Lang),
        fields=tuple(
            FieldShown(name=each.name, type=each.type, required=each.required, label=words.labels[each.name])
            for each in template.fields
        ),
        tables=tuple(
            TableShown(
                name=table.name,
                label=words.labels[table.name],
                required=table.required,
                columns=tuple(ColumnShown(name=name, label=words.columns[name]) for name in table.columns),
            )
            for table in template.given_tables
        ),
    )


def shown_templates(language: Lang) -> TemplatesShown:
    """All templates, newest versions."""
    return TemplatesShown(items=tuple(shown_template(template, language) for template in templates().values()))


async def issued(session: AsyncSession, scope: Scope, id_: str) -> tuple[DocumentState, Content] | None:
    """An issued document within the caller's scope, with what is printed of it."""
    if not could_be_id(id_):
        return None
    query = select(DocumentRow).where(col(DocumentRow.id) == id_, DocumentRow.visible(scope))
    row: DocumentRow | None = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        return None
    return DocumentState.model_validate(row.state), Content.model_validate(row.details["content"])


async def verified(reader: Principal, state: DocumentState, content: Content, asked: str) -> Verification:
    """What of a document has this SHA-256: its content, a file as issued, or a file as it is printed today."""
    known = {state.content_sha256: "content", state.docx_sha256: "docx", state.pdf_sha256: "pdf"}
    matches = known.get(asked)
    if matches is None:
        files = await printed(content, reader)
        matches = {sha256(files.docx): "docx", sha256(files.pdf): "pdf"}.get(asked)
    return Verification(
        id=state.id,
        number=state.number,
        status=state.status,
        valid=matches is not None and state.status is DocumentStatus.ISSUED,
        matches=matches,
        content_sha256=None if reader.scope.is_office else state.content_sha256,
    )
