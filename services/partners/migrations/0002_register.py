"""The enterprise register: what merges changed, search across scripts, and imports one can watch."""

from shared.persistence.following import create_journal

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_journal()
