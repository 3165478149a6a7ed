"""Enterprises no longer see boards in which their members' terms are over: the calendar looks at terms, too."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the scheduler come by at every board where a term ends, or ended before."""
    connection = op.get_bind()
    connection.execute(sa.text("select set_config('app.scope', 'all', true)"))
    connection.execute(
        sa.text(
            "update board set next_due_on = least(board.next_due_on, ends.first - 1) from ("
            "select id, min(cast(member ->> 'until' as date)) as first "
            "from board, jsonb_array_elements(state -> 'members') member "
            "where member ->> 'until' is not null group by id) ends where ends.id = board.id"
        )
    )
