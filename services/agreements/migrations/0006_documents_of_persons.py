"""Documents of kinds that are about single persons are seen by no office."""

from alembic import op

from shared.persistence.chassis import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KINDS = "{student_internship,teacher_internship,employment_contract}"


def upgrade() -> None:
    """Replace the policies of documents."""
    for command in ("read", "insert", "update", "delete"):
        op.execute(f"drop policy document_{command} on document")
    scope = "current_setting('app.scope', true)"
    # The agreement's own policy decides inside the subquery: for enterprises, which see those of their agreements.
    protect(
        "document",
        read=f"app_sees(org_path) and ({scope} not like 'path:%' or kind <> all ('{KINDS}')) "
        f"or {scope} like 'enterprise:%' and exists (select from agreement where agreement.id = document.subject)",
        write="app_sees(org_path)",
    )
