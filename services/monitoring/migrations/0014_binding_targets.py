"""Targets bind whoever a place lies below now: of offices that an institution has moved to its former ones see none."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BINDS = """
    create or replace function target_binds(org_path text) returns boolean language sql stable as $$
        select app_sees(org_path) or exists (select 1 from place where {below})
    $$
"""


def upgrade() -> None:
    """A place that is seen because it was here once does not count."""
    op.execute(_BINDS.format(below="starts_with(place.path, org_path) and app_sees(place.path)"))


def downgrade() -> None:
    """It counts again."""
    op.execute(_BINDS.format(below="starts_with(place.path, org_path)"))
