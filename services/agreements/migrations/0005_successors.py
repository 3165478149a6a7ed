"""Whoever goes on with an institution's work sees what was its own: it lies below."""

from shared.persistence.chassis import define_scope

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Define the scope anew."""
    define_scope()
