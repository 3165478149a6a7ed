"""Codes, marks, answers on their way, and responses: what anonymity asks of each stands in the package's docstring."""

from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Select, Table, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from services.surveys.tables.base import Base

access_code = Table(
    "access_code",
    Base.metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("campaign_id", Text, nullable=False),
)

spent_mark = Table(
    "spent_mark",
    Base.metadata,
    Column("mark", LargeBinary, primary_key=True),
    Column("campaign_id", Text, nullable=False),
)

intake = Table(
    "intake",
    Base.metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("moved", BigInteger, nullable=False),
    Column("over", Boolean, nullable=False),
)

token_key = Table(
    "token_key",
    Base.metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("public", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

staged_answer = Table(
    "staged_answer",
    Base.metadata,
    Column("campaign_id", Text, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)


class ResponseRow(Base, table=True):
    """One response: a random id, the local day, the answers, and whether an interviewer wrote them down."""

    __tablename__ = "response"

    id: str = Field(primary_key=True)
    campaign_id: str
    day: date
    mode: str
    answers: dict[str, Any] = Field(sa_type=JSONB)


async def received_in(session: AsyncSession, campaigns: Select[Any]) -> Counter[str]:
    """How many answers each of these campaigns (their ids) got; within any scope that sees them."""
    staged = (
        select(staged_answer.c.campaign_id, func.count())
        .where(staged_answer.c.campaign_id.in_(campaigns))
        .group_by(staged_answer.c.campaign_id)
    )
    moved = select(intake.c.campaign_id, intake.c.moved).where(intake.c.campaign_id.in_(campaigns))
    counts: Counter[str] = Counter()
    # One statement, so that an answer that is moved meanwhile is counted once.
    for campaign, count in await session.execute(staged.union_all(moved)):
        counts[campaign] += int(count)
    return counts
