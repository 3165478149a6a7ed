"""Everything agreements begins with: the chassis, agreements, activities, employments, and what partners told."""

from alembic import op

from shared.persistence.chassis import aggregate_table, create_chassis, grant, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_chassis()
    aggregate_table(
        "agreement",
        [
            "institution_id text not null",
            "form text not null",
            "status text not null",
            "valid_from date not null",
            "valid_until date not null",
            "enterprise_ids text[] not null",
        ],
    )
    op.execute("create index agreement_institution on agreement (institution_id, id)")
    op.execute("create index agreement_enterprises on agreement using gin (enterprise_ids)")
    # What the scheduler looks for; each index holds only what time can still change.
    op.execute("create index agreement_begins on agreement (valid_from) where status = 'signed'")
    op.execute("create index agreement_runs_out on agreement (valid_until) where status in ('active', 'suspended')")
    aggregate_table("activity", ["institution_id text not null", "agreement_id text not null", "status text not null"])
    op.execute("create index activity_institution on activity (institution_id)")
    op.execute("create index activity_agreement on activity (agreement_id, id)")
    aggregate_table(
        "employment",
        [
            "institution_id text not null",
            "graduate_ref text not null",
            "enterprise_id text not null",
            "status text not null",
        ],
    )
    op.execute("create index employment_institution on employment (institution_id, id)")
    op.execute("create index employment_enterprise on employment (enterprise_id, id)")
    op.execute(
        "create unique index employment_open_once on employment (institution_id, graduate_ref, enterprise_id) "
        "where status in ('reported', 'confirmed')"
    )
    op.execute(
        'create table institution_ref (id text collate "C" primary key, version integer not null, path text not null, '
        "code text not null, status text not null)"
    )
    op.execute(
        'create table enterprise_ref (id text collate "C" primary key, version integer not null, '
        "status text not null, merged_into text)"
    )
    protect("agreement", read="app_sees(org_path, enterprise_ids)")
    # The agreement's own policy decides inside the subquery.
    protect("activity", read="exists (select from agreement where agreement.id = activity.agreement_id)")
    protect("employment", read="app_sees(org_path, array[enterprise_id])")
    for table in ("institution_ref", "enterprise_ref"):
        grant(table)
    protect("institution_ref", read="app_sees(path)", write="app_sees('')")
    protect("enterprise_ref", read="app_signed_in()", write="app_sees('')")
