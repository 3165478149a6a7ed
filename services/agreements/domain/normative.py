"""Normative documents in force from–to: a ministry's, a region's, a district's, or an institution's own."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from services.agreements.domain.final_stage import (
    Details,
    EditionInput,
    Line,
    Repeal,
    Text,
    check_period,
    refuse,
)
from services.agreements.domain.inputs import Opportunities
from shared.contracts.events import EventType
from shared.contracts.fields import Id, printable
from shared.contracts.final_stage import (
    NORMATIVE_DOCUMENT_ADOPTED,
    NORMATIVE_DOCUMENT_REPEALED,
    AdoptionStatus,
    NormativeDocumentState,
    NormativeKind,
)
from shared.contracts.vocabulary import Form, TerritoryLevel
from shared.errors import FieldError, InvalidInput
from shared.scope import SOATO_LENGTHS

Outcome = tuple[EventType, NormativeDocumentState]
LEVELS = {2: TerritoryLevel.NATION, 4: TerritoryLevel.REGION, 7: TerritoryLevel.DISTRICT}
REPEALING = {(AdoptionStatus.ADOPTED, "repeal"): AdoptionStatus.REPEALED}


def _territory(value: str) -> str:
    if len(value) not in SOATO_LENGTHS or not (value.isascii() and value.isdigit()) or not value.startswith("17"):
        raise ValueError("soato")
    return value


Number = Annotated[
    str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True), AfterValidator(printable)
]


class NormativeDetails(Details):
    """Title, content in short, and where the full text is found."""

    title: str
    summary: str = ""
    source: str = ""


class NormativeShown(NormativeDocumentState, NormativeDetails):
    """A normative document with its title."""


class AdoptNormativeDocument(EditionInput):
    """Make a normative document known; it holds for everything at and below its issuer, who sees and obeys it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "territory": "17",
                    "kind": "regulation",
                    "number": "VMQ-547",
                    "title": "Oʻquvchilar amaliyotini tashkil etish tartibi toʻgʻrisidagi nizom",
                    "source": "https://lex.uz",
                    "adopted_on": "2026-07-10",
                    "in_force_from": "2026-09-01",
                    "forms": ["AF1"],
                    "opportunities": ["O4"],
                }
            ]
        }
    )

    territory: Annotated[str, AfterValidator(_territory)] | None = Field(
        default=None, description="SOATO code of the issuing ministry (17), region or district"
    )
    institution_id: Id | None = Field(default=None, description="the issuing institution, where it is its own norm")
    kind: NormativeKind = Field(description="kind of document")
    number: Number = Field(description="its official number")
    title: Line = Field(description="its title")
    summary: Text = Field(default="", description="what it says about the cooperation, in short")
    source: Annotated[str, StringConstraints(max_length=500), AfterValidator(printable)] = Field(
        default="", description="where the full text is found"
    )
    forms: Annotated[tuple[Form, ...], Field(max_length=9)] = Field(default=(), description="forms it regulates")
    opportunities: Opportunities | None = Field(default=None, description="opportunities it serves")
    replaces: Id | None = Field(default=None, description="the issuer's norm that ends when this one begins")

    @model_validator(mode="after")
    def _one_issuer(self) -> "AdoptNormativeDocument":
        if (self.territory is None) == (self.institution_id is None):
            raise ValueError("one_issuer")
        return self


def adopt(id_: str, command: AdoptNormativeDocument, today: date) -> Outcome:
    """A new norm; raises InvalidInput for days out of order."""
    check_period(command, today)
    return NORMATIVE_DOCUMENT_ADOPTED, NormativeDocumentState(
        id=id_,
        version=1,
        level=LEVELS[len(command.territory)] if command.territory else None,
        territory=command.territory,
        institution_id=command.institution_id,
        kind=command.kind,
        number=command.number,
        status=AdoptionStatus.ADOPTED,
        adopted_on=command.adopted_on,
        in_force_from=command.in_force_from,
        in_force_until=command.in_force_until,
        replaces=command.replaces,
        forms=tuple(sorted(set(command.forms))),
        opportunities=command.opportunities or (),
    )


def repeal(state: NormativeDocumentState, command: Repeal, today: date, field: str = "repealed_from") -> Outcome:
    """No longer in force from a day on; raises InvalidInput naming `field`, WrongState."""
    if (state.status, "repeal") not in REPEALING:
        raise refuse(state.status, "repeal", REPEALING)
    until = command.repealed_from or today
    if until <= state.in_force_from:
        raise InvalidInput(FieldError(field, "not_after", {"limit": state.in_force_from.isoformat()}))
    if state.in_force_until is not None:
        until = min(until, state.in_force_until)
    changes: dict[str, Any] = {"status": AdoptionStatus.REPEALED, "in_force_until": until}
    return NORMATIVE_DOCUMENT_REPEALED, state.model_copy(update={**changes, "version": state.version + 1})
