"""What results, gaps and comparisons are read from, and free texts that are shown in company."""

from alembic import op

from shared.persistence.chassis import grant, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The owning institution's coordinator, and nobody above.
OWN_INSTITUTION = (
    "exists (select 1 from campaign c where c.id = campaign_id "
    "and coalesce(current_setting('app.scope', true), '') = 'institution:' || c.institution_id)"
)


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    # Squares of large numbers, summed over a nation, outgrow 64 bits.
    for table in ("tally", "released_result"):
        op.execute(
            f"alter table {table} alter column total type numeric(60, 0), alter column squares type numeric(60, 0)"
        )
    # No foreign key: checking one locks the campaign's row for every option.
    for table in ("choice", "released_choice"):
        op.execute(
            f"create table {table} (campaign_id text not null, measure text not null, option text not null, "
            "count bigint not null, primary key (campaign_id, measure, option))"
        )
        grant(table)
        # Counts of a few stand in both: what of them may be seen is decided where they are read.
        protect(table, read="app_sees('')")
    grant("choice", "delete")
    grant("tally", "delete")
    op.execute("create index released_result_measure on released_result (measure, campaign_id)")
    op.execute("create table held_text (campaign_id text not null, question text not null, content text not null)")
    op.execute("create index held_text_campaign on held_text (campaign_id, question)")
    op.execute(
        "create table released_text (id text primary key, campaign_id text not null, question text not null, "
        "content text not null)"
    )
    op.execute("create index released_text_campaign on released_text (campaign_id, question, id)")
    grant("held_text", "select, insert, delete")
    grant("released_text", "select, insert")
    protect("held_text", read="app_sees('')")
    protect("released_text", read=OWN_INSTITUTION, write="app_sees('')")
