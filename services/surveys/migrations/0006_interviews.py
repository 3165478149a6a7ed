"""Interviews may come in for some days after a campaign's end, and reminders are noted as spoken."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to each campaign how many days, and when it was closed; to invitations when somebody was spoken to."""
    op.execute(
        "alter table campaign add column interview_days integer not null default 0 "
        "check (interview_days between 0 and 60), "
        "add column closed_on date"
    )
    op.execute("alter table invitation add column spoken_on date")
