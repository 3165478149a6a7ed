"""What all rows of the partners database share: one metadata, and the condition of what is public."""

from sqlalchemy import ColumnElement, false, true
from sqlalchemy.orm import registry

from shared.persistence.aggregates import AggregateRow
from shared.scope import Scope


class Base(AggregateRow, registry=registry()):
    """Rows of this service share one metadata of their own."""


def signed_in(scope: Scope) -> ColumnElement[bool]:
    """True for every scope but "none": public within the platform."""
    return false() if scope.kind == "none" else true()
