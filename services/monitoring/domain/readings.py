"""What monitoring reads of the events: structs that declare the needed fields only, decoded without a detour.

A test holds every field against the contract's model; a field the contract doesn't have can't be read.
"""

from collections.abc import Callable
from datetime import date
from typing import Annotated, ClassVar

import msgspec

from services.monitoring.domain.periods import first_month_of_year
from shared.contracts.agreements import ActivityStatus, AgreementStatus, EmploymentStatus
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event, State
from shared.contracts.partners import InstitutionStatus
from shared.contracts.vocabulary import Form, PartyCategory, RespondentGroup, TerritoryLevel

Code = Annotated[str, msgspec.Meta(pattern=r"^[\w.:-]{1,64}\Z")]
"""A code or an id that becomes a key; anything else would stop the batch it comes in."""
Path = Annotated[str, msgspec.Meta(pattern=r"^/([\w.:-]{1,64}/)+\Z")]
Count = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Index = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class Unreadable(ValueError):
    """The event's data doesn't obey its contract, or its type is unknown."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What is read of any aggregate."""

    kind: ClassVar[int] = 0

    id: Code
    version: Count


class Plain(Reading, frozen=True, gc=False):
    """An aggregate that is kept in the log and measured by nothing yet."""


class Owned(Reading, frozen=True, gc=False):
    """An aggregate of one institution; it never changes institution."""

    institution_id: Code


class Territory(Reading, frozen=True, gc=False):
    """A unit of the territory."""

    level: TerritoryLevel
    parent: Code | None
    path: Path
    names: dict[str, str]


class Membership(msgspec.Struct, frozen=True, gc=False):
    """From `since` on the institution belongs to `district`."""

    district: Code
    since: date


class Institution(Reading, frozen=True, gc=False):
    """An institution: its place in the territory over time, and from when to when it works."""

    kind: ClassVar[int] = 1

    name: str
    status: InstitutionStatus
    path: Path
    membership: list[Membership]
    opened_on: date | None = None
    closed_on: date | None = None


class Enrolment(Owned, frozen=True, gc=False):
    """An institution's figures of one academic year."""

    kind: ClassVar[int] = 2

    academic_year: str
    places: Count | None = None
    first_choice: Count | None = None

    def __post_init__(self) -> None:
        first_month_of_year(self.academic_year)


class Party(msgspec.Struct, frozen=True, gc=False):
    """A signatory."""

    category: PartyCategory
    ref: str


class ActivePeriod(msgspec.Struct, frozen=True, gc=False):
    """Active from `since` up to, not including, `until`."""

    since: date
    until: date | None = None


class Term(msgspec.Struct, frozen=True, gc=False):
    """A term of an internship schedule."""

    starts_on: date
    seats: Count
    filled: Count = 0
    completed: Count = 0


class Agreement(Owned, frozen=True, gc=False):
    """An agreement."""

    kind: ClassVar[int] = 3

    form: Form
    status: AgreementStatus
    parties: list[Party]
    signed_on: date | None = None
    ended_on: date | None = None
    active_periods: list[ActivePeriod] = []
    schedule: list[Term] = []
    schedule_complete: bool = False


class Activity(Owned, frozen=True, gc=False):
    """Something done under an agreement."""

    kind: ClassVar[int] = 4

    form: Form
    status: ActivityStatus
    held_on: date


class Employment(Owned, frozen=True, gc=False):
    """A graduate's employment."""

    kind: ClassVar[int] = 5

    graduate_ref: str
    status: EmploymentStatus
    started_on: date
    confirmed_on: date | None = None


class Response(Owned, frozen=True, gc=False):
    """One answer to a questionnaire."""

    kind: ClassVar[int] = 6

    group: RespondentGroup
    month: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
    index_thousandths: Index | None


VARIETY = 7
"""The kind of the derived aggregate that says which forms of cooperation are alive in an institution (I5)."""

READINGS: dict[tuple[str, str], type[Reading]] = {
    ("partners", "territory"): Territory,
    ("partners", "institution"): Institution,
    ("partners", "enrolment"): Enrolment,
    ("partners", "enterprise"): Plain,
    ("partners", "partnership"): Plain,
    ("agreements", "agreement"): Agreement,
    ("agreements", "activity"): Activity,
    ("agreements", "employment"): Employment,
    ("surveys", "response"): Response,
}
"""What is read of each (service, aggregate)."""

KIND_NAMES: dict[int, str] = {
    **{reading.kind: aggregate for (_, aggregate), reading in READINGS.items() if reading.kind},
    VARIETY: "variety",
}
SOURCE_OF_KIND: dict[int, str] = {reading.kind: service for (service, _), reading in READINGS.items() if reading.kind}


def _decoder(model: type[State], service: str, aggregate: str) -> Callable[[bytes], Reading]:
    reading = READINGS.get((service, aggregate))
    if reading is None:  # a contract that monitoring doesn't measure yet
        assert issubclass(model, State)
        reading = Plain
    return msgspec.json.Decoder(reading).decode


_DECODERS: dict[str, Callable[[bytes], Reading]] = {
    name: _decoder(each.model, each.service, each.aggregate) for name, each in REGISTRY.items()
}


def _is_uuid(text: str) -> bool:
    """Whether PostgreSQL gives the text back as it is: ids are compared as text."""
    if len(text) != 36 or text != text.lower():
        return False
    try:
        return len(bytes.fromhex(text.replace("-", ""))) == 16 and text[8] + text[13] + text[18] + text[23] == "----"
    except ValueError:
        return False


def decode(event: Event) -> Reading:
    """What is read of the event; raises Unreadable with the field and the rule it breaks."""
    decoder = _DECODERS.get(event.type)
    if decoder is None:
        raise Unreadable(f"unknown event type {event.type}")
    if not _is_uuid(event.id) or "\0" in event.subject:
        raise Unreadable("the log keeps the event's id as a UUID and its subject as text without NUL")
    try:
        reading = decoder(event.data)
        if reading.kind and not _is_uuid(reading.id):
            raise Unreadable(f"{event.type}: id is not a UUID in lower case with hyphens")
        return reading
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(f"{event.type}: {error}") from error
