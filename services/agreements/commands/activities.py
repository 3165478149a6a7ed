"""Use cases of activities under agreements."""

from services.agreements.commands.agreements import path_of_agreement, present_agreement
from services.agreements.domain import activities as domain
from services.agreements.tables.agreements import ActivityRow
from shared.clock import local_day
from shared.contracts.agreements import ActivityState
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def record_activity(uow: UnitOfWork, agreement_id: str, command: domain.RecordActivity) -> ActivityState:
    """Record what was done under an agreement on a day on which it was active."""
    agreement = await present_agreement(uow, agreement_id)
    event_type, state = domain.record(new_id(), agreement, command, local_day(uow.now))
    path = await path_of_agreement(uow, agreement_id)
    return await uow.record(ActivityRow, event_type, state, key=state.institution_id, org_path=path)


async def record_activity_under(uow: UnitOfWork, command: domain.RecordActivityUnder) -> ActivityState:
    """Record what was done under the agreement named, on a day on which it was active."""
    return await record_activity(uow, command.agreement_id, command)


async def cancel_activity(uow: UnitOfWork, activity_id: str) -> ActivityState:
    """It did not take place after all."""
    activity = await uow.load(ActivityRow, ActivityState, activity_id, what="activity")
    row = await uow.session.get_one(ActivityRow, activity_id)
    event_type, state = domain.cancel(activity)
    return await uow.record(ActivityRow, event_type, state, key=state.institution_id, org_path=row.org_path)
