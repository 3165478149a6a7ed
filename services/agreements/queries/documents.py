"""Reading documents: the templates, a document's files printed again, and whether a hash is one of a document's."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.domain.documents.content import Content, sha256
from services.agreements.domain.documents.templates import Template
from services.agreements.rendering import printed
from services.agreements.tables.final_stage import DocumentRow
from services.agreements.templates import templates
from shared.contracts.final_stage import DocumentState
from shared.i18n import Lang
from shared.persistence.unit_of_work import could_be_id
from shared.scope import Scope


def shown_template(template: Template, language: Lang) -> dict[str, Any]:
    """What whoever fills a template must know, in the reader's language."""
    words = template.words[language]
    return {
        "kind": template.kind.value,
        "version": template.version,
        "title": template.wordings[language].title,
        "series": template.series,
        "form": template.form.value if template.form else None,
        "filled_from": template.subject.value,
        "languages": [lang.value for lang in Lang],
        "fields": [
            {
                "name": each.name,
                "type": each.type.value,
                "required": each.required,
                "label": words.labels[each.name],
            }
            for each in template.fields
        ],
        "tables": [
            {
                "name": table.name,
                "label": words.labels[table.name],
                "required": table.required,
                "columns": [{"name": name, "label": words.columns[name]} for name in table.columns],
            }
            for table in template.given_tables
        ],
    }


def shown_templates(language: Lang) -> list[dict[str, Any]]:
    """All templates, newest versions."""
    return [shown_template(template, language) for template in templates().values()]


async def issued(session: AsyncSession, scope: Scope, id_: str) -> tuple[DocumentState, Content] | None:
    """An issued document within the caller's scope, with what is printed of it."""
    if not could_be_id(id_):
        return None
    query = select(DocumentRow).where(col(DocumentRow.id) == id_, DocumentRow.visible(scope))
    row: DocumentRow | None = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        return None
    return DocumentState.model_validate(row.state), Content.model_validate(row.details["content"])


async def verified(state: DocumentState, content: Content, asked: str) -> dict[str, Any]:
    """What of a document has this SHA-256: its content, a file as issued, or a file as it is printed today."""
    known = {state.content_sha256: "content", state.docx_sha256: "docx", state.pdf_sha256: "pdf"}
    matches = known.get(asked)
    if matches is None:
        files = await printed(content)
        matches = {sha256(files.docx): "docx", sha256(files.pdf): "pdf"}.get(asked)
    return {
        "id": state.id,
        "number": state.number,
        "status": state.status.value,
        "valid": matches is not None and state.annulled_on is None,
        "matches": matches,
        "content_sha256": state.content_sha256,
    }
