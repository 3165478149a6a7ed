"""The tables every service's database has: stream, inbox, dead letters, idempotency keys – and the scope function."""

from collections.abc import Sequence

from alembic import op

from shared.ids import SHARDS

APP_ROLE = "hamkor_app"

# Single expressions without a subquery: PostgreSQL puts them in the place of the call, which would cost ten times as
# much for every row that is looked at.
_SCOPE = (
    """
    create or replace function app_sees(org_path text, enterprises text[] default '{}') returns boolean
    language sql stable parallel safe as $$
        select case split_part(coalesce(current_setting('app.scope', true), 'none'), ':', 1)
            when 'all' then true
            when 'path' then current_setting('app.scope', true) like 'path:/%'
                and starts_with(org_path, substr(current_setting('app.scope', true), 6))
            when 'institution' then length(current_setting('app.scope', true)) > 12
                and position('/' || substr(current_setting('app.scope', true), 13) || '/' in org_path) > 0
            when 'enterprise' then length(current_setting('app.scope', true)) > 11
                and substr(current_setting('app.scope', true), 12) = any(enterprises)
            else false end
    $$
    """,
    """
    create or replace function app_signed_in() returns boolean language sql stable parallel safe as $$
        select coalesce(current_setting('app.scope', true), 'none') not in ('', 'none')
    $$
    """,
)
_CREATE = (
    "create table stream_head (shard smallint primary key, position bigint not null default 0)",
    f"insert into stream_head select shard, 0 from generate_series(0, {SHARDS - 1}) shard",  # noqa: S608 - a constant
    """
    create table event (
        shard smallint not null, position bigint not null, id uuid not null unique, type text not null,
        key text not null, subject text not null, time timestamptz not null, data bytea not null, traceparent text,
        primary key (shard, position), check (octet_length(data) < 900000)
    )
    """,
    "create index event_subject on event (subject, shard, position)",
    "create table relay_cursor (shard smallint primary key, published bigint not null default 0)",
    f"insert into relay_cursor select shard, 0 from generate_series(0, {SHARDS - 1}) shard",  # noqa: S608 - a constant
    """
    create table inbox (
        source text not null, shard smallint not null, position bigint not null default 0, event_time timestamptz,
        primary key (source, shard)
    )
    """,
    """
    create table dead_letter (
        id uuid primary key, source text not null, shard smallint, position bigint, event_id text, type text,
        subject text, key text, time timestamptz, traceparent text, topic text, partition integer,
        record_offset bigint, headers jsonb not null, data bytea not null, reason text not null,
        detail text not null, laid_down_at timestamptz not null, published_at timestamptz,
        settled_at timestamptz, outcome text
    )
    """,
    "create unique index dead_letter_origin on dead_letter (source, shard, position) where position is not null",
    "create unique index dead_letter_record on dead_letter (topic, partition, record_offset, md5(data)) "
    "where position is null",
    "create index dead_letter_unpublished on dead_letter (laid_down_at) where published_at is null",
    """
    create table idempotency (
        subject text not null, key text not null, request_hash bytea not null, status smallint, headers jsonb,
        body bytea, created_at timestamptz not null default now(), primary key (subject, key)
    )
    """,
    "create index idempotency_created on idempotency (created_at)",
)


def create_chassis() -> None:
    """For a service's first migration: create the tables above; only scope "all" may read logs and dead letters."""
    define_scope()
    for statement in _CREATE:
        op.execute(statement)
    grant("stream_head", "select, update")
    grant("event", "select, insert")
    grant("relay_cursor", "select, update")
    grant("inbox", "select, insert, update")
    grant("dead_letter", "select, insert, update")
    grant("idempotency", "select, insert, update, delete")
    for table in ("event", "dead_letter"):
        protect(table, read="app_sees('')", write="true")


def define_scope() -> None:
    """The functions that policies ask; again in a later migration, they replace those of before."""
    for statement in _SCOPE:
        op.execute(statement)


def grant(table: str, rights: str = "select, insert, update") -> None:
    """Give the service's role (neither owner nor superuser) its rights on a table."""
    op.execute(f"grant {rights} on {table} to {APP_ROLE}")


def protect(table: str, *, read: str, write: str | None = None) -> None:
    """Row-level security, forced: `read` is what a scope sees, `write` (default: the same) what it may leave behind."""
    check = write or read
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy {table}_read on {table} for select using ({read})")
    op.execute(f"create policy {table}_insert on {table} for insert with check ({check})")
    op.execute(f"create policy {table}_update on {table} for update using ({read}) with check ({check})")
    op.execute(f"create policy {table}_delete on {table} for delete using ({read})")


def aggregate_table(name: str, columns: Sequence[str] = (), *, detailed: bool = False) -> None:
    """Create the table of an aggregate (shared.persistence.aggregates.AggregateRow) with extra columns in SQL.

    `detailed`: of a DetailedRow.
    """
    columns = [*columns, *(["details jsonb not null default '{}'"] if detailed else [])]
    extra = "".join(f", {column}" for column in columns)
    op.execute(
        f'create table {name} (id text collate "C" primary key, version integer not null, org_path text not null, '
        f"state jsonb not null{extra})"
    )
    op.execute(f"create index {name}_org_path on {name} (org_path text_pattern_ops, id)")
    grant(name)


def index_status(*tables: str) -> None:
    """Let a page of one status be found by an index, whoever asks for it.

    Entries of a status stand in the order of pages, so that a page ends where it is full; whose they are is seen in the
    index, so that a region's few among the nation's cost no look at the others' rows.
    """
    for table in tables:
        op.execute(f"create index if not exists {table}_status on {table} (status, id, org_path text_pattern_ops)")


def unindex_status(*tables: str) -> None:
    """Without those indexes, as before."""
    for table in tables:
        op.execute(f"drop index if exists {table}_status")


def create_journal() -> None:
    """The table of what merges changed (shared.persistence.following); ids and codes alone."""
    op.execute(
        "create table followed (nr bigint generated always as identity primary key, merged text not null, "
        "living text not null, kind text not null, id text not null, key text not null, aggregate text not null, "
        "twin boolean not null, changes jsonb not null)"
    )
    op.execute("create index followed_merged on followed (merged)")
    op.execute("create index followed_living on followed (living)")
    op.execute("create index followed_aggregate on followed (kind, id, nr)")
    grant("followed", "select, insert, delete")
    protect("followed", read="app_signed_in()")
