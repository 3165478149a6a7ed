"""What changes stocks is summed up by academic years too: a sum up to a month reads few rows."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BESIDE_FLOWS = "slot between 1 and 16 or slot in (20, 21, 24, 27)"
"""Rows whose first measure alone is a stock."""
_STOCKS = f"{_BESIDE_FLOWS} or slot in (25, 26) or slot between 41 and 55"
_YEARS = 300_000
_MONTHS = 200_000
"""Months' codes lie below."""


def upgrade() -> None:
    """Sum up what is there; a rebuild that is under way begins anew."""
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute("select rebuild_drop()")
    op.execute("delete from rebuild")
    op.execute(
        "insert into cell (place, slot, period, v0, v1, v2, v3, as_of) "  # noqa: S608 - constants
        f"select place, slot, {_YEARS} + (period - 8) / 12, sum(v0), "
        + ", ".join(f"sum(case when {_BESIDE_FLOWS} then 0 else v{column} end)" for column in (1, 2, 3))
        + f", max(as_of) from cell where ({_STOCKS}) and period < {_MONTHS} group by 1, 2, 3 "
        "on conflict (place, slot, period) do nothing"
    )


def downgrade() -> None:
    """Leave the months alone."""
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute(f"delete from cell where ({_STOCKS}) and period between {_YEARS} and {_YEARS} + 99999")  # noqa: S608
