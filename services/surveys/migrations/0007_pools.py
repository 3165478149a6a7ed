"""Pools: answers that are too few at their campaign count with others' in a territory.

Answers of years before are counted by profession and rating, too, by `python -m services.surveys.recount`.
"""

from alembic import op

from shared.persistence.chassis import grant, protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What is released is of a campaign or of a pool, and seen by whoever sees that.
OWN_SOURCE = (
    "exists (select 1 from campaign c where c.id = campaign_id) "
    "or exists (select 1 from pool p where p.id = campaign_id)"
)


def upgrade() -> None:
    """Create the tables, and the view of whatever released sums are of."""
    op.execute(
        "create table pool (id text primary key, org_path text not null, instrument text not null, "
        "instrument_version integer not null, wave_id text, first_day date not null, last_day date not null)"
    )
    op.execute("create index pool_org_path on pool (org_path text_pattern_ops)")
    # Where the institution was when its campaign was pooled, the last day of all that were pooled together, and the
    # territory in which all its answers count.
    op.execute(
        "create table pooled_campaign (campaign_id text primary key, org_path text not null, last_day date not null, "
        "counts_in text)"
    )
    op.execute("create index pooled_campaign_counts_in on pooled_campaign (counts_in text_pattern_ops)")
    op.execute(
        "create view released_of with (security_invoker) as "
        "select id, org_path, instrument, instrument_version, wave_id, first_day, last_day, title, false as pooled "
        "from campaign union all "
        "select id, org_path, instrument, instrument_version, wave_id, first_day, last_day, null, true from pool"
    )
    grant("pool", "select, insert")
    grant("pooled_campaign", "select, insert")
    grant("released_of", "select")
    protect("pool", read="app_sees(org_path)", write="app_sees('')")
    protect("pooled_campaign", read="app_sees('')")
    op.execute("alter table released_result drop constraint released_result_campaign_id_fkey")
    op.execute("drop policy released_result_read on released_result")
    op.execute(f"create policy released_result_read on released_result for select using ({OWN_SOURCE})")
    # Nobody reads releases by profession: they are counted of whole years.
    for table in ("released_result", "released_choice"):
        op.execute(f"delete from {table} where measure like '%@%'")  # noqa: S608 - constants
