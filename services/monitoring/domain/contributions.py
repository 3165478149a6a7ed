"""What an aggregate's state contributes: a pure function per kind of aggregate.

A contribution says: this amount, in this month, to this measure – and, where distinct members are counted, which
member. Evidence (gates.py) is contributed in the same way, dated at days; derived aggregates are functions of it.
"""

from collections.abc import Callable
from typing import Any

from services.monitoring.domain import organisation, practice, reporting
from services.monitoring.domain.gates import EVIDENCE
from services.monitoring.domain.measures import (
    CATEGORY_ACTIVE,
    CATEGORY_ENDED,
    CATEGORY_SIGNED,
    EMPLOYERS,
    ENROLMENT_REPORTS,
    ENTERPRISES,
    FIRST_CHOICE,
    FORM_ACTIVE,
    FORM_ACTIVITIES,
    FORM_ENDED,
    FORM_SIGNED,
    GRADUATES_BY_GROUP,
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
    TEACHER_REPORTS,
    TEACHERS,
)
from services.monitoring.domain.parts import Contributions, Part, first_day, holds, summed
from services.monitoring.domain.periods import first_month_of_year, month_from, month_of
from services.monitoring.domain.readings import (
    Activity,
    Agreement,
    Board,
    Certification,
    Employment,
    Enrolment,
    ExpertReview,
    GraduateStatus,
    Income,
    Institution,
    Instruction,
    MarketAssessment,
    MarketReview,
    NextAction,
    Orientation,
    Outcome,
    Partnership,
    Placement,
    Project,
    Reading,
    Response,
    Sample,
    SectorReview,
    Specialist,
    StaffInternship,
    Submission,
    Training,
    Visit,
    WorkPlan,
)
from shared.contracts.agreements import ActivityStatus, AgreementStatus, EmploymentStatus
from shared.contracts.vocabulary import Form, PartyCategory, RespondentGroup

_UNSIGNED = (AgreementStatus.DRAFT, AgreementStatus.CANCELLED)


def contributions(state: Reading) -> Contributions:
    """What the state contributes; empty for aggregates that nothing measures."""
    rule = _RULES.get(type(state))
    return _NOTHING if rule is None else rule(state)


def _agreement(state: Agreement) -> Contributions:
    """F1, F2. A draft isn't there yet, a cancelled agreement never was."""
    if state.status in _UNSIGNED:
        return _NOTHING
    form = state.form
    categories = {party.category for party in state.parties if party.category in CATEGORY_ACTIVE}
    parts: list[Part] = []
    if state.signed_on:
        month = month_of(state.signed_on)
        parts.append((FORM_SIGNED[form], month, None, 1))
        parts += [(CATEGORY_SIGNED[category], month, None, 1) for category in categories]
    if state.ended_on:
        month = month_of(state.ended_on)
        parts.append((FORM_ENDED[form], month, None, 1))
        parts += [(CATEGORY_ENDED[category], month, None, 1) for category in categories]
    parts += _active(state, categories)
    if form is Form.AF1:
        for term in state.schedule:
            month = month_of(term.starts_on)
            # What was to begin after an early end is planned no more.
            if state.ended_on is None or term.starts_on < state.ended_on:
                parts.append((SEATS_PLANNED, month, None, term.seats))
            parts.append((SEATS_FILLED, month, None, term.filled))
            parts.append((SEATS_COMPLETED, month, None, term.completed))
    parts += _partners(state, categories)
    return summed(parts)


def _active(state: Agreement, categories: set[PartyCategory]) -> list[Part]:
    """F1, R7, R13: from when to when the agreement is active."""
    parts: list[Part] = []
    form = state.form
    stocks = [FORM_ACTIVE[form], *(CATEGORY_ACTIVE[category] for category in categories)]
    if form is Form.AF1 and state.schedule_complete:
        stocks.append(SCHEDULE_COMPLETE)
    enterprises = {party.ref for party in state.parties if party.category is PartyCategory.ENTERPRISE}
    for period in state.active_periods:
        parts += holds("agreement", period.since, period.until)
        for category in categories:
            parts += holds(f"cooperation.{category}", period.since, period.until)
        changes = [(month_of(period.since), 1)]
        if period.until:
            # Active at the end of a month means on its last day: an `until` on any day of a month takes it out.
            changes.append((month_of(period.until), -1))
        for month, amount in changes:
            parts += [(measure, month, None, amount) for measure in stocks]
            parts += [(ENTERPRISES, month, enterprise, amount) for enterprise in enterprises]
    return parts


