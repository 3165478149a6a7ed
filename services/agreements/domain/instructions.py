"""R9: duties and job instructions for working with partners, edition by edition."""

from datetime import date

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from services.agreements.domain.final_stage import (
    Details,
    EditionInput,
    Line,
    Repeal,
    Text,
    first_edition,
    repealed,
    revised,
)
from shared.contracts.events import EventType
from shared.contracts.fields import Id
from shared.contracts.final_stage import (
    INSTRUCTION_ADOPTED,
    INSTRUCTION_REPEALED,
    INSTRUCTION_REVISED,
    AdoptionStatus,
    Duty,
    InstructionKind,
    InstructionState,
)

Outcome = tuple[EventType, InstructionState]
EDITION: JsonDict = {
    "adopted_on": "2026-08-28",
    "in_force_from": "2026-09-01",
    "order_ref": "B-41",
    "title": "Ijtimoiy hamkorlik boʻyicha koordinatorning lavozim yoʻriqnomasi",
    "text": "1. Hamkorlar bilan uchrashuvlarni rejalashtiradi va bayonnomasini yuritadi.",
}


class EditionText(Details):
    """Title and text of one edition."""

    edition: int
    title: str
    text: str


class InstructionDetails(Details):
    """The texts of all editions."""

    texts: tuple[EditionText, ...] = ()


class InstructionShown(InstructionState, InstructionDetails):
    """An instruction with its texts."""


class ReviseInstruction(EditionInput):
    """A new edition; the one before ends on its first day."""

    model_config = ConfigDict(json_schema_extra={"examples": [EDITION]})

    title: Line = Field(description="its title")
    text: Text = Field(description="its text: what whoever has this duty does for the work with partners")


class AdoptInstruction(ReviseInstruction):
    """Adopt the duties or the job instruction of one post; a post has one of each kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "01980000-0000-7000-8000-00000000000a",
                    "kind": "job_instruction",
                    "duty": "coordinator",
                    **EDITION,
                }
            ]
        }
    )

    institution_id: Id = Field(description="whose instruction it is")
    kind: InstructionKind = Field(description="duties of an office, or the job instruction of a post")
    duty: Duty = Field(description="for whom it is")


def adopt(id_: str, command: AdoptInstruction, today: date) -> Outcome:
    """The first edition; raises InvalidInput for days out of order."""
    return INSTRUCTION_ADOPTED, InstructionState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        kind=command.kind,
        duty=command.duty,
        status=AdoptionStatus.ADOPTED,
        editions=first_edition(command, today),
    )


def revise(state: InstructionState, command: ReviseInstruction, today: date) -> Outcome:
    """The next edition; raises InvalidInput for days out of order."""
    return INSTRUCTION_REVISED, revised(state, command, today)


def repeal(state: InstructionState, command: Repeal, today: date) -> Outcome:
    """No longer in force from a day on; raises InvalidInput, WrongState."""
    return INSTRUCTION_REPEALED, repealed(state, command, today)


def told_apart(
    state: InstructionState, command: ReviseInstruction, details: InstructionDetails | None = None
) -> InstructionDetails:
    """The details with the text of the state's last edition."""
    text = EditionText(edition=state.editions[-1].number, title=command.title, text=command.text)
    return InstructionDetails(texts=(*(details.texts if details else ()), text))
