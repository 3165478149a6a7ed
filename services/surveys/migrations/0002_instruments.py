"""Instruments as data: drafts, published versions."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
