"""Codes, answers on their way, and responses: what anonymity asks of each stands in the package's docstring."""

from datetime import date
from typing import Any

from sqlalchemy import Column, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.surveys.tables.base import Base

UNUSED, SPENT, MIXED = 0, 1, 2
"""States of an access code: a spent one is mixed among the others when the answers of its time are moved on."""

access_code = Table(
    "access_code",
    Base.metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
)

staged_answer = Table(
    "staged_answer",
    Base.metadata,
    Column("campaign_id", Text, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)


class ResponseRow(Base, table=True):
    """One response: a random id, the local day, the answers."""

    __tablename__ = "response"

    id: str = Field(primary_key=True)
    campaign_id: str
    day: date
    answers: dict[str, Any] = Field(sa_type=JSONB)
