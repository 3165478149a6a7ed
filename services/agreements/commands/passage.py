"""Passing time made an event: agreements come into force and run out by the Tashkent day."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import col

from services.agreements.commands.agreements import load_agreement, record_outcome
from services.agreements.domain.agreements import passed
from services.agreements.tables import AgreementRow
from shared.clock import local_day
from shared.contracts.agreements import AgreementStatus
from shared.contracts.events import EventType
from shared.persistence.unit_of_work import UnitOfWork


async def find_due(uow: UnitOfWork, limit: int, without: Collection[str] = ()) -> list[str]:
    """Up to `limit` agreements, none of `without`, whose time has come or run out."""
    query = select(col(AgreementRow.id)).where(due(local_day(uow.now)), col(AgreementRow.id).not_in(without))
    return list((await uow.session.execute(query.order_by(col(AgreementRow.id)).limit(limit))).scalars())


async def let_time_pass(uow: UnitOfWork, ids: Sequence[str]) -> list[EventType]:
    """Bring these agreements to today; returns what was told of them.

    Those that another transaction works on are left to it: a command lets time pass by itself, another scheduler does
    what this one would, and whatever they leave is found next time.
    """
    today = local_day(uow.now)
    query = select(col(AgreementRow.id)).where(due(today), col(AgreementRow.id).in_(ids))
    locked = await uow.session.execute(query.order_by(col(AgreementRow.id)).with_for_update(skip_locked=True))
    told: list[EventType] = []
    for id_ in locked.scalars():
        for outcome in passed(await load_agreement(uow, id_), today):
            await record_outcome(uow, outcome)
            told.append(outcome[0])
    return told


def due(today: date) -> ColumnElement[bool]:
    """The rows for which domain.agreements.passed has something to say."""
    return or_(
        and_(col(AgreementRow.status) == AgreementStatus.SIGNED, col(AgreementRow.valid_from) <= today),
        and_(
            col(AgreementRow.status).in_([AgreementStatus.ACTIVE, AgreementStatus.SUSPENDED]),
            col(AgreementRow.valid_until) < today,
        ),
    )
