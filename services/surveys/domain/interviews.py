"""Interviews: the same questionnaire, filled in by an interviewer who asks, also where there is no network."""

from datetime import date
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import DomainError, FieldError, InvalidInput

MOST_INTERVIEWS: Final = 200
Value = Annotated[str, Field(max_length=5000)]


class InterviewsOver(DomainError):
    """The campaign has ended, and the days in which interviews made before could still be sent in are over too."""

    code = "interviews-over"


class EnterInterview(BaseModel):
    """Answers as the form sends them: question's field → value, or values where several may be ticked.

    `client_id` is made on the device when the interview begins (a UUID): however often it is sent, it counts once.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "client_id": "0b9f6a52-5f0e-4c3a-9b58-1f1f0f6f3f11",
                "held_on": "2026-10-05",
                "answers": {"satisfied": "4", "helped": ["mentor", "tools"]},
            }
        },
    )

    client_id: Annotated[str, Field(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
    held_on: date
    answers: Annotated[dict[Annotated[str, Field(max_length=120)], Value | list[Value]], Field(max_length=500)]


def check_day(held_on: date, first: date, last: date, today: date) -> None:
    """Raise InvalidInput unless the interview was held in the campaign's period and not in the future."""
    if held_on > today:
        raise InvalidInput(FieldError("held_on", "in_future", {"value": held_on.isoformat()}))
    if not first <= held_on <= last:
        raise InvalidInput(FieldError("held_on", "outside-period", {"from": first.isoformat(), "to": last.isoformat()}))
