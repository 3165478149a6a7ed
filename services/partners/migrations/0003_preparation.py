"""Preparation: self-assessments, needs and offers, interests, evidence of R1, R3, R5, R6 – and the labour market."""

from collections.abc import Mapping, Sequence

from alembic import op

from shared.persistence.chassis import aggregate_table, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OWNED: Mapping[str, Sequence[str]] = {
    "self_assessment": ["edition integer not null"],
    "orientation": [],
    "interest": ["partnership_id text not null unique"],
    "market_review": [],
    "sector_review": [],
    "market_assessment": ["profession text not null"],
}


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    for table, columns in OWNED.items():
        aggregate_table(table, ["institution_id text not null", *columns], detailed=True)
        op.execute(f"create index {table}_institution on {table} (institution_id, id)")
        protect(table, read="app_sees(org_path)")
    op.execute("create unique index self_assessment_edition on self_assessment (institution_id, edition)")
    for table in ("need", "offer"):
        _listing(table)
    figures = ["region text not null", "profession text not null", "qualification text not null"]
    reports = {
        "demand_report": ["reporter text not null", "enterprise_id text", "positions integer", "vacancies integer"],
        "supply_report": ["unemployed integer not null"],
    }
    for table, columns in reports.items():
        aggregate_table(table, [*figures, "year integer not null", *columns])
        op.execute(f"create index {table}_asked on {table} (region, profession, qualification, year)")
    op.execute("create index demand_report_enterprise on demand_report (enterprise_id) where enterprise_id is not null")
    aggregate_table(
        "plan_priority",
        ["region text not null", "isic_section text not null", "enterprise_ids text[] not null"],
        detailed=True,
    )
    op.execute("create index plan_priority_asked on plan_priority (region, isic_section)")
    op.execute("create index plan_priority_enterprises on plan_priority using gin (enterprise_ids)")
    # Published figures: everybody signed in reads them; they lie at their region's path, where alone they are written.
    for table in ("demand_report", "supply_report", "plan_priority"):
        protect(table, read="app_signed_in()")


def _listing(table: str) -> None:
    aggregate_table(
        table,
        [
            "institution_id text",
            "enterprise_id text",
            "district text not null",
            "opportunity text not null",
            "form text",
            "profession text",
            "status text not null",
            "check ((institution_id is null) <> (enterprise_id is null))",
        ],
        detailed=True,
    )
    op.execute(f"create index {table}_institution on {table} (institution_id, id) where institution_id is not null")
    op.execute(f"create index {table}_enterprise on {table} (enterprise_id) where enterprise_id is not null")
    op.execute(f"create index {table}_open on {table} (opportunity, profession, district) where status = 'open'")
    # Everybody signed in finds what enterprises need and offer; enterprises find what institutions do.
    protect(
        table,
        read="app_sees(org_path, array[enterprise_id]) or (enterprise_id is not null and app_signed_in()) or "
        "(institution_id is not null and current_setting('app.scope', true) like 'enterprise:%')",
        write="app_sees(org_path, array[enterprise_id])",
    )
