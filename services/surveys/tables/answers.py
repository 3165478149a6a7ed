"""Codes, marks, answers on their way, and responses: what anonymity asks of each stands in the package's docstring."""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
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
