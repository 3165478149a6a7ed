"""What each release of a campaign added: whoever noted mean and spread at every release knows as much of each step.

Of releases before this nothing is known: where a campaign has gone on since, its later steps alone say what could be.
"""

from alembic import op

from shared.persistence.chassis import grant, protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        "create table released_step (campaign_id text not null, measure text not null, number integer not null, "
        "counts jsonb not null, primary key (campaign_id, measure, number))"
    )
    grant("released_step", "select, insert")
    protect("released_step", read="app_sees('')")


def downgrade() -> None:
    """Forget the steps; options are hidden beside the last release's figures alone."""
    op.execute("drop table released_step")
