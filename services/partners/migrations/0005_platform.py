"""Schools' own systems: API keys, webhooks, and what is delivered to them."""

from alembic import op

from shared.persistence.chassis import aggregate_table, grant, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies; secrets and deliveries are seen by the service alone."""
    aggregate_table(
        "api_key", ["institution_id text not null", "status text not null", "last_used_on date"], detailed=True
    )
    op.execute("create index api_key_institution on api_key (institution_id, id)")
    protect("api_key", read="app_sees(org_path)")
    op.execute("create table api_key_secret (id text primary key, digest bytea not null)")
    aggregate_table("webhook", ["owner text not null", "status text not null"], detailed=True)
    protect("webhook", read="app_sees(org_path)")
    op.execute(
        "create table webhook_secret (webhook_id text not null, secret text not null, made_at timestamptz not null, "
        "ends_at timestamptz, primary key (webhook_id, secret))"
    )
    op.execute(
        "create table webhook_delivery (id text primary key, webhook_id text not null, event_id text not null, "
        "type text not null, time timestamptz not null, body text not null, status text not null, "
        "attempts integer not null default 0, next_at timestamptz not null, answered integer, problem text, "
        "delivered_at timestamptz, unique (webhook_id, event_id))"
    )
    op.execute("create index webhook_delivery_due on webhook_delivery (webhook_id, next_at) where status = 'pending'")
    op.execute("create index webhook_delivery_log on webhook_delivery (webhook_id, id)")
    op.execute("create index webhook_delivery_old on webhook_delivery (time)")
    for table in ("api_key_secret", "webhook_secret", "webhook_delivery"):
        grant(table, "select, insert, update, delete")
        protect(table, read="app_sees('')", write="true")
