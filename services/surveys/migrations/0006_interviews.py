"""Interviews that were made while a campaign was open may come in for some days after its end."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to each campaign how many days, and when it was closed."""
    op.execute(
        "alter table campaign add column interview_days integer not null default 0 "
        "check (interview_days between 0 and 60), "
        "add column closed_on date"
    )
