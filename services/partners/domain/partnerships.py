"""Partnerships (R2): an institution's social partners by category, form and opportunity, existing or future."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from services.partners.domain.inputs import Day, not_in_future
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
    StageSince,
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
    changed_on: Day | None = Field(
        default=None, description="first day at this stage; default: today, where the stage changes"
    )
    forms: Forms | None = None
    opportunities: Opportunities | None = None


def record(id_: str, command: RecordPartnership) -> Outcome:
    """A new partnership."""
    first = StageSince(stage=command.stage, since=command.since)
    return PARTNERSHIP_RECORDED, PartnershipState(id=id_, version=1, stages=(first,), **command.model_dump())


def update(state: PartnershipState, command: UpdatePartnership, today: date) -> Outcome:
    """The changed fields; an ended partnership takes no change.

    What it was before stays told: of a gate that was met it must be known until when. A stage that would have begun on
    the new one's first day or later never was. Raises InvalidInput for a day in the future.
    """
    if state.stage is PartnershipStage.ENDED:
        raise WrongState(state=state.stage.value, step="update", possible="")
    given = command.model_dump(exclude_none=True, exclude={"changed_on"})
    changed = state.model_copy(update={**given, "version": state.version + 1})
    if changed.stage is not state.stage or command.changed_on is not None:
        day = command.changed_on or today
        not_in_future("changed_on", day, today)
        before = state.stages or (StageSince(stage=state.stage, since=state.since),)
        if changed.stage is state.stage:
            before = before[:-1]  # the day of the present stage is put right
        kept = tuple(each for each in before if each.since < day)
        changed = changed.model_copy(update={"stages": (*kept, StageSince(stage=changed.stage, since=day))})
    return PARTNERSHIP_ENDED if changed.stage is PartnershipStage.ENDED else PARTNERSHIP_UPDATED, changed


def reassign(state: PartnershipState, enterprise_id: str) -> Outcome:
    """References follow a merged enterprise."""
    return PARTNERSHIP_REASSIGNED, state.model_copy(
        update={"enterprise_id": enterprise_id, "version": state.version + 1}
    )
