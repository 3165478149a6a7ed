"""The event log in parts of some weeks, the old ones in files: what was exported is told here, its part is dropped.

A part holds a range of positions of every shard. What comes late for a range whose part is gone lies in the part for
all the rest, so that nothing is refused; whoever reads looks in both.
"""

from alembic import op

from shared.persistence.chassis import APP_ROLE, grant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PARTS = 128
POSITIONS = 1 << 13
"""A part holds this many positions of every shard: some weeks of a whole country."""

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
_TABLES = (
    """
    create table archive_file (
        id integer generated always as identity primary key, path text not null unique, events bigint not null,
        sha256 text not null, since timestamptz not null, until timestamptz not null,
        archived_at timestamptz not null default now()
    )
    """,
    """
    create table archive_span (
        source smallint not null, shard smallint not null, low bigint not null, high bigint not null,
        events bigint not null, file integer not null references archive_file, primary key (source, shard, low)
    )
    """,
)
_DROP = """
    create function archive_drop(part text, expected bigint) returns void language plpgsql security definer
    set search_path = public, pg_temp as $body$
    declare found bigint;
    begin
        if not exists (
            select from pg_inherits join pg_class on pg_class.oid = inhrelid
            where inhparent = 'event_log'::regclass and relname = part and part ~ '^event_log_w[0-9]+$'
        ) then
            raise exception '% is no part of the event log', part;
        end if;
        execute format('lock table %I in access exclusive mode', part);
        execute format('select count(*) from %I', part) into found;
        if found <> expected then
            raise exception '% holds % events, of which % were exported', part, found, expected;
        end if;
        execute format('alter table event_log detach partition %I', part);
        execute format('drop table %I', part);
    end $body$
"""


def upgrade() -> None:
    """Divide the log anew; a table for the files, one for what lies in them, and the way a part is dropped."""
    op.execute("drop view event_seen")
    op.execute("alter table event_log rename to event_log_before")
    op.execute("alter index event_log_pkey rename to event_log_before_pkey")
    op.execute(_LOG)
    for part in range(PARTS):
        bounds = f"from ({part * POSITIONS}) to ({(part + 1) * POSITIONS})"
        op.execute(f"create table event_log_w{part} partition of event_log for values {bounds}")
    op.execute("create table event_log_w_rest partition of event_log default")
    op.execute("insert into event_log select * from event_log_before")
    op.execute("drop table event_log_before")
    op.execute(_SEEN)
    grant("event_log", "insert")
    op.execute(f"grant select on event_seen to {APP_ROLE}")
    for statement in _TABLES:
        op.execute(statement)
    grant("archive_file", "select, insert")
    grant("archive_span", "select, insert")
    # The owner's rights, because only the owner drops tables; nobody else than the service may call it.
    op.execute(_DROP)
    op.execute("revoke execute on function archive_drop(text, bigint) from public")
    op.execute(f"grant execute on function archive_drop(text, bigint) to {APP_ROLE}")
