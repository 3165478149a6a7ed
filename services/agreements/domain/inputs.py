"""What commands of this service are made of."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.contracts.vocabulary import Opportunity
from shared.errors import FieldError, InvalidInput

FIRST_DAY = date(1991, 9, 1)
LAST_DAY = date(2100, 12, 31)


class Command(BaseModel):
    """What somebody wants done: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _day(value: date) -> date:
    if not FIRST_DAY <= value <= LAST_DAY:
        raise ValueError("day_out_of_range")
    return value


def _once_in_order(value: tuple[Opportunity, ...]) -> tuple[Opportunity, ...]:
    return tuple(sorted(set(value)))


Day = Annotated[date, AfterValidator(_day)]
Opportunities = Annotated[tuple[Opportunity, ...], Field(min_length=1, max_length=7), AfterValidator(_once_in_order)]
Count = Annotated[int, Field(ge=0, le=100_000)]


def check_day(field: str, day: date, *, first: date, today: date) -> None:
    """Raise InvalidInput unless `day` lies between `first` and today, both included."""
    if day > today:
        raise InvalidInput(FieldError(field, "in_future", {"value": day.isoformat()}))
    if day < first:
        raise InvalidInput(FieldError(field, "earlier_than", {"limit": first.isoformat()}))
