"""What all rows of the agreements database share: one metadata."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from shared.persistence.aggregates import AggregateRow

_REGISTRY = registry()


class Base(AggregateRow, registry=_REGISTRY):
    """Rows of this service share one metadata of their own."""


class Reference(SQLModel, registry=_REGISTRY):
    """Base of what is known from the other services' events."""
