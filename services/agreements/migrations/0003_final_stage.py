"""The final stage: instructions, work plans, samples, documents and their series, boards, normative documents."""

from alembic import op

from shared.persistence.chassis import aggregate_table, grant, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    aggregate_table(
        "instruction",
        ["institution_id text not null", "kind text not null", "duty text not null", "status text not null"],
        detailed=True,
    )
    op.execute("create unique index instruction_key on instruction (institution_id, kind, duty)")
    aggregate_table(
        "work_plan",
        ["institution_id text not null", "academic_year text not null", "status text not null", "next_due_on date"],
        detailed=True,
    )
    op.execute("create unique index work_plan_key on work_plan (institution_id, academic_year)")
    aggregate_table("sample", ["institution_id text not null", "kind text not null", "status text not null"])
    op.execute("create unique index sample_key on sample (institution_id, kind)")
    aggregate_table(
        "document",
        [
            "institution_id text not null",
            "kind text not null",
            "number text not null",
            "status text not null",
            "subject text",
        ],
        detailed=True,
    )
    op.execute("create unique index document_number on document (institution_id, number)")
    op.execute("create index document_subject on document (subject) where subject is not null")
    aggregate_table(
        "board",
        [
            "institution_id text not null",
            "status text not null",
            "enterprise_ids text[] not null",
            "next_due_on date",
        ],
        detailed=True,
    )
    op.execute("create index board_institution on board (institution_id, id)")
    op.execute("create unique index board_once on board (institution_id) where status = 'established'")
    op.execute("create index board_enterprises on board using gin (enterprise_ids)")
    # What the scheduler looks for.
    for table in ("work_plan", "board"):
        op.execute(f"create index {table}_due on {table} (next_due_on) where next_due_on is not null")
    aggregate_table(
        "normative_document",
        ["institution_id text", "territory text", "kind text not null", "status text not null"],
        detailed=True,
    )
    op.execute(
        "create index normative_document_institution on normative_document (institution_id) "
        "where institution_id is not null"
    )
    op.execute(
        "create table document_series (institution_id text not null, year integer not null, series text not null, "
        "last integer not null, primary key (institution_id, year, series))"
    )
    for table in ("instruction", "work_plan", "sample"):
        protect(table, read="app_sees(org_path)")
    # The agreement's own policy decides inside the subquery.
    protect(
        "document",
        read="app_sees(org_path) or exists (select from agreement where agreement.id = document.subject)",
        write="app_sees(org_path)",
    )
    protect("board", read="app_sees(org_path, enterprise_ids)")
    # A norm holds for everything below its issuer: whoever lies below sees it, only its issuer and above may change it.
    protect(
        "normative_document",
        read="app_sees(org_path) "
        "or starts_with(substr(current_setting('app.scope', true), 6), org_path) "
        "and current_setting('app.scope', true) like 'path:/%' "
        "or org_path = '/17/' and app_signed_in() "
        "or exists (select from institution_ref known where "
        "current_setting('app.scope', true) = 'institution:' || known.id and starts_with(known.path, org_path))",
        write="app_sees(org_path)",
    )
    grant("document_series")
    protect(
        "document_series",
        read="exists (select from institution_ref known where known.id = document_series.institution_id)",
    )
