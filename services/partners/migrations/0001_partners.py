"""Everything partners begins with: the chassis, territory, registers, partnerships."""

from alembic import op

from shared.persistence.chassis import aggregate_table, create_chassis, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_chassis()
    aggregate_table("territory")
    aggregate_table(
        "institution", ["code text not null unique", "name text not null", "kind text not null", "status text not null"]
    )
    op.execute("create index institution_name on institution (name, id)")
    aggregate_table("enrolment", ["institution_id text not null", "academic_year text not null"])
    op.execute("create index ix_enrolment_institution_id on enrolment (institution_id)")
    aggregate_table("enterprise", ["stir text not null unique", "name text not null", "status text not null"])
    op.execute("create index enterprise_name on enterprise (lower(name) text_pattern_ops, id)")
    aggregate_table(
        "partnership",
        ["institution_id text not null", "enterprise_id text", "partner text not null", "stage text not null"],
    )
    op.execute("create index ix_partnership_institution_id on partnership (institution_id)")
    op.execute("create index ix_partnership_enterprise_id on partnership (enterprise_id)")
    op.execute("create unique index partnership_once on partnership (institution_id, partner) where stage <> 'ended'")
    for table in ("territory", "enterprise"):
        protect(table, read="app_signed_in()")
    for table in ("institution", "enrolment"):
        protect(table, read="app_sees(org_path)")
    protect("partnership", read="app_sees(org_path, array[enterprise_id])")
