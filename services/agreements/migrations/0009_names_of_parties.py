"""Whoever signs by a link reads the names of institution and enterprise.

Of those that are known already the name comes with what is told of them next.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep names beside what else is known of institutions and enterprises."""
    for table in ("institution_ref", "enterprise_ref"):
        op.execute(f"alter table {table} add column if not exists name text")
