"""What merges of enterprises changed here, so that a merge that was a mistake can be undone."""

from shared.persistence.chassis import create_journal

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the journal."""
    create_journal()