def _partners(state: Agreement, categories: set[PartyCategory]) -> list[Part]:
    """R13, conversion of visits: whom the agreement is with, for the joins with work done and visits held."""
    parts: list[Part] = [(EVIDENCE[f"works_for.{category}"], 0, state.id, 1) for category in categories]
    if state.signed_on:
        day = state.signed_on.toordinal()
        partners = {
            organisation.partner_key(party.category, party.ref)
            for party in state.parties
            if party.category in categories
        }
        parts += [(EVIDENCE["signed_with"], day, partner, 1) for partner in partners]
    return parts


def _activity(state: Activity) -> Contributions:
    """F1, I5."""
    if state.status is ActivityStatus.CANCELLED:
        return _NOTHING
    month = month_of(state.held_on)
    return {(FORM_ACTIVITIES[state.form], month, None): 1, (practice.WORK_DONE, month, state.agreement_id): 1}


def _employment(state: Employment) -> Contributions:
    """F3: a graduate counts in the month the employment started, whatever became of it, unless it was cancelled."""
    if state.status is EmploymentStatus.CANCELLED:
        return _NOTHING
    month = month_of(state.started_on)
    member = practice.person(state.institution_id, state.graduate_ref)
    found: Contributions = {(GRADUATES_EMPLOYED, month, member): 1, (EMPLOYERS, month, state.enterprise_id): 1}
    group = GRADUATES_BY_GROUP.get(state.profession[:1])
    if group is not None:
        found[group, month, member] = 1
    if state.status is EmploymentStatus.CONFIRMED or state.confirmed_on:
        found[GRADUATES_CONFIRMED, month, member] = 1
    return found


def _enrolment(state: Enrolment) -> Contributions:
    """I2, F5, R8: a figure counts when it is there – first choices and places together; null is not zero."""
    month = first_month_of_year(state.academic_year)
    parts: list[Part] = []
    if state.places is not None and state.first_choice is not None:
        parts += [
            (FIRST_CHOICE, month, None, state.first_choice),
            (PLACES, month, None, state.places),
            (ENROLMENT_REPORTS, month, None, 1),
            *holds("enrolment_report", first_day(month), first_day(month + 12)),
        ]
    if state.teachers is not None:
        parts += [(TEACHERS, month, None, state.teachers), (TEACHER_REPORTS, month, None, 1)]
    return summed(parts)


def _institution(state: Institution) -> Contributions:
    """The number of institutions at work, from the opening (else the first membership) to the closing; R4."""
    opened = state.opened_on or min((membership.since for membership in state.membership), default=None)
    if opened is None:
        return _NOTHING
    parts: list[Part] = [(INSTITUTIONS, month_of(opened), None, 1)]
    if state.closed_on:
        parts.append((INSTITUTIONS, month_of(state.closed_on), None, -1))
    parts += holds("at_work", opened, state.closed_on)
    if state.programmes:
        parts += holds("programme", opened, state.closed_on)
    return summed(parts)


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
    if state.group in _EMPLOYERS_GROUPS:
        for code, day, _, amount in holds(
            "employers_answers", first_day(month), organisation.end_of_academic_year(month)
        ):
            counted[code, day, None] = amount
    return counted


_EMPLOYERS_GROUPS = (RespondentGroup.S1, RespondentGroup.S2)
_NOTHING: Contributions = {}
_RULES: dict[type[Reading], Callable[[Any], Contributions]] = {
    Agreement: _agreement,
    Activity: _activity,
    Employment: _employment,
    Enrolment: _enrolment,
    Institution: _institution,
    Response: _response,
    Placement: practice.placement,
    Specialist: practice.specialist,
    StaffInternship: practice.staff_internship,
    Training: practice.training,
    Project: practice.project,
    ExpertReview: practice.expert_review,
    Certification: practice.certification,
    Outcome: practice.outcome,
    GraduateStatus: practice.graduate_status,
    Income: practice.income,
    Orientation: organisation.orientation,
    Partnership: organisation.partnership,
    MarketReview: organisation.market_review,
    SectorReview: organisation.sector_review,
    MarketAssessment: organisation.market_assessment,
    Visit: organisation.visit,
    NextAction: organisation.next_action,
    Instruction: organisation.instruction,
    WorkPlan: organisation.work_plan,
    Sample: organisation.sample,
    Board: organisation.board,
    Submission: reporting.submission,
}
"""The rule of every kind of aggregate that is measured."""
