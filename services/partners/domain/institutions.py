"""Institutions: registration, programmes, dated membership in the territory, closing, merging, enrolment figures."""

import uuid
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.events import EventType
from shared.contracts.fields import AcademicYear, DistrictCode, Id, IscoUnitGroup, IsicSection, Name, Ref
from shared.contracts.partners import (
    ENROLMENT_CORRECTED,
    ENROLMENT_REPORTED,
    INSTITUTION_CLOSED,
    INSTITUTION_MERGED,
    INSTITUTION_MOVED,
    INSTITUTION_REGISTERED,
    INSTITUTION_REOPENED,
    INSTITUTION_UPDATED,
    EnrolmentState,
    InstitutionState,
    InstitutionStatus,
    Membership,
    Programme,
)
from shared.contracts.vocabulary import InstitutionKind
from shared.errors import FieldError, InvalidInput, WrongState
from shared.scope import path_of

Outcome = tuple[EventType, InstitutionState]
ENROLMENTS = uuid.UUID("5b0f6a52-3f0c-5a4e-9c80-4d6f2c1e7a10")


class Command(BaseModel):
    """What somebody wants done: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class RegisterInstitution(Command):
    """Enter an institution into the register under its national code."""

    code: Ref
    name: Name
    kind: InstitutionKind
    district: DistrictCode
    sector: IsicSection | None = None
    opened_on: date


class UpdateInstitution(Command):
    """Change name, kind or sector; what is left out stays."""

    name: Name | None = None
    kind: InstitutionKind | None = None
    sector: IsicSection | None = None


class MoveInstitution(Command):
    """From `since` on the institution belongs to another district."""

    district: DistrictCode
    since: date


class CloseInstitution(Command):
    """The institution ends its work."""

    closed_on: date


class MergeInstitution(Command):
    """From `merged_on` on another institution does its work."""

    successor_id: Id = Field(description="id of the institution that goes on")
    merged_on: date


class ProgrammeInput(Command):
    """One educational programme: ISCED 2011 level, ISCED-F 2013 field (2–4 digits), ISCO-08 unit groups."""

    code: Ref
    title: Name
    isced_level: Annotated[int, Field(ge=0, le=8)]
    isced_field: Annotated[str, Field(pattern=r"^[0-9]{2,4}$")]
    occupations: Annotated[tuple[IscoUnitGroup, ...], Field(min_length=1, max_length=20)]


class SetProgrammes(Command):
    """The whole list of the institution's programmes (R4)."""

    programmes: Annotated[tuple[ProgrammeInput, ...], Field(max_length=200)]


Count = Annotated[int, Field(ge=0, le=1_000_000)]


class ReportEnrolment(Command):
    """Figures of one academic year; what is not known is left out, not set to zero."""

    places: Count | None = None
    first_choice: Count | None = None
    graduates: Count | None = None
    teachers: Count | None = None

    @model_validator(mode="after")
    def _something(self) -> "ReportEnrolment":
        if all(value is None for value in (self.places, self.first_choice, self.graduates, self.teachers)):
            raise ValueError("nothing_reported")
        return self


class ReportFigures(ReportEnrolment):
    """The same as a row of its own, as lists of many institutions and years have it."""

    institution_id: Id
    academic_year: AcademicYear


def register(id_: str, command: RegisterInstitution, today: date) -> Outcome:
    """A new institution in its district; raises InvalidInput for an opening in the future."""
    _not_after(today, "opened_on", command.opened_on)
    return INSTITUTION_REGISTERED, InstitutionState(
        id=id_,
        version=1,
        code=command.code,
        kind=command.kind,
        name=command.name,
        status=InstitutionStatus.ACTIVE,
        path=f"{path_of(command.district)}{id_}/",
        membership=(Membership(district=command.district, since=command.opened_on),),
        sector=command.sector,
        opened_on=command.opened_on,
    )


def update(state: InstitutionState, command: UpdateInstitution) -> Outcome:
    """The changed fields."""
    _open(state)
    changes = command.model_dump(exclude_none=True)
    return INSTITUTION_UPDATED, state.model_copy(update={**changes, "version": state.version + 1})


def set_programmes(state: InstitutionState, command: SetProgrammes) -> Outcome:
    """The new list of programmes; raises InvalidInput for a code that stands twice."""
    _open(state)
    seen: set[str] = set()
    for index, programme in enumerate(command.programmes):
        if programme.code in seen:
            raise InvalidInput(FieldError(f"programmes.{index}.code", "duplicate", {"value": programme.code}))
        seen.add(programme.code)
    programmes = tuple(Programme.model_validate(programme.model_dump()) for programme in command.programmes)
    return INSTITUTION_UPDATED, state.model_copy(update={"programmes": programmes, "version": state.version + 1})


