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

_SEES_ROW = "(select app_sees('/17/')) or place in (select id from place)"
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
    where (select app_sees('/17/')) or place in (select id from place)
"""


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
