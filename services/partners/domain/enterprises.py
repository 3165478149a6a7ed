"""Enterprises: one national register by STIR; merging keeps history and names the one that lives on."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import DistrictCode, Id, IsicSection, Name, Stir
from shared.contracts.partners import (
    ENTERPRISE_CLOSED,
    ENTERPRISE_MERGED,
    ENTERPRISE_REGISTERED,
    ENTERPRISE_REOPENED,
    ENTERPRISE_UNMERGED,
    ENTERPRISE_UPDATED,
    EnterpriseState,
)
from shared.contracts.partners import EnterpriseStatus as Status
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, EnterpriseState]


class Step(StrEnum):
    """What can happen to an entry once it is registered."""

    UPDATE = "update"
    MERGE = "merge"
    UNMERGE = "unmerge"
    CLOSE = "close"
    REOPEN = "reopen"


LIFECYCLE: dict[tuple[Status, Step], Status] = {
    (Status.ACTIVE, Step.UPDATE): Status.ACTIVE,
    (Status.ACTIVE, Step.MERGE): Status.MERGED,
    (Status.ACTIVE, Step.CLOSE): Status.CLOSED,
    (Status.CLOSED, Step.REOPEN): Status.ACTIVE,
    (Status.MERGED, Step.UNMERGE): Status.ACTIVE,
}

TOLD_AS: dict[Step, EventType] = {
    Step.UPDATE: ENTERPRISE_UPDATED,
    Step.MERGE: ENTERPRISE_MERGED,
    Step.UNMERGE: ENTERPRISE_UNMERGED,
    Step.CLOSE: ENTERPRISE_CLOSED,
    Step.REOPEN: ENTERPRISE_REOPENED,
}


class RegisterEnterprise(Command):
    """Enter an enterprise under its tax number."""

    stir: Stir = Field(description="tax number, 9 digits")
    name: Name = Field(description="full name as registered, in any script")
    size: EnterpriseSize = Field(description="by number of employees: <10, <50, <250, 250 and more")
    isic_section: IsicSection = Field(description="main activity: section of ISIC Rev. 4, A to U")
    district: DistrictCode = Field(description="where it sits: SOATO code of the district")
    union_affiliation: Name | None = Field(default=None, description="trade union or association it belongs to")


class UpdateEnterprise(Command):
    """Change what is given; what is left out stays. The STIR never changes."""

    name: Name | None = Field(default=None, description="full name as registered")
    size: EnterpriseSize | None = Field(default=None, description="size class by number of employees")
    isic_section: IsicSection | None = Field(default=None, description="section of ISIC Rev. 4, A to U")
    district: DistrictCode | None = Field(default=None, description="SOATO code of the district")
    union_affiliation: Name | None = Field(default=None, description="trade union or association it belongs to")


class MergeEnterprise(Command):
    """This entry is a duplicate of `into`."""

    into: Id = Field(description="id of the enterprise that lives on")


def register(id_: str, command: RegisterEnterprise) -> Outcome:
    """A new entry of the register."""
    return ENTERPRISE_REGISTERED, EnterpriseState(id=id_, version=1, status=Status.ACTIVE, **command.model_dump())


def update(state: EnterpriseState, command: UpdateEnterprise) -> Outcome:
    """The changed fields; raises WrongState."""
    return _take(state, Step.UPDATE, **command.model_dump(exclude_none=True))


def merge(state: EnterpriseState, into: EnterpriseState) -> Outcome:
    """`state` ends as a duplicate; raises WrongState unless both are active, InvalidInput for a merge into itself."""
    _require(into, Step.MERGE)
    if state.id == into.id:
        raise InvalidInput(FieldError("into", "same_enterprise", {"value": into.id}))
    return _take(state, Step.MERGE, merged_into=into.id)


def unmerge(state: EnterpriseState) -> Outcome:
    """It was no duplicate: the entry is its own again; raises WrongState."""
    return _take(state, Step.UNMERGE, merged_into=None)


def close(state: EnterpriseState) -> Outcome:
    """The enterprise is gone; agreements with it keep their history. Raises WrongState."""
    return _take(state, Step.CLOSE)


def reopen(state: EnterpriseState) -> Outcome:
    """It was closed by mistake; raises WrongState."""
    return _take(state, Step.REOPEN)


def _require(state: EnterpriseState, step: Step) -> Status:
    status = LIFECYCLE.get((state.status, step))
    if status is None:
        possible = ", ".join(each for from_, each in LIFECYCLE if from_ is state.status)
        raise WrongState(state=state.status.value, step=step.value, possible=possible)
    return status


def _take(state: EnterpriseState, step: Step, **changes: Any) -> Outcome:
    status = _require(state, step)
    return TOLD_AS[step], state.model_copy(update={**changes, "status": status, "version": state.version + 1})
