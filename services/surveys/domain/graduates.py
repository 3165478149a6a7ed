"""A graduate's own word on the status after graduation: told with recorded consent, deleted when it is taken back.

It has nothing to do with an opinion answer, and nothing here could be joined with one.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.surveys.domain.answers import Answers
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, Ref, Stir
from shared.contracts.practice import OutcomeMatch, OutcomeStatus
from shared.contracts.surveys import (
    GRADUATE_STATUS_CORRECTED,
    GRADUATE_STATUS_REASSIGNED,
    GRADUATE_STATUS_REPORTED,
    GRADUATE_STATUS_WITHDRAWN,
    GraduateStatusState,
    LevelMatch,
)
from shared.errors import BrokenRule, FieldError, InvalidInput

Outcome = tuple[EventType, GraduateStatusState]
AT_WORK: Final = (OutcomeStatus.EMPLOYED, OutcomeStatus.SELF_EMPLOYED)
CONSENT_VERSION: Final = 1
"""The text of consent in force, `consent.v<version>` of the message catalogue; an older one is given no more."""
EARLY_DAYS: Final = 31
"""So many days before the 6 or 12 months are up a status may be told already."""


class Means(StrEnum):
    """How consent was given."""

    FORM = "form"
    PAPER = "paper"
    SPOKEN = "spoken"


class Consent(BaseModel):
    """That the graduate agreed, to which text, in which language, when and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text_version: int
    lang: Literal["uz", "uz-Cyrl", "ru", "en"]
    means: Means
    given_on: date


class TellStatus(BaseModel):
    """What a graduate says of the own status 6 or 12 months after graduation."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "institution_id": "0199c1e4-7a52-7c3e-9d0b-5f7a1c2b3d4e",
                "graduate_ref": "B-2026-017",
                "graduated_on": "2026-03-30",
                "months": 6,
                "status": "employed",
                "profession": "7212",
                "employer_stir": "302118804",
                "match": "full",
                "consent": {"text_version": 1, "lang": "uz", "means": "paper", "given_on": "2026-10-05"},
            }
        },
    )

    institution_id: Id
    graduate_ref: Ref
    graduated_on: date
    months: Literal[6, 12]
    status: OutcomeStatus
    profession: IscoUnitGroup | None = None
    employer_stir: Stir | None = None
    match: OutcomeMatch | None = None
    first_job_on: date | None = None
    level_match: LevelMatch | None = None
    searching_months: Annotated[int | None, Field(ge=0, le=24)] = None
    consent: Consent

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.status is OutcomeStatus.UNKNOWN:
            raise BrokenRule("status_unknown_told", "status")
        of_work = (self.profession, self.employer_stir, self.match, self.first_job_on, self.level_match)
        if self.status not in AT_WORK and any(each is not None for each in of_work):
            raise ValueError("status-without-work")
        return self


QUESTIONNAIRE: Final = "S4T"
"""The instrument that asks for it; what it offers is named below."""

AGREED: Final = "yes"

_ACTIVITIES: Final[Mapping[str, OutcomeStatus]] = {
    "employed": OutcomeStatus.EMPLOYED,
    "self_employed": OutcomeStatus.SELF_EMPLOYED,
    "studying": OutcomeStatus.FURTHER_STUDY,
    "seeking": OutcomeStatus.UNEMPLOYED,
    "military": OutcomeStatus.MILITARY,
    "care": OutcomeStatus.PARENTAL,
    "other": OutcomeStatus.INACTIVE,
}
_MONTHS: Final[Mapping[str, Literal[6, 12]]] = {"m6": 6, "m12": 12}
_MATCHES: Final = (
    OutcomeMatch.NONE,
    OutcomeMatch.PARTIAL,
    OutcomeMatch.PARTIAL,
    OutcomeMatch.FULL,
    OutcomeMatch.FULL,
)
"""By the ratings 1 to 5 of how far the job matches what was studied."""


def told_in(answers: Answers, institution_id: str, graduate_ref: str, consent: Consent) -> TellStatus:
    """What checked answers to the questionnaire say, of one who agreed."""
    given: Mapping[str, Any] = answers
    rating = given.get("field_match")
    return TellStatus.model_validate(
        {
            "institution_id": institution_id,
            "graduate_ref": graduate_ref,
            "graduated_on": given["graduated_on"],
            "months": _MONTHS[given["months"]],
            "status": _ACTIVITIES[given["activity"]],
            "profession": given.get("occupation"),
            "employer_stir": given.get("employer"),
            "match": _MATCHES[rating - 1] if isinstance(rating, int) else None,
            "first_job_on": given.get("started"),
            "level_match": given.get("level_match"),
            "searching_months": given.get("search_months"),
            "consent": consent,
        }
    )


def check(command: TellStatus, due: date, today: date) -> None:
    """Raise InvalidInput for days that can't be, or consent to a text that is no longer in force."""
    consent = command.consent
    faults = []
    if command.graduated_on > today:
        faults.append(FieldError("graduated_on", "in_future", {"value": command.graduated_on.isoformat()}))
    elif (due - today).days > EARLY_DAYS:
        faults.append(FieldError("months", "status-too-early", {"due": due.isoformat()}))
    if command.first_job_on is not None and command.first_job_on > today:
        faults.append(FieldError("first_job_on", "in_future", {"value": command.first_job_on.isoformat()}))
    if consent.text_version != CONSENT_VERSION:
        faults.append(FieldError("consent.text_version", "consent-outdated", {"version": CONSENT_VERSION}))
    if not command.graduated_on <= consent.given_on <= today:
        faults.append(FieldError("consent.given_on", "consent-day", {"from": command.graduated_on.isoformat()}))
    if faults:
        raise InvalidInput(*faults)


