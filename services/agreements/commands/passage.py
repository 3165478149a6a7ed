"""Passing time made an event: agreements come into force, change, are renewed and run out by the day."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from services.agreements.commands.agreements import load_agreement, record_outcome
from services.agreements.domain.agreements import passed
from services.agreements.tables.agreements import AgreementRow
from shared.clock import local_day
from shared.contracts.agreements import AgreementStatus
from shared.contracts.events import EventType
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork


def due(now: datetime) -> ColumnElement[bool]:
    """The rows for which domain.agreements.passed has something to say."""
    today = local_day(now)
    return or_(
        and_(col(AgreementRow.status) == AgreementStatus.SIGNED, col(AgreementRow.valid_from) <= today),
        and_(
            col(AgreementRow.status).in_([AgreementStatus.ACTIVE, AgreementStatus.SUSPENDED]),
            col(AgreementRow.valid_until) < today,
        ),
        col(AgreementRow.amends_on) <= today,
    )


async def bring(uow: UnitOfWork, agreement_id: str) -> list[EventType]:
    """Bring an agreement to today."""
    told = []
    for outcome in passed(await load_agreement(uow, agreement_id), local_day(uow.now)):
        await record_outcome(uow, outcome)
        told.append(outcome[0])
    return told


AGREEMENTS = Passage(AgreementRow, due, bring)
