"""Internship schedules (AF1): terms with profession and seats; complete when there is one and every term is whole."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, TypeVar

from pydantic import Field

from services.agreements.domain.inputs import Command, Count, Day
from services.agreements.domain.lifecycle import Outcome, Step, require, take
from shared.contracts.agreements import AgreementState, AgreementStatus, InternshipTerm
from shared.contracts.codes import isco_unit_groups
from shared.contracts.fields import IscoUnitGroup, Ref
from shared.contracts.vocabulary import Form
from shared.errors import DomainError, FieldError, InvalidInput

Schedule = tuple[InternshipTerm, ...]


class SomebodySigned(DomainError):
    """What a party has signed stays as it was signed; amendments are for agreements that everybody has signed."""

    code = "somebody-signed"


class ScheduleAgreed(DomainError):
    """The plan of a schedule that stands in a signed agreement is changed by an amendment, with every party's word."""

    code = "schedule-agreed"


class TermInput(Command):
    """One term: when, for which profession (ISCO-08 unit group), how many seats – and what became of them."""

    term: Ref
    starts_on: Day
    ends_on: Day
    profession: IscoUnitGroup
    seats: Annotated[int, Field(ge=1, le=100_000)]
    filled: Count = 0
    completed: Count = 0


Terms = Annotated[tuple[TermInput, ...], Field(max_length=60)]
T = TypeVar("T", TermInput, InternshipTerm)


class SetSchedule(Command):
    """The whole schedule of an internship agreement."""

    terms: Terms


class ReportTerm(Command):
    """How many seats of a term were filled and how many students completed it."""

    filled: Count
    completed: Count = 0


def set_schedule(state: AgreementState, command: SetSchedule) -> Outcome:
    """The new schedule; where only results differ, this is a report, possible after the agreement's end too.

    Parties may agree first and plan terms later: an agreement signed without a schedule takes its first one.

    Raises InvalidInput with every fault of every term, SomebodySigned for another plan under a draft's first
    signatures, ScheduleAgreed for another plan than the one a signed agreement has, WrongState.
    """
    schedule = planned(command.terms, state.form, state.valid_from, state.valid_until, "terms")
    same_plan = _plan(schedule) == _plan(state.schedule)
    if state.status is AgreementStatus.DRAFT:
        if not same_plan and any(party.signature is not None for party in state.parties):
            raise SomebodySigned
        return take(state, Step.SCHEDULE, **schedule_fields(schedule, state))
    if same_plan:
        return take(state, Step.REPORT, **schedule_fields(schedule, state))
    require(state, Step.SCHEDULE)
    if state.schedule:
        raise ScheduleAgreed
    return take(state, Step.SCHEDULE, **schedule_fields(schedule, state))


def counted(terms: Sequence[TermInput], placed: Mapping[str, ReportTerm], field: str) -> Sequence[TermInput]:
    """The terms with the numbers that follow from placements; raises InvalidInput where a term with any is gone."""
    gone = sorted(placed.keys() - {each.term for each in terms})
    if gone:
        raise InvalidInput(*(FieldError(field, "term_has_placements", {"value": term}) for term in gone))
    return tuple(
        each.model_copy(update=placed[each.term].model_dump()) if each.term in placed else each for each in terms
    )


def with_results(terms: Sequence[T], reported: Schedule) -> tuple[T, ...]:
    """The terms, each with what was reported of the one of its name: another plan undoes no results."""
    results = {each.term: {"filled": each.filled, "completed": each.completed} for each in reported}
    return tuple(each.model_copy(update=results.get(each.term, {})) for each in terms)


def report_term(state: AgreementState, term: str, command: ReportTerm) -> Outcome:
    """Seats filled and completed in one term; raises InvalidInput for an unknown term or impossible numbers."""
    index = next((index for index, each in enumerate(state.schedule) if each.term == term), None)
    if index is None:
        raise InvalidInput(FieldError("term", "unknown_term", {"value": term[:64]}))
    changed = state.schedule[index].model_copy(update=command.model_dump())
    if faults := list(_result_faults("", changed)):
        raise InvalidInput(*faults)
    schedule = (*state.schedule[:index], changed, *state.schedule[index + 1 :])
    return take(state, Step.REPORT, **schedule_fields(schedule, state))


def schedule_fields(schedule: Schedule, state: AgreementState) -> dict[str, object]:
    """The fields of the state that follow from its schedule."""
    return {"schedule": schedule, "schedule_complete": is_complete(schedule, state.valid_from, state.valid_until)}


def is_complete(schedule: Schedule, valid_from: date, valid_until: date) -> bool:
    """F2: at least one term, and every term whole – inside the validity, with a profession and seats."""
    return bool(schedule) and all(
        valid_from <= term.starts_on <= term.ends_on <= valid_until
        and term.seats > 0
        and term.profession in isco_unit_groups()
        for term in schedule
    )


def planned(terms: Sequence[TermInput], form: Form, valid_from: date, valid_until: date, field: str) -> Schedule:
    """The schedule of these terms; raises InvalidInput with every fault, its path beginning with `field`."""
    if form is not Form.AF1:
        raise InvalidInput(FieldError(field, "schedule_only_internship", {"value": form.value}))
    schedule = tuple(InternshipTerm.model_validate(term.model_dump()) for term in terms)
    seen: set[str] = set()
    faults: list[FieldError] = []
    for index, term in enumerate(schedule):
        path = f"{field}.{index}."
        if term.term in seen:
            faults.append(FieldError(path + "term", "duplicate", {"value": term.term}))
        seen.add(term.term)
        faults += [*day_faults(path, term, valid_from, valid_until), *_result_faults(path, term)]
    if faults:
        raise InvalidInput(*faults)
    return schedule


def day_faults(path: str, term: InternshipTerm, valid_from: date, valid_until: date) -> Iterator[FieldError]:
    """Days of the term that are out of order or outside the agreement's validity."""
    if term.ends_on < term.starts_on:
        yield FieldError(path + "ends_on", "earlier_than", {"limit": term.starts_on.isoformat()})
    for name, day in (("starts_on", term.starts_on), ("ends_on", term.ends_on)):
        if not valid_from <= day <= valid_until:
            limits: dict[str, str | int | float] = {"since": valid_from.isoformat(), "until": valid_until.isoformat()}
            yield FieldError(path + name, "outside_validity", limits)


def _result_faults(path: str, term: InternshipTerm) -> Iterator[FieldError]:
    if term.filled > term.seats:
        yield FieldError(path + "filled", "more_than_seats", {"limit": term.seats})
    if term.completed > term.filled:
        yield FieldError(path + "completed", "more_than_filled", {"limit": term.filled})


def _plan(schedule: Schedule) -> list[InternshipTerm]:
    return [term.model_copy(update={"filled": 0, "completed": 0}) for term in schedule]
