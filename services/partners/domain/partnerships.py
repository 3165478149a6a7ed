"""Partnerships (R2): an institution's social partners by category, form and opportunity, existing or future."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Ref
from shared.contracts.partners import (
    PARTNERSHIP_ENDED,
    PARTNERSHIP_REASSIGNED,
    PARTNERSHIP_RECORDED,
    PARTNERSHIP_UPDATED,
    PartnershipStage,
    PartnershipState,
)
from shared.contracts.vocabulary import Form, Opportunity, PartnerCategory
from shared.errors import BrokenRule, WrongState

Outcome = tuple[EventType, PartnershipState]

Forms = Annotated[tuple[Form, ...], Field(min_length=1, max_length=9)]
Opportunities = Annotated[tuple[Opportunity, ...], Field(min_length=1, max_length=7)]


class RecordPartnership(Command):
    """A partner of an institution: an enterprise of the register, or an organisation under its register number."""

    institution_id: Id
    category: PartnerCategory
    enterprise_id: Id | None = None
    partner_ref: Ref | None = None
    stage: PartnershipStage = PartnershipStage.FUTURE
    forms: Forms
    opportunities: Opportunities
    since: date

    @model_validator(mode="after")
    def _one_partner(self) -> "RecordPartnership":
        wants_enterprise = self.category is PartnerCategory.ENTERPRISE
        if wants_enterprise != (self.enterprise_id is not None) or wants_enterprise == (self.partner_ref is not None):
            raise ValueError("partner_of_category")
        if self.stage is PartnershipStage.ENDED:
            raise BrokenRule("partnership_begins_ended", "stage")
        return self


class UpdatePartnership(Command):
    """Change stage, forms or opportunities; what is left out stays."""

    stage: PartnershipStage | None = None
    forms: Forms | None = None
    opportunities: Opportunities | None = None


def record(id_: str, command: RecordPartnership) -> Outcome:
    """A new partnership."""
    return PARTNERSHIP_RECORDED, PartnershipState(id=id_, version=1, **command.model_dump())


def update(state: PartnershipState, command: UpdatePartnership) -> Outcome:
    """The changed fields; an ended partnership takes no change."""
    if state.stage is PartnershipStage.ENDED:
        raise WrongState(state=state.stage.value, step="update", possible="")
    changed = state.model_copy(update={**command.model_dump(exclude_none=True), "version": state.version + 1})
    return PARTNERSHIP_ENDED if changed.stage is PartnershipStage.ENDED else PARTNERSHIP_UPDATED, changed


def reassign(state: PartnershipState, enterprise_id: str) -> Outcome:
    """References follow a merged enterprise."""
    return PARTNERSHIP_REASSIGNED, state.model_copy(
        update={"enterprise_id": enterprise_id, "version": state.version + 1}
    )
