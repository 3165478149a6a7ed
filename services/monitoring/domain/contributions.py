"""What an aggregate's state contributes: a pure function per kind of aggregate.

A contribution says: this amount, in this month, to this measure – and, where distinct members are counted, which
member.
"""

from collections.abc import Callable, Iterable
from typing import Any

from services.monitoring.domain.measures import (
    CATEGORY_ACTIVE,
    CATEGORY_ENDED,
    CATEGORY_SIGNED,
    ENROLMENT_REPORTS,
    ENTERPRISES,
    FIRST_CHOICE,
    FORM_ACTIVE,
    FORM_ACTIVITIES,
    FORM_ENDED,
    FORM_SIGNED,
    GRADUATES_CONFIRMED,
    GRADUATES_EMPLOYED,
    INDEX_COUNT,
    INDEX_SQUARES,
    INDEX_SUM,
    INSTITUTIONS,
    PLACES,
    SCHEDULE_COMPLETE,
    SEATS_COMPLETED,
    SEATS_FILLED,
    SEATS_PLANNED,
)
from services.monitoring.domain.periods import first_month_of_year, month_from, month_of
from services.monitoring.domain.readings import (
    Activity,
    Agreement,
    Employment,
    Enrolment,
    Institution,
    Reading,
    Response,
)
from shared.contracts.agreements import ActivityStatus, AgreementStatus, EmploymentStatus
from shared.contracts.vocabulary import Form, PartyCategory

Key = tuple[int, int, str | None]
"""(measure, month, member)"""
Contributions = dict[Key, int]
"""Amounts by measure, month and member; no amount is zero."""

_UNSIGNED = (AgreementStatus.DRAFT, AgreementStatus.CANCELLED)


def contributions(state: Reading) -> Contributions:
    """What the state contributes; empty for aggregates that nothing measures."""
    rule = _RULES.get(type(state))
    return _NOTHING if rule is None else rule(state)


def difference(new: Contributions, old: Contributions) -> Contributions:
    """What must be added to turn `old` into `new`."""
    if not old:
        return new
    changed = {key: amount - old.get(key, 0) for key, amount in new.items() if old.get(key) != amount}
    for key, amount in old.items():
        if key not in new:
            changed[key] = -amount
    return changed


def summed(parts: Iterable[tuple[int, int, str | None, int]]) -> Contributions:
    """Contributions from (measure, month, member, amount), equal keys added up, zeros left out."""
    total: Contributions = {}
    for measure, month, member, amount in parts:
        key = (measure, month, member)
        total[key] = total.get(key, 0) + amount
    return {key: amount for key, amount in total.items() if amount}


def _agreement(state: Agreement) -> Contributions:
    """F1, F2. A draft isn't there yet, a cancelled agreement never was."""
    if state.status in _UNSIGNED:
        return _NOTHING
    form = state.form
    categories = {party.category for party in state.parties if party.category in CATEGORY_ACTIVE}
    parts: list[tuple[int, int, str | None, int]] = []
    if state.signed_on:
        month = month_of(state.signed_on)
        parts.append((FORM_SIGNED[form], month, None, 1))
        parts += [(CATEGORY_SIGNED[category], month, None, 1) for category in categories]
    if state.ended_on:
        month = month_of(state.ended_on)
        parts.append((FORM_ENDED[form], month, None, 1))
        parts += [(CATEGORY_ENDED[category], month, None, 1) for category in categories]
    if state.active_periods:
        stocks = [FORM_ACTIVE[form], *(CATEGORY_ACTIVE[category] for category in categories)]
        if form is Form.AF1 and state.schedule_complete:
            stocks.append(SCHEDULE_COMPLETE)
        enterprises = {party.ref for party in state.parties if party.category is PartyCategory.ENTERPRISE}
        for period in state.active_periods:
            changes = [(month_of(period.since), 1)]
            if period.until:
                # Active at the end of a month means on its last day: an `until` on any day of a month takes it out.
                changes.append((month_of(period.until), -1))
            for month, amount in changes:
                parts += [(measure, month, None, amount) for measure in stocks]
                parts += [(ENTERPRISES, month, enterprise, amount) for enterprise in enterprises]
    if form is Form.AF1:
        for term in state.schedule:
            month = month_of(term.starts_on)
            parts.append((SEATS_PLANNED, month, None, term.seats))
            parts.append((SEATS_FILLED, month, None, term.filled))
            parts.append((SEATS_COMPLETED, month, None, term.completed))
    return summed(parts)


def _activity(state: Activity) -> Contributions:
    """F1, I5."""
    if state.status is ActivityStatus.CANCELLED:
        return _NOTHING
    return {(FORM_ACTIVITIES[state.form], month_of(state.held_on), None): 1}


def _employment(state: Employment) -> Contributions:
    """F3: a graduate counts in the month the employment started, whatever became of it, unless it was cancelled."""
    if state.status is EmploymentStatus.CANCELLED:
        return _NOTHING
    month = month_of(state.started_on)
    member = graduate(state.institution_id, state.graduate_ref)
    employed = (GRADUATES_EMPLOYED, month, member)
    if state.status is EmploymentStatus.CONFIRMED or state.confirmed_on:
        return {employed: 1, (GRADUATES_CONFIRMED, month, member): 1}
    return {employed: 1}


def graduate(institution_id: str, graduate_ref: str) -> str:
    """A graduate as a member of sets: the number is the institution's own, so the institution is part of the name."""
    return f"{institution_id}/{graduate_ref}"


def _enrolment(state: Enrolment) -> Contributions:
    """I2: a report counts when both figures are there; null is not zero."""
    if state.places is None or state.first_choice is None:
        return _NOTHING
    month = first_month_of_year(state.academic_year)
    found = {
        (FIRST_CHOICE, month, None): state.first_choice,
        (PLACES, month, None): state.places,
        (ENROLMENT_REPORTS, month, None): 1,
    }
    return {key: amount for key, amount in found.items() if amount}


def _institution(state: Institution) -> Contributions:
    """The number of institutions at work: from the opening (else the first membership) to the closing."""
    if state.opened_on:
        opened = month_of(state.opened_on)
    elif state.membership:
        opened = month_of(min(membership.since for membership in state.membership))
    else:
        return _NOTHING
    if not state.closed_on:
        return {(INSTITUTIONS, opened, None): 1}
    return summed([(INSTITUTIONS, opened, None, 1), (INSTITUTIONS, month_of(state.closed_on), None, -1)])


def _response(state: Response) -> Contributions:
    """S1–S5: a response without a scored answer has no index and counts nowhere."""
    index = state.index_thousandths
    if index is None:
        return _NOTHING
    month = month_from(state.month)
    counted: Contributions = {(INDEX_COUNT[state.group], month, None): 1}
    if index:
        counted[INDEX_SUM[state.group], month, None] = index
        counted[INDEX_SQUARES[state.group], month, None] = index * index
    return counted


_NOTHING: Contributions = {}
_RULES: dict[type[Reading], Callable[[Any], Contributions]] = {
    Agreement: _agreement,
    Activity: _activity,
    Employment: _employment,
    Enrolment: _enrolment,
    Institution: _institution,
    Response: _response,
}
"""The rule of every kind of aggregate that is measured."""
