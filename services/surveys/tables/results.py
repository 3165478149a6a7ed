"""Sums over responses: all of them for the service alone, and the part that may be shown."""

from sqlalchemy import BigInteger, Column, Table, Text

from services.surveys.tables.base import Base


def _sums(name: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("campaign_id", Text, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("squares", BigInteger, nullable=False),
    )


tally = _sums("tally")
released_result = _sums("released_result")
