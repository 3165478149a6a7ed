"""The work under each form: placements to incomes, all of one shape – and links by which parties confirm."""

from alembic import op

from shared.persistence.chassis import aggregate_table, grant, protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KINDS = (
    "placement",
    "outcome",
    "specialist",
    "staff_internship",
    "training",
    "certification",
    "project",
    "income",
    "expert_review",
)


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    for table in KINDS:
        aggregate_table(
            table,
            [
                "institution_id text not null",
                "agreement_id text",
                "enterprise_ids text[] not null",
                "ref text not null",
                "status text not null",
                "on_day date not null",
            ],
            detailed=True,
        )
        op.execute(f"create index {table}_institution on {table} (institution_id, id)")
        op.execute(f"create index {table}_agreement on {table} (agreement_id, id) where agreement_id is not null")
        op.execute(f"create index {table}_enterprises on {table} using gin (enterprise_ids)")
        protect(table, read="app_sees(org_path, enterprise_ids)")
    # What the calendar looks at: amendments that were agreed for a day to come.
    op.execute("alter table agreement add column amends_on date")
    op.execute("create index agreement_amends on agreement (amends_on) where amends_on is not null")
    op.execute(
        "create table confirmation_link (id uuid primary key, agreement_id text not null, party_id text not null, "
        "token_hash bytea not null unique, made_at timestamptz not null, expires_at timestamptz not null, "
        "used_at timestamptz, revoked_at timestamptz)"
    )
    op.execute("create index confirmation_link_agreement on confirmation_link (agreement_id, party_id)")
    grant("confirmation_link")
    # The agreement's own policy decides inside the subquery.
    protect(
        "confirmation_link",
        read="exists (select from agreement where agreement.id = confirmation_link.agreement_id)",
    )
