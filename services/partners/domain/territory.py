"""Territory: nation, regions, districts under their official SOATO codes."""

from typing import Annotated

from pydantic import Field

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import Name
from shared.contracts.partners import TERRITORY_RECORDED, TerritoryState
from shared.contracts.vocabulary import LANGUAGES, TerritoryLevel
from shared.errors import FieldError, InvalidInput
from shared.scope import path_of

LEVEL_OF_LENGTH = {2: TerritoryLevel.NATION, 4: TerritoryLevel.REGION, 7: TerritoryLevel.DISTRICT}
PARENT_LENGTH = {TerritoryLevel.REGION: 2, TerritoryLevel.DISTRICT: 4}


class RecordTerritory(Command):
    """A unit's names by language: uz, uz-Cyrl, ru, en."""

    names: Annotated[dict[str, Name], Field(min_length=1, max_length=4)]


def record(
    soato: str, state: TerritoryState | None, command: RecordTerritory
) -> tuple[EventType, TerritoryState] | None:
    """The unit with its names; None where nothing changes. Raises InvalidInput for a wrong code or language."""
    level = LEVEL_OF_LENGTH.get(len(soato)) if soato.isascii() and soato.isdigit() and soato.startswith("17") else None
    if level is None:
        raise InvalidInput(FieldError("soato", "soato", {"value": soato[:20]}))
    missing = [language for language in LANGUAGES if language not in command.names]
    unknown = [language for language in command.names if language not in LANGUAGES]
    if missing or unknown:
        raise InvalidInput(FieldError("names", "languages", {"value": ", ".join(missing + unknown)[:100]}))
    if state is not None and state.names == command.names:
        return None
    length = PARENT_LENGTH.get(level)
    return TERRITORY_RECORDED, TerritoryState(
        id=soato,
        version=state.version + 1 if state else 1,
        level=level,
        parent=soato[:length] if length else None,
        path=path_of(soato),
        names=dict(command.names),
    )
