"""Thresholds of rules about peers that the ministry set when less was asked of them: to the nearest that is allowed."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# (parameter, least, most) of services.monitoring.advice.declarations.Peers
_BOUNDS = (("peers", 10, 1_000_000_000), ("quantile", 0.05, 0.5), ("clear", 0.05, 0.95))
_NARROWED = """
    update rule_setting set levels = (
        select jsonb_object_agg(level, case when setting -> 'parameters' ? '{name}' then jsonb_set(
            setting, '{{parameters,{name}}}',
            to_jsonb(least(greatest((setting -> 'parameters' ->> '{name}')::numeric, {least}), {most}))
        ) else setting end)
        from jsonb_each(levels) as each(level, setting)
    ) where rule in ('F1_PEERS', 'I1_PEERS', 'I2_PEERS') and levels <> '{{}}'
"""


def upgrade() -> None:
    """Narrow what was set, level by level; every version, for any may be looked at."""
    op.execute("alter table rule_setting no force row level security")
    for name, least, most in _BOUNDS:
        op.execute(_NARROWED.format(name=name, least=least, most=most))
    op.execute("alter table rule_setting force row level security")


def downgrade() -> None:
    """What is allowed now was allowed before."""
