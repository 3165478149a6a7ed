"""The days on which places whose persons have become few were hidden."""

from alembic import op

from shared.persistence.chassis import grant, protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WRITES = "(select app_sees(''))"


def upgrade() -> None:
    """Create the table; nothing was hidden by the day so far."""
    op.execute("create table hidden_day (day date primary key)")
    grant("hidden_day", "select, insert, delete")
    protect("hidden_day", read=_WRITES, write=_WRITES)


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table hidden_day")
