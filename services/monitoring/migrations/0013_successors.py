"""Whoever goes on with an institution's work sees what was its own: it lies below."""

from alembic import op

from shared.persistence.chassis import define_scope

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SEES_PLACE = """
    (select app_sees('/17/'))
    or starts_with(path, (select nullif(substr(scope, 6), '') from (select current_setting('app.scope', true) as scope)
        as setting where starts_with(scope, 'path:')))
    or {its_own}
    or id in (select former.place from former_place former where starts_with(former.path,
        (select nullif(substr(scope, 6), '') from (select current_setting('app.scope', true) as scope)
        as setting where starts_with(scope, 'path:'))))
"""
_INSTITUTION = """
    (select nullif(substr(scope, 13), '') from (select current_setting('app.scope', true) as scope) as setting
        where starts_with(scope, 'institution:'))
"""


def upgrade() -> None:
    """Define the scope anew, and what is seen of places."""
    define_scope()
    _see(f"position('/' || {_INSTITUTION} || '/' in path) > 0")


def downgrade() -> None:
    """Each institution sees itself alone; the scope's function, which says the same of all other rows, stays."""
    _see(f"code = {_INSTITUTION}")


def _see(its_own: str) -> None:
    op.execute(f"alter policy place_read on place using ({_SEES_PLACE.format(its_own=its_own)})")
