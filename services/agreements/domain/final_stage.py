"""What the rooms of the final stage share: texts, evidence, and editions that follow one another, never two at once."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.agreements.domain.inputs import Command, Day, check_day
from shared.contracts.fields import Ref, printable
from shared.contracts.final_stage import AdoptionStatus, Edition, Evidence, EvidenceKind, InstructionState, SampleState
from shared.errors import FieldError, InvalidInput, WrongState


def _printable_lines(value: str) -> str:
    return printable(value.replace("\r\n", "\n"), allowed="\n\t")


Line = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True), AfterValidator(printable)]
Text = Annotated[str, StringConstraints(max_length=20_000, strip_whitespace=True), AfterValidator(_printable_lines)]


class Details(BaseModel):
    """What lies beside a state and is told to nobody."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EvidenceInput(Command):
    """What shows that something was done."""

    kind: EvidenceKind = Field(description="what it is: an entry of this service, or a file kept elsewhere")
    ref: Ref = Field(description="the entry's id (of a meeting: its `meeting_id`), or the file's opaque reference")

    def told(self) -> Evidence:
        """As the event tells it."""
        return Evidence(kind=self.kind, ref=self.ref)


class EditionInput(Command):
    """When an edition was adopted and from when to when it is in force."""

    adopted_on: Day = Field(description="day of the decision or order")
    in_force_from: Day = Field(description="first day in force; the edition before ends with it")
    in_force_until: Day | None = Field(
        default=None, description="first day no longer in force; left out: until another follows or it is repealed"
    )
    order_ref: Ref | None = Field(default=None, description="opaque number of the adopting order")


class Repeal(Command):
    """The last edition ends and none follows."""

    repealed_from: Day | None = Field(default=None, description="first day no longer in force (default: today)")


class AdoptionStep(StrEnum):
    """What can happen to something adopted."""

    REVISE = "revise"
    REPEAL = "repeal"


ADOPTION: Mapping[tuple[AdoptionStatus, AdoptionStep], AdoptionStatus] = {
    (AdoptionStatus.ADOPTED, AdoptionStep.REVISE): AdoptionStatus.ADOPTED,
    (AdoptionStatus.ADOPTED, AdoptionStep.REPEAL): AdoptionStatus.REPEALED,
    # What was repealed may be adopted anew, as its next edition.
    (AdoptionStatus.REPEALED, AdoptionStep.REVISE): AdoptionStatus.ADOPTED,
}
"""The life of an instruction and of a sample document."""

Adopted = TypeVar("Adopted", InstructionState, SampleState)


def refuse(state: str, step: str, table: Mapping[tuple[Any, Any], Any]) -> WrongState:
    """The refusal of a step, naming what the table allows instead."""
    return WrongState(state=state, step=step, possible=", ".join(each for from_, each in table if from_ == state))


def first_edition(command: EditionInput, today: date) -> tuple[Edition, ...]:
    """The edition something is adopted with; raises InvalidInput."""
    return _followed((), command, today)


def revised(state: Adopted, command: EditionInput, today: date, **changes: Any) -> Adopted:
    """With its next edition; the one before ends on that one's first day at the latest. Raises InvalidInput."""
    return _moved(state, AdoptionStep.REVISE, editions=_followed(state.editions, command, today), **changes)


def repealed(state: Adopted, command: Repeal, today: date) -> Adopted:
    """With its last edition ended; raises InvalidInput for a day at which that had not begun, WrongState."""
    until = command.repealed_from or today
    last = state.editions[-1]
    if until <= last.in_force_from:
        raise InvalidInput(FieldError("repealed_from", "not_after", {"limit": last.in_force_from.isoformat()}))
    if last.in_force_until is not None and until > last.in_force_until:
        raise InvalidInput(FieldError("repealed_from", "later_than", {"limit": last.in_force_until.isoformat()}))
    return _moved(state, AdoptionStep.REPEAL, editions=(*state.editions[:-1], _ended(last, until)))


def _moved(state: Adopted, step: AdoptionStep, **changes: Any) -> Adopted:
    status = ADOPTION.get((state.status, step))
    if status is None:
        raise refuse(state.status, step, ADOPTION)
    return state.model_copy(update={**changes, "status": status, "version": state.version + 1})


def _followed(editions: tuple[Edition, ...], command: EditionInput, today: date) -> tuple[Edition, ...]:
    check_period(command, today)
    edition = Edition(number=len(editions) + 1, **command.model_dump(include=set(EditionInput.model_fields)))
    if not editions:
        return (edition,)
    *before, last = editions
    if edition.in_force_from <= last.in_force_from:
        raise InvalidInput(FieldError("in_force_from", "not_after", {"limit": last.in_force_from.isoformat()}))
    if last.in_force_until is None or last.in_force_until > edition.in_force_from:
        last = _ended(last, edition.in_force_from)
    return (*before, last, edition)


def check_period(command: EditionInput, today: date) -> None:
    """Raise InvalidInput unless adopted, begun and ended follow one another, and adopting lies not in the future."""
    check_day("adopted_on", command.adopted_on, first=date.min, today=today)
    if command.in_force_from < command.adopted_on:
        limit = {"limit": command.adopted_on.isoformat()}
        raise InvalidInput(FieldError("in_force_from", "earlier_than", {**limit}))
    if command.in_force_until is not None and command.in_force_until <= command.in_force_from:
        raise InvalidInput(FieldError("in_force_until", "not_after", {"limit": command.in_force_from.isoformat()}))


def _ended(edition: Edition, until: date) -> Edition:
    return edition.model_copy(update={"in_force_until": until})
