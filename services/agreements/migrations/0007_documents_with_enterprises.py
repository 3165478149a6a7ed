"""A document is seen by the enterprise it is made with, not by every party of its agreement."""

import sqlalchemy as sa
from alembic import op

from shared.persistence.chassis import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KINDS = "{student_internship,teacher_internship,employment_contract}"


def upgrade() -> None:
    """Add the enterprise, where the agreement has one alone; replace the policies."""
    op.execute("alter table document add column enterprise_id text")
    op.execute("create index document_enterprise on document (enterprise_id, id) where enterprise_id is not null")
    connection = op.get_bind()
    connection.execute(sa.text("select set_config('app.scope', 'all', true)"))
    # With whom of several it was made nobody can tell: these are for the institution alone.
    connection.execute(
        sa.text(
            "update document set enterprise_id = agreement.enterprise_ids[1], "
            "state = document.state || jsonb_build_object('enterprise_id', agreement.enterprise_ids[1]) "
            "from agreement where agreement.id = document.subject and cardinality(agreement.enterprise_ids) = 1"
        )
    )
    for command in ("read", "insert", "update", "delete"):
        op.execute(f"drop policy document_{command} on document")
    protect(
        "document",
        read="app_sees(org_path, array[enterprise_id]) "
        f"and (current_setting('app.scope', true) not like 'path:%' or kind <> all ('{KINDS}'))",
        write="app_sees(org_path)",
    )
