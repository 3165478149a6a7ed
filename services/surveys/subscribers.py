"""What surveys makes of partners' events: it knows institutions and where they belong."""

from collections.abc import Sequence

from services.surveys.commands import institutions
from shared.contracts.events import Event
from shared.contracts.partners import (
    INSTITUTION_CLOSED,
    INSTITUTION_MOVED,
    INSTITUTION_REGISTERED,
    INSTITUTION_UPDATED,
    InstitutionState,
)
from shared.persistence.unit_of_work import UnitOfWork

HEARD = frozenset(
    each.name for each in (INSTITUTION_REGISTERED, INSTITUTION_UPDATED, INSTITUTION_MOVED, INSTITUTION_CLOSED)
)


class Institutions:
    """The projection of partners' institutions."""

    def decode(self, event: Event) -> InstitutionState | None:
        """The institution's state; None for all else."""
        return InstitutionState.model_validate_json(event.data) if event.type in HEARD else None

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, InstitutionState]]) -> None:
        """Take over the newest state of each institution in the batch."""
        await institutions.take_over(uow, {state.id: state for _, state in batch})
