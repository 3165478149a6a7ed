"""Targets with every version there was; of enterprises their sector, by which cooperation is broken down."""

from alembic import op

from shared.persistence.chassis import APP_ROLE, grant, protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table target (
        indicator text collate "C" not null, place text collate "C" not null, level smallint not null,
        year text collate "C" not null, version integer not null, org_path text not null, value double precision,
        note text not null default '', made_by text not null, made_for text not null, made_at timestamptz not null,
        primary key (indicator, place, level, year, version)
    )
    """,
    "create index target_place on target (place, year)",
    """
    create table enterprise_fact (
        enterprise text collate "C" primary key, version integer not null, section text not null, merged_into text
    )
    """,
)
# A target binds whoever sees a place at or below the one it is set for.
_BINDS = """
    create function target_binds(org_path text) returns boolean language sql stable as $$
        select app_sees(org_path) or exists (select 1 from place where starts_with(place.path, org_path))
    $$
"""
_ENTERPRISES = """
    insert into enterprise_fact (enterprise, version, section, merged_into)
    select distinct on (told.id) told.id, told.version, told.section, told.merged_into
    from (
        select state->>'id' as id, (state->>'version')::integer as version,
            left(coalesce(state->>'isic_section', ''), 1) as section, state->>'merged_into' as merged_into
        from event_log e join event_type t on t.id = e.type,
            lateral (select convert_from(e.data, 'UTF8')::json as state) as decoded
        where t.name like 'hamkor.partners.enterprise.%'
    ) told
    order by told.id, told.version desc
"""


def upgrade() -> None:
    """Create the tables, their policies, and take in the enterprises that were told about before."""
    for statement in (*_TABLES, _BINDS):
        op.execute(statement)
    op.execute(f"grant execute on function target_binds(text) to {APP_ROLE}")
    grant("target", "select, insert")
    protect("target", read="target_binds(org_path)", write="app_sees(org_path)")
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute(_ENTERPRISES)
    grant("enterprise_fact")
    protect("enterprise_fact", read="app_signed_in()", write="app_sees('')")
