"""Up to which event released counts of graduates count: breakdowns by enterprise are of those events alone."""

from alembic import op

from shared.persistence.chassis import APP_ROLE, grant, protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SEES_ROW = "(select app_sees('/17/')) or exists (select from place p where p.id = place)"
_WRITES = "(select app_sees(''))"
_TABLE = """
    create table held_upto (
        place integer not null, year smallint not null, position bigint not null, primary key (place, year)
    )
"""
# What has been told so far was told of everything there was.
_SO_FAR = """
    insert into held_upto
    select d.place, d.year, i.position from disclosed d,
    lateral (select shard from aggregate where place = d.place and kind = 5 limit 1) a
    join inbox i on i.source = 'agreements' and i.shard = a.shard
    where d.family = 1
"""


def upgrade() -> None:
    """Create the table; what is released already is of what is known now."""
    op.execute(_TABLE)
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute(_SO_FAR)
    grant("held_upto")
    protect("held_upto", read=_SEES_ROW, write=_WRITES)
    op.execute(f"grant select on held_upto to {APP_ROLE}")


def downgrade() -> None:
    """Breakdowns were of the present."""
    op.execute("drop table held_upto")
