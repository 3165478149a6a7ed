"""A list narrowed by its status is found by an index."""

from shared.persistence.chassis import index_status, unindex_status

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "api_key",
    "webhook",
    "need",
    "offer",
    "visit",
    "known_event",
    "next_action",
)


def upgrade() -> None:
    """One index a register that offices list by status."""
    index_status(*TABLES)


def downgrade() -> None:
    """Lists are as slow as they were."""
    unindex_status(*TABLES)
