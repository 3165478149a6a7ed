"""Issuing documents: numbered in the institution's series of the year, hashed, kept to be printed again."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from services.agreements.domain.documents.content import Content
from services.agreements.domain.documents.templates import Template
from services.agreements.domain.final_stage import Details, Line, refuse
from services.agreements.domain.inputs import Command
from services.agreements.domain.practice.common import enterprise_of, enterprises_of
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id
from shared.contracts.final_stage import (
    DOCUMENT_ANNULLED,
    DOCUMENT_ISSUED,
    DOCUMENT_REASSIGNED,
    DocumentKind,
    DocumentState,
    DocumentStatus,
)
from shared.errors import FieldError, InvalidInput

Outcome = tuple[EventType, DocumentState]
ANNULLING = {(DocumentStatus.ISSUED, "annul"): DocumentStatus.ANNULLED}
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Row = Annotated[tuple[Line, ...], Field(min_length=1, max_length=8)]


class DocumentDetails(Details):
    """The title, what was given, and the filled content, from which the document is printed again."""

    title: str
    fields: dict[str, str]
    tables: dict[str, tuple[tuple[str, ...], ...]]
    party_names: dict[str, str]
    content: dict[str, Any]


class DocumentShown(DocumentState):
    """A document with its title; what it says of persons is read in the document itself.

    Its hashes are shown to the institution and to the enterprise alone.
    """

    title: str
    content_sha256: str | None = None  # type: ignore[assignment]  # left out for offices
    docx_sha256: str | None = None  # type: ignore[assignment]  # likewise
    pdf_sha256: str | None = None  # type: ignore[assignment]  # likewise


class IssueDocument(Command):
    """Fill a template, give it the next number of the series, and keep it; a missing field is named before that.

    `GET /v1/document-templates` says which fields and tables a kind has. Names given here are printed and kept, and
    stand in no event.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "01980000-0000-7000-8000-00000000000a",
                    "kind": "employment_contract",
                    "language": "uz",
                    "fields": {
                        "city": "Jizzax",
                        "employer_name": "“Zafar Mash” MChJ",
                        "employer_address": "Jizzax sh., Sanoat koʻchasi 4",
                        "employer_stir": "302118804",
                        "employer_head": "A. Karimov",
                        "worker_name": "Toʻrayev Bekzod",
                        "position": "Payvandchi",
                        "starts_on": "2026-12-01",
                        "salary": "4500000",
                    },
                }
            ]
        }
    )

    institution_id: Id = Field(description="in whose series it is numbered")
    kind: DocumentKind = Field(description="which document")
    language: Literal["uz", "uz-Cyrl", "ru", "en"] = Field(default="uz", description="language of the text")
    agreement_id: Id | None = Field(default=None, description="agreement it is filled from")
    enterprise_id: Id | None = Field(
        default=None,
        description="enterprise it is made with, no other sees it; needed where the agreement has several enterprises",
    )
    board_id: Id | None = Field(default=None, description="Board of Trustees it is filled from")
    fields: Annotated[dict[Key, Line], Field(max_length=60)] = Field(default={}, description="values by field")
    tables: Annotated[dict[Key, Annotated[tuple[Row, ...], Field(max_length=100)]], Field(max_length=5)] = Field(
        default={}, description="rows by table, each with the table's columns in order"
    )
    party_names: Annotated[dict[Key, Line], Field(max_length=6)] = Field(
        default={}, description="names of the agreement's parties by `party_id`"
    )


def number_of(year: int, series: str, sequence: int) -> str:
    """How a document's number is written: "2026/AF1-0007"."""
    return f"{year}/{series}-{sequence:04}"


def issue(
    id_: str,
    command: IssueDocument,
    template: Template,
    content: Content,
    sequence: int,
    *,
    enterprise_id: str | None,
    docx_sha256: str,
    pdf_sha256: str,
) -> Outcome:
    """The issued document."""
    return DOCUMENT_ISSUED, DocumentState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        kind=template.kind,
        template_version=template.version,
        language=content.language.value,
        number=content.number,
        series=template.series,
        year=content.issued_on.year,
        sequence=sequence,
        issued_on=content.issued_on,
        status=DocumentStatus.ISSUED,
        content_sha256=content.sha256(),
        docx_sha256=docx_sha256,
        pdf_sha256=pdf_sha256,
        subject=command.agreement_id or command.board_id,
        form=template.form,
        enterprise_id=enterprise_id,
    )


def made_with(command: IssueDocument, agreement: AgreementState | None) -> str | None:
    """The enterprise a document is made with: the one asked for, or the agreement's only one; None without any.

    Raises InvalidInput where it is no party, where there are several and none is named, and for one without agreement.
    """
    if agreement is None and command.enterprise_id is not None:
        raise InvalidInput(FieldError("enterprise_id", "extra_forbidden"))
    if agreement is None or (command.enterprise_id is None and not enterprises_of(agreement)):
        return None
    return enterprise_of(agreement, command.enterprise_id)


def annul(state: DocumentState, today: date) -> Outcome:
    """No longer valid; it keeps its number. Raises WrongState."""
    status = ANNULLING.get((state.status, "annul"))
    if status is None:
        raise refuse(state.status, "annul", ANNULLING)
    return DOCUMENT_ANNULLED, state.model_copy(
        update={"status": status, "annulled_on": today, "version": state.version + 1}
    )


def reassign(state: DocumentState, living_id: str) -> Outcome:
    """The document follows a merged enterprise."""
    return DOCUMENT_REASSIGNED, state.model_copy(update={"enterprise_id": living_id, "version": state.version + 1})


def details(command: IssueDocument, content: Content) -> DocumentDetails:
    """What is kept of it."""
    return DocumentDetails(
        title=content.title,
        fields=dict(command.fields),
        tables=dict(command.tables),
        party_names=dict(command.party_names),
        content=content.model_dump(mode="json"),
    )
