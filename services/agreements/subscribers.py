"""Partners' events in: institutions and enterprises become known here, rows and references follow."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.agreements.commands.register import Enterprise, Institution, take
from shared.contracts.events import Event
from shared.persistence.unit_of_work import UnitOfWork

LISTENS_TO = ("partners",)
_READ: dict[str, type[Institution] | type[Enterprise]] = {"institution": Institution, "enterprise": Enterprise}
MAX_ID_CHARACTERS = 64


class Register:
    """The projection of partners' registers: whole states with versions, so that what is older changes nothing."""

    def decode(self, event: Event) -> Institution | Enterprise | None:
        """The institution or enterprise an event of version 1 tells of, whatever the fact; None for all others.

        Raises ValueError or msgspec.ValidationError for a state that obeys no contract.
        """
        _, _, aggregate, _, version = (event.type.split(".") + [""] * 5)[:5]
        model = _READ.get(aggregate)
        if model is None or version != "v1":
            return None
        read = msgspec.json.decode(event.data, type=model)
        if not 0 < len(read.id) <= MAX_ID_CHARACTERS or event.subject != f"{aggregate}/{read.id}":
            raise ValueError(f"the event is about {event.subject}, its state about {read.id[:100]}")
        if isinstance(read, Institution) and not read.path.endswith(f"/{read.id}/"):
            raise ValueError(f"{read.path[:200]} is not the path of institution {read.id}")
        return read

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Keep the states, let rows and references follow, inside the transaction that advances the positions."""
        told = [read for _, read in batch]
        await take(
            uow,
            institutions=[read for read in told if isinstance(read, Institution)],
            enterprises=[read for read in told if isinstance(read, Enterprise)],
        )
