"""Counts of persons as they were released, what of them may be shown, and where something waits to be released."""

from alembic import op

from shared.persistence.chassis import APP_ROLE, grant, protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SEES_ROW = "(select app_sees('/17/')) or exists (select from place p where p.id = place)"
_WRITES = "(select app_sees(''))"

_TABLES = (
    # Rows of `cell` that count persons, as they are shown.
    """
    create table held (
        place integer not null, slot smallint not null, period integer not null,
        v0 bigint not null, v1 bigint not null, v2 bigint not null, v3 bigint not null,
        as_of bigint not null, primary key (place, slot, period)
    ) with (fillfactor = 75)
    """,
    # Bits stand for stretches of an academic year (domain/disclosure.py). Where there is no row nobody was counted.
    """
    create table disclosed (
        place integer not null, family smallint not null, year smallint not null,
        shown bigint not null, opened smallint not null,
        nodes integer not null, possible smallint not null, floor integer not null, bar integer not null,
        primary key (place, family, year)
    )
    """,
    """
    create table unreleased (place integer not null, family smallint not null, year smallint not null)
    """,
)


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute("insert into unreleased values (0, 0, 0)")  # everything that was counted so far
    grant("held")
    grant("disclosed")
    grant("unreleased", "select, insert, delete")
    protect("held", read=_SEES_ROW, write=_WRITES)
    protect("disclosed", read=_SEES_ROW, write=_WRITES)
    protect("unreleased", read=_WRITES, write=_WRITES)
    op.execute(f"grant select on held, disclosed to {APP_ROLE}")
