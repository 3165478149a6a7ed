"""R11: sample documents an institution adopted, by kind; which template of the platform each was made from."""

from datetime import date

from pydantic import ConfigDict, Field

from services.agreements.domain.final_stage import EditionInput, Repeal, first_edition, repealed, revised
from shared.contracts.events import EventType
from shared.contracts.fields import Id
from shared.contracts.final_stage import (
    SAMPLE_ADOPTED,
    SAMPLE_REPEALED,
    SAMPLE_REVISED,
    AdoptionStatus,
    DocumentKind,
    SampleState,
)

Outcome = tuple[EventType, SampleState]


class ReviseSample(EditionInput):
    """Adopt the platform's newest template of the kind as the next edition of the sample."""


class AdoptSample(ReviseSample):
    """Adopt the platform's newest template of a kind as the institution's sample document (R11)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "01980000-0000-7000-8000-00000000000a",
                    "kind": "student_internship",
                    "adopted_on": "2026-08-28",
                    "in_force_from": "2026-09-01",
                    "order_ref": "B-42",
                }
            ]
        }
    )

    institution_id: Id = Field(description="who adopts it")
    kind: DocumentKind = Field(description="which sample document")


def adopt(id_: str, command: AdoptSample, template_version: int, today: date) -> Outcome:
    """The first edition; raises InvalidInput for days out of order."""
    return SAMPLE_ADOPTED, SampleState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        kind=command.kind,
        status=AdoptionStatus.ADOPTED,
        template=template_name(command.kind, template_version),
        editions=first_edition(command, today),
    )


def revise(state: SampleState, command: ReviseSample, template_version: int, today: date) -> Outcome:
    """The next edition, from the newest template; raises InvalidInput for days out of order."""
    return SAMPLE_REVISED, revised(state, command, today, template=template_name(state.kind, template_version))


def repeal(state: SampleState, command: Repeal, today: date) -> Outcome:
    """No longer in force from a day on; raises InvalidInput, WrongState."""
    return SAMPLE_REPEALED, repealed(state, command, today)


def template_name(kind: DocumentKind, version: int) -> str:
    """How a template and its version are named: "student_internship.1"."""
    return f"{kind}.{version}"
