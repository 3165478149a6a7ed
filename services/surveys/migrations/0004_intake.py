"""Blind-signed tokens, and an intake in which nothing that is stored at the spending names what was issued."""

from alembic import op

from shared.persistence.chassis import grant, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OWN_CAMPAIGN = "exists (select 1 from campaign c where c.id = campaign_id)"


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    # A code's row is never touched again: what was spent before stands in no mark, and must not be spent twice.
    op.execute("delete from access_code where state <> 0")
    op.execute("alter table access_code drop column state")
    op.execute("create index access_code_campaign on access_code (campaign_id)")
    op.execute("alter table access_code reset (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor)")
    op.execute(
        "create table spent_mark (mark bytea primary key check (octet_length(mark) = 32), campaign_id text not null) "
        "with (autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0.01)"
    )
    op.execute("create index spent_mark_campaign on spent_mark (campaign_id)")
    op.execute(
        "create table intake (campaign_id text primary key, moved bigint not null, over boolean not null default false)"
    )
    op.execute(
        "insert into intake (campaign_id, moved) select campaign_id, count(*) from response group by campaign_id"
    )
    op.execute("create table token_key (campaign_id text primary key, public bytea not null, sealed bytea not null)")
    op.execute("alter table campaign drop column flush_due")
    # What is sealed cannot be compressed: trying costs more than all the rest of storing it.
    op.execute("alter table staged_answer alter column sealed set storage external")
    op.execute(
        "alter table response add column mode text not null default 'form' check (mode in ('form', 'interview'))"
    )
    grant("spent_mark", "select, insert, delete")
    grant("intake")
    grant("token_key", "select, insert")
    protect("intake", read=OWN_CAMPAIGN, write="app_sees('')")
    for table in ("spent_mark", "token_key"):
        protect(table, read="app_sees('')")
    # Whoever sees a campaign may count what is on its way; what is in it nobody can read.
    op.execute("drop policy staged_answer_read on staged_answer")
    op.execute(f"create policy staged_answer_read on staged_answer for select using ({OWN_CAMPAIGN})")
