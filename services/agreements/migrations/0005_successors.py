"""Whoever goes on with an institution's work sees what was its own: it lies below."""

from alembic import op

from shared.persistence.chassis import define_scope

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Define the scope anew; whose work somebody goes on with is found among the closed."""
    define_scope()
    op.execute("create index if not exists institution_ref_status on institution_ref (status, path)")
