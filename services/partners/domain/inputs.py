"""What commands of several rooms of this service are made of."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from shared.contracts.fields import REGION_PATTERN
from shared.contracts.vocabulary import Form, Opportunity
from shared.errors import FieldError, InvalidInput, WrongState

FIRST_DAY = date(1991, 9, 1)
LAST_DAY = date(2100, 12, 31)
EVIDENCE_DAYS = 365
"""So long a review counts as evidence, unless its command says less."""


def _day(value: date) -> date:
    if not FIRST_DAY <= value <= LAST_DAY:
        raise ValueError("day_out_of_range")
    return value


def _printable(value: str) -> str:
    if any(ord(character) < 32 and character not in "\n\t" for character in value):
        raise ValueError("control_characters")
    return value


Day = Annotated[date, AfterValidator(_day)]
Note = Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True), AfterValidator(_printable)]
"""Free text: a detail, told by no event."""
Grade = Annotated[int, Field(ge=1, le=5)]
Quantity = Annotated[int, Field(ge=1, le=100_000)]
Opportunities = Annotated[tuple[Opportunity, ...], Field(min_length=1, max_length=7)]
Forms = Annotated[tuple[Form, ...], Field(max_length=9)]
RegionCode = Annotated[str, Field(pattern=REGION_PATTERN, description="SOATO code of the region")]


def not_in_future(field: str, day: date, today: date) -> None:
    """Raise InvalidInput naming `field` for a day after today."""
    if day > today:
        raise InvalidInput(FieldError(field, "in_future", {"value": day.isoformat()}))


def not_before(field: str, day: date, limit: date) -> None:
    """Raise InvalidInput naming `field` for a day before `limit`."""
    if day < limit:
        raise InvalidInput(FieldError(field, "earlier_than", {"limit": limit.isoformat()}))


def evidence_until(since: date, until: date | None) -> date:
    """The last day on which evidence of `since` counts: as given, at most a year later.

    Raises InvalidInput for a day before `since` or later than that.
    """
    latest = since + timedelta(days=EVIDENCE_DAYS)
    if until is None:
        return latest
    not_before("valid_until", until, since)
    if until > latest:
        raise InvalidInput(FieldError("valid_until", "evidence_too_long", {"limit": latest.isoformat()}))
    return until


def refuse(state: str, step: str, possible: Iterable[str]) -> WrongState:
    """The refusal of a step, naming what is possible instead."""
    return WrongState(state=state, step=step, possible=", ".join(possible))
