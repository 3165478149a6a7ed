"""The life of an instrument of one's own: drafted, published for good, retired; whose it is stands in its code."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Self

from services.surveys.domain.documents import document_of
from services.surveys.domain.instruments import Instrument
from shared.contracts.events import State
from shared.errors import DomainError, WrongState

NATION: Final = "/17/"


class InstrumentStatus(StrEnum):
    """Only a published version can be asked anew; a retired one stays readable, and goes on where it is being asked."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class InstrumentAct(StrEnum):
    """What can be done with one version."""

    EDIT = "edit"
    DISCARD = "discard"
    PUBLISH = "publish"
    RETIRE = "retire"


TRANSITIONS: Final[Mapping[tuple[InstrumentStatus, InstrumentAct], InstrumentStatus | None]] = {
    (InstrumentStatus.DRAFT, InstrumentAct.EDIT): InstrumentStatus.DRAFT,
    (InstrumentStatus.DRAFT, InstrumentAct.DISCARD): None,
    (InstrumentStatus.DRAFT, InstrumentAct.PUBLISH): InstrumentStatus.PUBLISHED,
    (InstrumentStatus.PUBLISHED, InstrumentAct.RETIRE): InstrumentStatus.RETIRED,
}
"""What is not in the table can't be done; None: it is gone."""


class InstrumentPublished(DomainError):
    """A published version never changes."""

    code = "instrument-published"


class InstrumentIncomplete(DomainError):
    """A draft that lacks what a publication needs; `errors` name it."""

    status = 422
    code = "instrument-incomplete"


class OwnInstrument(State):
    """One version of an instrument of one's own; `version` grows with every change of it, `instrument_version` is the
    questionnaire's own number. The document is as domain/documents.py gives it."""

    code: str
    instrument_version: int
    status: InstrumentStatus
    document: dict[str, Any]

    @classmethod
    def drafted(cls, code: str, instrument_version: int, document: Mapping[str, Any]) -> Self:
        """A new draft."""
        numbered = {**document, "code": code, "version": instrument_version}
        return cls(
            id=f"{code}.v{instrument_version}",
            version=1,
            code=code,
            instrument_version=instrument_version,
            status=InstrumentStatus.DRAFT,
            document=numbered,
        )

    def may(self, act: InstrumentAct) -> None:
        """Raise InstrumentPublished or WrongState where the table has no such line."""
        if (self.status, act) not in TRANSITIONS:
            if act in (InstrumentAct.EDIT, InstrumentAct.DISCARD):
                state = f"instrument-{self.status}"
                raise InstrumentPublished(code=self.code, version=self.instrument_version, state=state)
            possible = ", ".join(each for status, each in TRANSITIONS if status is self.status)
            raise WrongState(state=self.status.value, step=act.value, possible=possible)

    def _after(self, act: InstrumentAct, document: dict[str, Any] | None = None) -> Self:
        self.may(act)
        changed = {
            "status": TRANSITIONS[self.status, act] or self.status,
            "version": self.version + 1,
            "document": self.document if document is None else document,
        }
        return self.model_copy(update=changed)

    def edited(self, document: dict[str, Any]) -> Self:
        """The draft with another document."""
        return self._after(InstrumentAct.EDIT, document)

    def discarded(self) -> Self:
        """The draft on its way out."""
        return self._after(InstrumentAct.DISCARD)

    def published(self, instrument: Instrument) -> Self:
        """The published version; `instrument` is what its document says, complete."""
        return self._after(InstrumentAct.PUBLISH, document_of(instrument))

    def retired(self) -> Self:
        """The version that nobody asks anew."""
        return self._after(InstrumentAct.RETIRE)


def code_for(org_path: str, wanted: str) -> str:
    """The nationally unique code of an instrument of an office or institution: `wanted` behind its owner's prefix.

    M- is the ministry's, R1708- a region's, D1708201- a district's, I and the last eight digits of its id an
    institution's.
    """
    prefix = prefix_of(org_path)
    return wanted if wanted.startswith(prefix) else prefix + wanted


def prefix_of(org_path: str) -> str:
    """What the codes of an owner's instruments begin with."""
    places = org_path.strip("/").split("/")
    match len(places):
        case 1:
            return "M-"
        case 2:
            return f"R{places[1]}-"
        case 3:
            return f"D{places[2]}-"
    return f"I{places[3][-8:]}-"
