"""Enterprises: one national register by STIR; merging keeps history and names the one that lives on."""

from pydantic import Field

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import DistrictCode, Id, IsicSection, Name, Stir
from shared.contracts.partners import (
    ENTERPRISE_CLOSED,
    ENTERPRISE_MERGED,
    ENTERPRISE_REGISTERED,
    ENTERPRISE_UPDATED,
    EnterpriseState,
    EnterpriseStatus,
)
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, EnterpriseState]


class RegisterEnterprise(Command):
    """Enter an enterprise under its tax number."""

    stir: Stir
    name: Name
    size: EnterpriseSize
    isic_section: IsicSection
    district: DistrictCode
    union_affiliation: Name | None = None


class UpdateEnterprise(Command):
    """Change what is given; what is left out stays. The STIR never changes."""

    name: Name | None = None
    size: EnterpriseSize | None = None
    isic_section: IsicSection | None = None
    district: DistrictCode | None = None
    union_affiliation: Name | None = None


class MergeEnterprise(Command):
    """This entry is a duplicate of `into`."""

    into: Id = Field(description="id of the enterprise that lives on")


def register(id_: str, command: RegisterEnterprise) -> Outcome:
    """A new entry of the register."""
    return ENTERPRISE_REGISTERED, EnterpriseState(
        id=id_, version=1, status=EnterpriseStatus.ACTIVE, **command.model_dump()
    )


def update(state: EnterpriseState, command: UpdateEnterprise) -> Outcome:
    """The changed fields."""
    _active(state)
    changes = command.model_dump(exclude_none=True)
    return ENTERPRISE_UPDATED, state.model_copy(update={**changes, "version": state.version + 1})


def merge(state: EnterpriseState, into: EnterpriseState) -> Outcome:
    """`state` ends as a duplicate; raises WrongState unless both are active, InvalidInput for a merge into itself."""
    _active(state)
    _active(into)
    if state.id == into.id:
        raise InvalidInput(FieldError("into", "same_enterprise", {"value": into.id}))
    return ENTERPRISE_MERGED, state.model_copy(
        update={"status": EnterpriseStatus.MERGED, "merged_into": into.id, "version": state.version + 1}
    )


def close(state: EnterpriseState) -> Outcome:
    """The enterprise is gone; agreements with it keep their history."""
    _active(state)
    return ENTERPRISE_CLOSED, state.model_copy(update={"status": EnterpriseStatus.CLOSED, "version": state.version + 1})


def _active(state: EnterpriseState) -> None:
    if state.status is not EnterpriseStatus.ACTIVE:
        raise WrongState(state=state.status.value)
