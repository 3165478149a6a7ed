"""Storage of the engine at national size: compact states, one row for the references of a person, a log in parts.

The log is divided by positions, which grow evenly in all shards: old positions are old months, and a look-up by
position touches one part. What monitoring computes follows from the logs alone: emptied, it fills again from the feeds,
except the answers to questionnaires that were shown (0002 says why).
"""

from alembic import op

from shared.persistence.chassis import APP_ROLE, grant, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTS = 32
POSITIONS = 1 << 16
"""A part holds this many positions of every shard; beyond the last part there is one for all the rest."""

_SEES_ROW = "(select app_sees('/17/')) or exists (select from place p where p.id = place)"
_WRITES = "(select app_sees(''))"

_AGGREGATE = """
    create table aggregate (
        place integer not null, kind smallint not null, id uuid not null, version integer not null,
        shard smallint not null, contributions bytea not null, positions bytea not null, own bytea,
        primary key (place, kind, id)
    ) with (fillfactor = 85)
"""
_MEMBER = """
    create table member (
        family smallint not null, member bytea not null, refs bytea not null, primary key (family, member)
    ) with (fillfactor = 85)
"""
_LOG = """
    create table event_log (
        source smallint not null, shard smallint not null, position bigint not null, time timestamptz not null,
        type smallint not null, place integer, subject text not null, id uuid not null, data bytea not null,
        primary key (source, shard, position)
    ) partition by range (position)
"""
_SEEN = """
    create view event_seen with (security_barrier = true) as
    select * from event_log
    where (select app_sees('/17/')) or exists (select from place p where p.id = place)
"""

# A new generation beside the live one, in tables named …_next. Positions say how far it has come in the log, which both
# generations share; `late` are events that came out of their turn (replayed dead letters) since it was begun.
_REBUILD = (
    """
    create table rebuild (
        one boolean primary key default true check (one), begun_at timestamptz not null default now()
    )
    """,
    """
    create table rebuild_position (
        source smallint, shard smallint, position bigint not null, primary key (source, shard)
    )
    """,
    """
    create table rebuild_late (
        source smallint, shard smallint, position bigint, primary key (source, shard, position)
    )
    """,
    f"grant select, insert, update, delete on rebuild, rebuild_position, rebuild_late to {APP_ROLE}",
)
_NEXT = ("aggregate", "member", "cell")
_COPIES = ("place", "territory_revision")


def _begin() -> str:
    """The new generation's tables, empty; of the territory a copy."""
    lines = []
    for table, fill in (("aggregate", 85), ("member", 85), ("cell", 75)):
        lines.append(f"create table {table}_next (like {table} including all) with (fillfactor = {fill});")
    for table in _COPIES:
        lines.append(f"create table {table}_next (like {table} including defaults including indexes);")
        lines.append(f"insert into {table}_next select * from {table};")  # noqa: S608 - constants
    for table in (*_NEXT, "place"):
        lines.append(f"alter table {table}_next enable row level security;")
        lines.append(f"alter table {table}_next force row level security;")
        sees = _SEES_ROW if table in ("aggregate", "cell") else _WRITES
        lines.append(f"create policy {table}_read on {table}_next for select using ({sees});")
        lines.append(f"create policy {table}_insert on {table}_next for insert with check ({_WRITES});")
        lines.append(f"create policy {table}_update on {table}_next for update using ({sees}) with check ({_WRITES});")
        lines.append(f"create policy {table}_delete on {table}_next for delete using ({sees});")
    lines += [f"grant select, insert, update on {table}_next to {APP_ROLE};" for table in (*_NEXT, *_COPIES)]
    return "\n".join(lines)


def _swap() -> str:
    """The new generation in the place of the live one, which is dropped; views are told of the new tables."""
    lines = [f"drop table {table}_next;" for table in _COPIES]
    lines.append("drop view cell_value;")
    for table in _NEXT:
        lines.append(f"drop table {table};")
        lines.append(f"alter table {table}_next rename to {table};")
    lines += [
        _CELL_VALUE + ";",
        f"grant select on cell_value to {APP_ROLE};",
        "delete from rebuild; delete from rebuild_position; delete from rebuild_late;",
    ]
    return "\n".join(lines)


_DROP = "\n".join(
    [f"drop table if exists {table}_next;" for table in (*_NEXT, *_COPIES)]
    + ["delete from rebuild; delete from rebuild_position; delete from rebuild_late;"]
)
_CELL_VALUE = """
    create view cell_value with (security_invoker = true) as
    select place, slot * 4 + col as measure, period, value, to_timestamp(as_of / 1e6) as as_of
    from cell, lateral (values (0, v0), (1, v1), (2, v2), (3, v3)) as columns(col, value)
"""


def _function(name: str, body: str) -> None:
    # The owner's rights, because only the owner makes and drops tables; nobody else than the service may call it.
    op.execute(
        f"create function {name}() returns void language plpgsql security definer set search_path = public, pg_temp "
        f"as $body$ begin\n{body}\nend $body$"
    )
    op.execute(f"revoke execute on function {name}() from public")
    op.execute(f"grant execute on function {name}() to {APP_ROLE}")


def upgrade() -> None:
    """Make the tables anew, and forget how far everything was read."""
    op.execute("drop view event_seen")
    op.execute("drop table event_log, aggregate, member")
    op.execute("truncate cell")
    for statement in (_AGGREGATE, _MEMBER, _LOG):
        op.execute(statement)
    for part in range(PARTS):
        bounds = f"from ({part * POSITIONS}) to ({(part + 1) * POSITIONS})"
        op.execute(f"create table event_log_{part} partition of event_log for values {bounds}")
    op.execute("create table event_log_rest partition of event_log default")
    op.execute(_SEEN)
    for table in ("aggregate", "member"):
        grant(table)
    grant("event_log", "insert")
    op.execute(f"grant select on event_seen to {APP_ROLE}")
    protect("aggregate", read=_SEES_ROW, write=_WRITES)
    protect("member", read=_WRITES, write=_WRITES)
    # Batches travel through temporary tables.
    op.execute(
        f"do $$ begin execute format('grant temporary on database %I to {APP_ROLE}', current_database()); end $$"
    )
    op.execute("update inbox set position = 0, event_time = null")
    for statement in _REBUILD:
        op.execute(statement)
    _function("rebuild_begin", _begin())
    _function("rebuild_swap", _swap())
    _function("rebuild_drop", _DROP)
