"""Everything monitoring begins with: the chassis, places, the event log, aggregates, members, cells."""

from alembic import op

from shared.persistence.chassis import APP_ROLE, create_chassis, grant, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CELL = """
    place integer not null, slot smallint not null, period integer not null,
    v0 bigint not null, v1 bigint not null, v2 bigint not null, v3 bigint not null,
    as_of bigint not null, primary key (place, slot, period)
"""

_TABLES = (
    """
    create table place (
        id integer generated always as identity primary key, code text collate "C" not null unique,
        level smallint not null, parent text collate "C", path text collate "C" not null, names json not null,
        active boolean not null, memberships json not null, version integer not null, revision bigint not null
    )
    """,
    "create index place_path on place (path)",
    "create index place_revision on place (revision)",
    "create table territory_revision (one boolean primary key default true check (one), revision bigint not null)",
    "insert into territory_revision (revision) values (0)",
    "create table event_type (id smallint generated always as identity primary key, name text not null unique)",
    """
    create table event_log (
        source smallint not null, shard smallint not null, position bigint not null, time timestamptz not null,
        type smallint not null, place integer, subject text not null, id uuid not null, data bytea not null,
        primary key (source, shard, position)
    )
    """,
    """
    create table aggregate (
        place integer not null, kind smallint not null, id uuid not null, version integer not null,
        shard smallint not null, contributions json not null, positions json not null, own json,
        primary key (place, kind, id)
    ) with (fillfactor = 85)
    """,
    """
    create table member (
        measure smallint not null, member bytea not null, refs json not null, primary key (measure, member)
    ) with (fillfactor = 85)
    """,
    f"create table cell ({_CELL}) with (fillfactor = 75)",
    f"create table released ({_CELL})",
    """
    create view cell_value with (security_invoker = true) as
    select place, slot * 4 + col as measure, period, value, to_timestamp(as_of / 1e6) as as_of
    from cell, lateral (values (0, v0), (1, v1), (2, v2), (3, v3)) as columns(col, value)
    """,
    # Nobody reads the log itself: PostgreSQL's COPY, by which it is written, doesn't go with row-level security.
    """
    create view event_seen with (security_barrier = true) as
    select * from event_log
    where (select app_sees('/17/')) or exists (select from place p where p.id = place)
    """,
)

# app_sees() for every place would cost more than the query: the scope is taken apart once instead.
_SEES_PLACE = """
    (select app_sees('/17/'))
    or starts_with(path, (select nullif(substr(scope, 6), '') from (select current_setting('app.scope', true) as scope)
        as setting where starts_with(scope, 'path:')))
    or code = (select substr(scope, 13) from (select current_setting('app.scope', true) as scope) as setting
        where starts_with(scope, 'institution:'))
"""
_SEES_ROW = "(select app_sees('/17/')) or exists (select from place p where p.id = place)"
_WRITES = "(select app_sees(''))"


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_chassis()
    for statement in _TABLES:
        op.execute(statement)
    for table in ("place", "aggregate", "member", "cell", "released"):
        grant(table)
    grant("territory_revision", "select, update")
    grant("event_type", "select, insert")
    grant("event_log", "insert")
    grant("cell_value", "select")
    op.execute(f"grant select on event_seen to {APP_ROLE}")
    protect("place", read=_SEES_PLACE, write=_WRITES)
    for table in ("aggregate", "cell", "released"):
        protect(table, read=_SEES_ROW, write=_WRITES)
    protect("member", read=_WRITES, write=_WRITES)
