"""What all kinds of practice share: a life as a table, the agreement they rest on, natural identities."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar

from services.agreements.domain import periods
from services.agreements.domain.lifecycle import Step as AgreementStep
from services.agreements.domain.lifecycle import require
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType, State
from shared.contracts.vocabulary import Form, PartyCategory
from shared.errors import FieldError, InvalidInput, WrongState

S = TypeVar("S", bound=State)
IDENTITIES = uuid.UUID("6d1d1c2e-8a55-5f0e-9a34-0a9c4c6b7f10")


def identity(*parts: str | int) -> str:
    """The id of what is one of its kind: a graduate's status at six months, an institution's income of a month."""
    return str(uuid.uuid5(IDENTITIES, "/".join(map(str, parts))))


@dataclass(frozen=True, slots=True)
class Life(Generic[S]):
    """What may be done with one kind in which status, where it leads, and what is told.

    A step that is told differently by where it leads is named with its target. `nobodys` steps are offered to nobody.
    """

    table: Mapping[tuple[StrEnum, StrEnum], StrEnum]
    told_as: Mapping[StrEnum, EventType]
    nobodys: frozenset[StrEnum] = field(default_factory=frozenset)

    def require(self, state: S, step: StrEnum) -> StrEnum:
        """Where `step` leads; raises WrongState naming what is possible instead."""
        status = self.status_of(state)
        target = self.table.get((status, step))
        if target is None:
            possible = [each for from_, each in self.table if from_ is status and each not in self.nobodys]
            raise WrongState(state=status.value, step=step.value, possible=", ".join(possible))
        return target

    def take(self, state: S, step: StrEnum, **changes: Any) -> tuple[EventType, S]:
        """The outcome of a step with these changes; raises WrongState."""
        target = self.require(state, step)
        return self.told_as[step], state.model_copy(update={**changes, "status": target, "version": state.version + 1})

    @staticmethod
    def status_of(state: Any) -> StrEnum:
        """The status of a state."""
        status: StrEnum = state.status
        return status


def everywhere(statuses: type[StrEnum], step: StrEnum) -> dict[tuple[StrEnum, StrEnum], StrEnum]:
    """Lines of a table for a step that is possible everywhere and leads nowhere."""
    return {(status, step): status for status in statuses}


def rests_on(agreement: AgreementState, form: Form, field_name: str, day: date) -> None:
    """Raise InvalidInput unless the agreement is of that form and was active on that day; WrongState for a draft."""
    require(agreement, AgreementStep.RECORD_ACTIVITY)
    if agreement.form is not form:
        raise InvalidInput(FieldError("agreement_id", "other_form", {"value": agreement.form, "form": form}))
    if not periods.active_on(agreement.active_periods, day):
        raise InvalidInput(FieldError(field_name, "not_active_then", {"value": day.isoformat()}))


def enterprises_of(agreement: AgreementState) -> set[str]:
    """The enterprises that are parties; two places of one that others were merged into are its own."""
    return {party.ref for party in agreement.parties if party.category is PartyCategory.ENTERPRISE}


def enterprise_of(agreement: AgreementState, asked: str | None) -> str:
    """The enterprise it is done with: the one asked for, or the agreement's only one.

    Raises InvalidInput where it is no party, or where there are several and none is named.
    """
    parties = enterprises_of(agreement)
    if asked is None and len(parties) == 1:
        return min(parties)
    if asked is None or asked not in parties:
        raise InvalidInput(FieldError("enterprise_id", "not_a_party", {"value": asked or "–"}))
    return asked


def in_order(first: date, last: date, field_name: str) -> None:
    """Raise InvalidInput naming the last day where it is before the first."""
    if last < first:
        raise InvalidInput(FieldError(field_name, "earlier_than", {"limit": first.isoformat()}))


def renamed(old: str, new: str, value: str | None) -> str | None:
    """`new` where `value` is `old`."""
    return new if value == old else value
