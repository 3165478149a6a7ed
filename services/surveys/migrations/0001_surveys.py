"""Everything surveys begins with: the chassis, institutions, campaigns, and the tables that keep answers anonymous."""

from alembic import op

from shared.persistence.chassis import create_chassis, grant, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SUMS = """
    campaign_id text not null references campaign, measure text not null,
    count bigint not null, total bigint not null, squares bigint not null, primary key (campaign_id, measure)
"""
# The policy of campaign holds inside: what belongs to a campaign is seen by whoever sees the campaign.
OWN_CAMPAIGN = "exists (select 1 from campaign c where c.id = campaign_id)"


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_chassis()
    op.execute(
        "create table institution (id text primary key, version integer not null, org_path text not null, "
        "code text not null, name text not null, active boolean not null)"
    )
    op.execute("create index institution_org_path on institution (org_path text_pattern_ops)")
    op.execute(
        "create table campaign (id text primary key, version integer not null, org_path text not null, "
        "institution_id text not null references institution, instrument text not null, "
        "instrument_version integer not null, first_day date not null, last_day date not null, title text, "
        "status text not null, flush_due timestamptz, check (first_day <= last_day))"
    )
    op.execute("create index campaign_org_path on campaign (org_path text_pattern_ops, id)")
    op.execute("create index campaign_overdue on campaign (last_day) where status <> 'closed'")
    op.execute("create index campaign_institution on campaign (institution_id)")
    op.execute(
        "create table code_batch (id text primary key, campaign_id text not null references campaign, "
        "count integer not null check (count > 0), issued_on date not null)"
    )
    op.execute("create index code_batch_campaign on code_batch (campaign_id)")
    # No foreign key from here on: checking one locks the campaign's row for every single answer.
    op.execute(
        "create table access_code (fingerprint bytea primary key check (octet_length(fingerprint) = 32), "
        "campaign_id text not null, state smallint not null check (state between 0 and 2))"
    )
    op.execute("create index access_code_state on access_code (campaign_id, state, fingerprint)")
    op.execute("create table staged_answer (campaign_id text not null, key_id bytea not null, sealed bytea not null)")
    op.execute("create index staged_answer_campaign on staged_answer (campaign_id)")
    op.execute(
        "create table response (id text primary key, campaign_id text not null, day date not null, "
        "answers jsonb not null)"
    )
    op.execute("create index response_campaign on response (campaign_id)")
    op.execute(f"create table tally ({SUMS})")
    op.execute(f"create table released_result ({SUMS})")
    # Rows that were moved on must not lie about as dead tuples.
    for table in ("staged_answer", "access_code"):
        op.execute(f"alter table {table} set (autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0.01)")
    for table in ("institution", "campaign", "code_batch", "tally", "released_result"):
        grant(table)
    grant("access_code", "select, insert, update, delete")
    grant("staged_answer", "select, insert, update, delete")
    grant("response", "select, insert")
    protect("institution", read="app_sees(org_path)", write="app_sees('')")
    protect("campaign", read="app_sees(org_path)")
    for table in ("code_batch", "access_code"):
        protect(table, read=OWN_CAMPAIGN)
    protect("released_result", read=OWN_CAMPAIGN, write="app_sees('')")
    for table in ("staged_answer", "response", "tally"):
        protect(table, read="app_sees('')")