def move(state: InstitutionState, command: MoveInstitution, today: date) -> Outcome:
    """Dated membership: history stays with the old district. Raises InvalidInput for a date out of order."""
    _open(state)
    if command.district == state.membership[-1].district:
        raise InvalidInput(FieldError("district", "same_district", {"value": command.district}))
    _after_membership(state, "since", command.since)
    _not_after(today, "since", command.since)
    membership = (*state.membership, Membership(district=command.district, since=command.since))
    return INSTITUTION_MOVED, _next(state, membership, path_of(command.district))


def close(state: InstitutionState, command: CloseInstitution, today: date) -> Outcome:
    """A closed institution keeps its history."""
    _open(state)
    _not_after(today, "closed_on", command.closed_on)
    if command.closed_on < state.membership[0].since:
        raise InvalidInput(FieldError("closed_on", "not_after", {"limit": state.membership[0].since.isoformat()}))
    return INSTITUTION_CLOSED, _next(state, status=InstitutionStatus.CLOSED, closed_on=command.closed_on)


def merge(state: InstitutionState, successor: InstitutionState, command: MergeInstitution, today: date) -> Outcome:
    """The institution ends and lies below its successor from that day on; its history stays where it was.

    Raises WrongState unless both are at work, InvalidInput for a merge into itself and for a date out of order.
    """
    _open(state)
    _open(successor)
    if state.id == successor.id:
        raise InvalidInput(FieldError("successor_id", "same_institution", {"value": successor.id}))
    _after_membership(state, "merged_on", command.merged_on)
    _not_after(today, "merged_on", command.merged_on)
    return INSTITUTION_MERGED, _next(
        state,
        _joined(state.membership, successor, command.merged_on),
        successor.path,
        status=InstitutionStatus.CLOSED,
        closed_on=command.merged_on,
        successor_id=successor.id,
    )


def follow(state: InstitutionState, successor: InstitutionState) -> Outcome | None:
    """A merged institution goes where its successor has gone; None where it lies there already."""
    assert state.closed_on is not None
    moved = _next(state, _joined(state.membership, successor, state.closed_on), successor.path)
    known = moved.membership == state.membership and moved.path == state.path
    return None if known else (INSTITUTION_MOVED, moved)


def reopen(state: InstitutionState) -> Outcome:
    """It was closed or merged by mistake: it is at work again, in the district of before. Raises WrongState."""
    if state.status is not InstitutionStatus.CLOSED:
        raise WrongState(state=state.status.value)
    own = state.membership
    if state.successor_id is not None and state.closed_on is not None:
        own = tuple(each for each in own if each.since < state.closed_on)
    return INSTITUTION_REOPENED, _next(
        state, own, path_of(own[-1].district), status=InstitutionStatus.ACTIVE, closed_on=None, successor_id=None
    )


def _joined(own: tuple[Membership, ...], successor: InstitutionState, day: date) -> tuple[Membership, ...]:
    """An institution's own membership up to the day of its merge, its successor's from then on."""
    before = [each for each in own if each.since < day]
    joined = max(
        (each for each in successor.membership if each.since <= day), key=lambda each: each.since, default=None
    )
    since = [Membership(district=joined.district, since=day)] if joined else []
    found = list(before)
    for each in [*since, *(later for later in successor.membership if later.since > day)]:
        if each.district != found[-1].district:
            found.append(each)
    return tuple(found)


def enrolment_id(institution_id: str, academic_year: str) -> str:
    """The natural identity of a report: one per institution and academic year (UUIDv5)."""
    return str(uuid.uuid5(ENROLMENTS, f"{institution_id}/{academic_year}"))


def report_enrolment(
    institution: InstitutionState, state: EnrolmentState | None, year: AcademicYear, command: ReportEnrolment
) -> tuple[EventType, EnrolmentState]:
    """The year's figures: the first time a report, afterwards a correction; the whole report is replaced."""
    _open(institution)
    return ENROLMENT_CORRECTED if state else ENROLMENT_REPORTED, EnrolmentState(
        id=enrolment_id(institution.id, year),
        version=state.version + 1 if state else 1,
        institution_id=institution.id,
        academic_year=year,
        **command.model_dump(),
    )


def _next(
    state: InstitutionState, membership: tuple[Membership, ...] = (), below: str = "", **changes: object
) -> InstitutionState:
    """The next version; `membership` and `below`, the path under which it lies, stay where they are left out."""
    if membership:
        changes |= {"membership": membership, "path": f"{below}{state.id}/"}
    return state.model_copy(update={**changes, "version": state.version + 1})


def _after_membership(state: InstitutionState, field: str, day: date) -> None:
    last = state.membership[-1].since
    if day <= last:
        raise InvalidInput(FieldError(field, "not_after", {"limit": last.isoformat()}))


def _open(state: InstitutionState) -> None:
    if state.status is not InstitutionStatus.ACTIVE:
        raise WrongState(state=state.status.value)


def _not_after(today: date, field: str, day: date) -> None:
    if day > today:
        raise InvalidInput(FieldError(field, "in_future", {"value": day.isoformat()}))
