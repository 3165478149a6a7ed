"""Contacts with partners: visits, dossiers, known events, next actions."""

from alembic import op

from shared.persistence.chassis import aggregate_table, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    aggregate_table(
        "visit",
        [
            "institution_id text not null",
            "enterprise_id text",
            "partner text not null",
            "envoy_ref text not null",
            "status text not null",
            "planned_start timestamptz not null",
            "planned_end timestamptz not null",
        ],
        detailed=True,
    )
    op.execute("create index visit_institution on visit (institution_id, planned_start)")
    op.execute("create index visit_partner on visit (partner, planned_start)")
    op.execute("create index visit_enterprise on visit (enterprise_id) where enterprise_id is not null")
    aggregate_table(
        "dossier",
        ["institution_id text not null", "enterprise_id text", "partner text not null"],
        detailed=True,
    )
    op.execute("create unique index dossier_once on dossier (institution_id, partner)")
    op.execute("create index dossier_enterprise on dossier (enterprise_id) where enterprise_id is not null")
    aggregate_table(
        "known_event",
        [
            "owner text not null",
            "owner_ref text not null",
            "status text not null",
            "starts_at timestamptz not null",
            "ends_at timestamptz not null",
        ],
        detailed=True,
    )
    op.execute("create index known_event_owner on known_event (owner, owner_ref, starts_at)")
    aggregate_table(
        "next_action",
        [
            "institution_id text not null",
            "enterprise_id text",
            "visit_id text not null",
            "status text not null",
            "due_on date not null",
        ],
        detailed=True,
    )
    op.execute("create index next_action_visit on next_action (visit_id, id)")
    op.execute("create index next_action_institution on next_action (institution_id, id)")
    op.execute("create index next_action_enterprise on next_action (enterprise_id) where enterprise_id is not null")
    # What the scheduler looks for.
    op.execute("create index next_action_due on next_action (due_on) where status = 'agreed'")
    for table in ("visit", "next_action"):
        protect(table, read="app_sees(org_path, array[enterprise_id])")
    protect("dossier", read="app_sees(org_path)")
    protect(
        "known_event",
        read="(owner = 'territory' and app_signed_in()) or app_sees(org_path, array[owner_ref])",
        write="app_sees(org_path, array[owner_ref])",
    )
