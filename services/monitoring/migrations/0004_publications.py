"""Reports up the tree, publications, frozen figures; a moved institution stays visible where it still counts."""

from alembic import op

from shared.persistence.chassis import aggregate_table, grant, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table frozen (
        id uuid primary key, period text not null, taken_at timestamptz not null, positions jsonb not null
    )
    """,
    """
    create table frozen_value (
        frozen uuid not null references frozen (id), place integer not null, indicator text collate "C" not null,
        value double precision, numerator bigint, denominator bigint, coverage double precision,
        suppressed boolean not null, primary key (frozen, place, indicator)
    )
    """,
    """
    create table reporting_deadline (
        kind text not null, level text not null, days integer not null check (days between 1 and 180),
        set_at timestamptz not null, primary key (kind, level)
    )
    """,
)

# An institution that moved is seen by its former districts too: values of the time before stay their own, and what is
# behind them with them. The code limits it to the months in question. A table: a policy can't ask the table it guards.
_FORMER = (
    """
    create table former_place (
        place integer not null, district text collate "C" not null, path text collate "C" not null,
        primary key (place, district)
    )
    """,
    "create index former_place_path on former_place (path)",
    """
    create function keep_former_places() returns trigger language plpgsql as $$
    begin
        delete from former_place where place = new.id;
        if json_array_length(new.memberships) > 1 then
            insert into former_place (place, district, path)
            select distinct new.id, d.code, d.path
            from json_array_elements(new.memberships) dated join place d on d.code = dated->>0;
        end if;
        update former_place set path = new.path where district = new.code and path <> new.path;
        return null;
    end $$
    """,
    """
    create trigger former_places after insert or update of memberships, path on place
    for each row execute function keep_former_places()
    """,
    """
    insert into former_place (place, district, path)
    select distinct p.id, d.code, d.path
    from place p, json_array_elements(p.memberships) dated, place d
    where json_array_length(p.memberships) > 1 and d.code = dated->>0
    """,
)
_SEES_PLACE = """
    (select app_sees('/17/'))
    or starts_with(path, (select nullif(substr(scope, 6), '') from (select current_setting('app.scope', true) as scope)
        as setting where starts_with(scope, 'path:')))
    or code = (select substr(scope, 13) from (select current_setting('app.scope', true) as scope) as setting
        where starts_with(scope, 'institution:'))
    or id in (select former.place from former_place former where starts_with(former.path,
        (select nullif(substr(scope, 6), '') from (select current_setting('app.scope', true) as scope)
        as setting where starts_with(scope, 'path:'))))
"""

# Positions grow with time in every shard: the last one up to a moment is found by halving.
_POSITION_AT = """
    create function position_at(wanted_source smallint, wanted_shard smallint, highest bigint, moment timestamptz)
    returns bigint language plpgsql stable security definer set search_path = public as $$
    declare
        low bigint := 0;
        high bigint := highest;
        middle bigint;
        seen timestamptz;
    begin
        while low < high loop
            middle := (low + high + 1) / 2;
            select e.time into seen from event_log e
            where e.source = wanted_source and e.shard = wanted_shard and e.position = middle;
            if seen is null or seen > moment then high := middle - 1; else low := middle; end if;
        end loop;
        return low;
    end $$
"""


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    op.execute("select set_config('app.scope', 'all', true)")
    for statement in (*_TABLES, *_FORMER):
        op.execute(statement)
    aggregate_table(
        "submission",
        [
            'place text collate "C" not null',
            "level text not null",
            'period text collate "C" not null',
            "status text not null",
            "due_on date not null",
            'parent text collate "C" not null',
            "remind_at timestamptz",
        ],
        detailed=True,
    )
    op.execute("create unique index submission_once on submission (period, place)")
    op.execute("create index submission_list on submission (period, parent, status)")
    op.execute("create index submission_queue on submission (status, due_on, id)")
    op.execute("create index submission_remind on submission (remind_at) where remind_at is not null")
    protect("submission", read="app_sees(org_path)")
    aggregate_table(
        "publication",
        [
            'place text collate "C" not null',
            'period text collate "C" not null',
            "status text not null",
            "ordered_at timestamptz not null",
        ],
        detailed=True,
    )
    op.execute("create unique index publication_once on publication (period, place)")
    op.execute("create index publication_ordered on publication (ordered_at) where status = 'ordered'")
    # What is published for a region is read by its schools too: of the values everybody sees their own part.
    protect("publication", read="app_signed_in()", write="app_sees(org_path)")
    grant("frozen", "select, insert")
    grant("frozen_value", "select, insert")
    grant("reporting_deadline", "select, insert, update")
    grant("former_place", "select, insert, update, delete")
    protect("frozen", read="app_signed_in()")
    seen = "(select app_sees('/17/')) or exists (select from place p where p.id = place)"
    protect("frozen_value", read=seen)
    for table in ("reporting_deadline", "former_place"):
        protect(table, read="true", write="true")
    op.execute(f"alter policy place_read on place using ({_SEES_PLACE})")
    op.execute(_POSITION_AT)
