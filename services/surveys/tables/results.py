"""Sums and counts over responses: all of them for the service alone, and the part that may be shown; free texts."""

from sqlalchemy import BigInteger, Column, Integer, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.surveys.tables.base import Base


def _sums(name: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("campaign_id", Text, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
        Column("total", Numeric(60, 0), nullable=False),
        Column("squares", Numeric(60, 0), nullable=False),
    )


def _choices(name: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("campaign_id", Text, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("option", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
    )


tally = _sums("tally")
released_result = _sums("released_result")
choice = _choices("choice")
released_choice = _choices("released_choice")

released_step = Table(
    "released_step",
    Base.metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("counts", JSONB, nullable=False),
)

held_text = Table(
    "held_text",
    Base.metadata,
    Column("campaign_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("content", Text, nullable=False),
)

released_text = Table(
    "released_text",
    Base.metadata,
    Column("id", Text, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("content", Text, nullable=False),
)