def tell(
    id_: str, before: GraduateStatusState | None, command: TellStatus, employer: str | None, today: date
) -> Outcome:
    """The status as told; told again it is corrected. The link to a reported employment is found apart (`linked`)."""
    state = GraduateStatusState(
        id=before.id if before else id_,
        version=before.version + 1 if before else 1,
        institution_id=command.institution_id,
        graduate_ref=command.graduate_ref,
        graduated_on=command.graduated_on,
        months=command.months,
        status=command.status,
        told_on=today,
        profession=command.profession,
        match=command.match,
        first_job_on=command.first_job_on,
        level_match=command.level_match,
        searching_months=command.searching_months,
        enterprise_id=employer,
    )
    return (GRADUATE_STATUS_CORRECTED if before else GRADUATE_STATUS_REPORTED), state


def linked(state: GraduateStatusState, employment: tuple[str, date] | None) -> GraduateStatusState:
    """The state that confirms this employment (id, first day), or none; the version is the caller's."""
    id_, since = employment or (None, None)
    return state.model_copy(update={"employment_id": id_, "employed_since": since})


def relinked(state: GraduateStatusState, employment: tuple[str, date] | None) -> Outcome | None:
    """What to tell where the institution's report of the employment came, changed or went afterwards."""
    after = linked(state, employment)
    if after == state:
        return None
    return GRADUATE_STATUS_CORRECTED, after.model_copy(update={"version": state.version + 1})


def reassign(state: GraduateStatusState, enterprise_id: str) -> Outcome:
    """The employer was merged into another entry of the register."""
    changes: dict[str, Any] = {"enterprise_id": enterprise_id, "version": state.version + 1}
    return GRADUATE_STATUS_REASSIGNED, state.model_copy(update=changes)


def withdraw(state: GraduateStatusState) -> Outcome:
    """Consent is taken back: what is told from now on names nobody and says nothing."""
    gone = GraduateStatusState(
        id=state.id,
        version=state.version + 1,
        institution_id=state.institution_id,
        graduate_ref=None,
        graduated_on=None,
        months=state.months,
        status=None,
        told_on=None,
        withdrawn=True,
    )
    return GRADUATE_STATUS_WITHDRAWN, gone
