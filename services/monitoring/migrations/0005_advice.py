"""Recommendations with their rules' settings, trials on history and runs; what kind an institution is."""

from alembic import op

from shared.persistence.chassis import aggregate_table, grant, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KIND = """
    update place set kind = told.kind, revision = (select revision + 1 from territory_revision)
    from (
        select distinct on (e.place) e.place, convert_from(e.data, 'UTF8')::json->>'kind' as kind
        from event_seen e join event_type t on t.id = e.type
        where t.name like 'hamkor.partners.institution.%' and e.place is not null
        order by e.place, e.position desc
    ) told
    where told.place = place.id and told.kind is not null
"""

_TABLES = (
    """
    create table rule_setting (
        rule text collate "C" not null, version integer not null, enabled boolean not null, levels jsonb not null,
        made_by text not null, made_at timestamptz not null, primary key (rule, version)
    )
    """,
    """
    create table advice_trial (
        id text collate "C" primary key, org_path text not null, place text not null, asked jsonb not null,
        status text not null, done integer not null default 0, steps integer not null default 0, result jsonb,
        asked_by text not null, asked_at timestamptz not null, taken_at timestamptz, ended_at timestamptz
    )
    """,
    "create index advice_trial_waiting on advice_trial (asked_at) where status in ('waiting', 'running')",
    """
    create table advice_run (
        day date primary key, began_at timestamptz not null, ended_at timestamptz,
        done text[] not null default '{}', steps integer not null, made integer not null default 0,
        resolved integer not null default 0
    )
    """,
)


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    op.execute("alter table place add column kind text not null default ''")
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute(_KIND)
    op.execute("update territory_revision set revision = revision + 1")
    aggregate_table(
        "recommendation",
        [
            'rule text collate "C" not null',
            'place text collate "C" not null',
            "level smallint not null",
            "severity smallint not null",
            "element text not null",
            "status text not null",
            "open boolean not null",
            "quiet_until date",
            "look_on date",
            "latest jsonb not null default '{}'",
            "latest_on date",
            "cleared smallint not null default 0",
            "measured jsonb not null default '[]'",
        ],
        detailed=True,
    )
    # However many processes look at once: a rule has one open recommendation at a place.
    op.execute("create unique index recommendation_open on recommendation (rule, place) where open")
    op.execute("create index recommendation_place on recommendation (place, open, severity)")
    op.execute("create index recommendation_rule on recommendation (rule, level, open)")
    op.execute("create index recommendation_quiet on recommendation (rule, place, quiet_until) where not open")
    op.execute("create index recommendation_look on recommendation (look_on) where look_on is not null")
    op.execute("create index recommendation_list on recommendation (severity desc, id)")
    protect("recommendation", read="app_sees(org_path)")
    for statement in _TABLES:
        op.execute(statement)
    grant("rule_setting", "select, insert")
    protect("rule_setting", read="app_signed_in()", write="app_sees('/17/')")
    grant("advice_trial", "select, insert, update, delete")
    protect("advice_trial", read="app_sees(org_path)")
    grant("advice_run")
    protect("advice_run", read="app_signed_in()", write="app_sees('')")
