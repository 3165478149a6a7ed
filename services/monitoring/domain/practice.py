"""What the work under agreements contributes: activities of each form (I5), placements, outcomes, courses, income."""

from collections.abc import Iterator

from services.monitoring.domain.gates import EVIDENCE
from services.monitoring.domain.measures import (
    COMPLETIONS,
    EXAMINING_ENTERPRISES,
    FORM_ACTIVITIES,
    GRADUATES_CONFIRMED,
    INCOME,
    INCOME_REPORTS,
    OUTCOME_ASKED,
    OUTCOME_AVAILABLE,
    OUTCOME_EMPLOYED,
    OUTCOME_KNOWN,
    PLACED,
    PLACED_BROKEN_OFF,
    PLACED_COMPLETED,
    PLACED_CONFIRMED,
    SESSIONS,
    SESSIONS_WITH_ENTERPRISE,
    SPECIALIST_HOURS,
    SPECIALISTS,
    TEACHERS_TRAINED,
    TRAINEES,
    TRAINEES_ALL,
)
from services.monitoring.domain.parts import Contributions, Part, month_of_ordinal, months_after, summed
from services.monitoring.domain.periods import month_from, month_of
from services.monitoring.domain.readings import (
    Certification,
    ExpertReview,
    GraduateStatus,
    Income,
    Outcome,
    Placement,
    Project,
    Specialist,
    StaffInternship,
    Training,
)
from shared.contracts.practice import (
    CourseStatus,
    EngagementStatus,
    ExpertReviewStatus,
    HeldStatus,
    OutcomeStatus,
    PlacementStatus,
    ProjectStatus,
)
from shared.contracts.vocabulary import Form

NOTHING: Contributions = {}
WORK_DONE = EVIDENCE["work_done"]
AT_WORK = (OutcomeStatus.EMPLOYED, OutcomeStatus.SELF_EMPLOYED)
"""I1: who counts as employed."""
OWN_WORD = 1_000
"""What a graduate's own word weighs against what the institution reported: however often, it never outweighs it."""


def done(form: Form, agreement_id: str | None, month: int) -> Iterator[Part]:
    """An activity of a form (F1, I5), and work done under an agreement (R13), in a month."""
    yield FORM_ACTIVITIES[form], month, None, 1
    if agreement_id is not None:
        yield WORK_DONE, month, agreement_id, 1


def person(institution_id: str, ref: str) -> str:
    """A person as a member of sets: the number is the institution's own, so the institution is part of the name."""
    return f"{institution_id}/{ref}"


def placement(state: Placement) -> Contributions:
    """F2, and an activity of AF1 in the month it starts in."""
    if state.status is PlacementStatus.CANCELLED:
        return NOTHING
    month = month_of(state.starts_on)
    parts = [*done(state.form, state.agreement_id, month), (PLACED, month, None, 1)]
    if state.confirmed_on:
        parts.append((PLACED_CONFIRMED, month, None, 1))
    if state.status is PlacementStatus.COMPLETED:
        parts.append((PLACED_COMPLETED, month, None, 1))
    elif state.status is PlacementStatus.BROKEN_OFF:
        parts.append((PLACED_BROKEN_OFF, month, None, 1))
    return summed(parts)


def specialist(state: Specialist) -> Contributions:
    """F4: a specialist counts, with the hours, in every month taught in."""
    if state.status is EngagementStatus.CANCELLED:
        return NOTHING
    who = person(state.institution_id, state.specialist_ref)
    parts: list[Part] = []
    for each in state.hours:
        if each.hours > 0:
            month = month_from(each.month)
            parts += [(SPECIALISTS, month, who, 1), (SPECIALIST_HOURS, month, None, each.hours)]
            parts += done(state.form, state.agreement_id, month)
    return summed(parts)


def staff_internship(state: StaffInternship) -> Contributions:
    """F5: a teacher counts in the month the internship was completed in."""
    if state.status is CourseStatus.CANCELLED:
        return NOTHING
    parts = [*done(state.form, state.agreement_id, month_of(state.starts_on))]
    if state.status is CourseStatus.COMPLETED and state.completed_on:
        who = person(state.institution_id, state.teacher_ref)
        parts.append((TEACHERS_TRAINED, month_of(state.completed_on), who, 1))
    return summed(parts)


def training(state: Training) -> Contributions:
    """F6: a trainee counts, in all and by kind, in the month the training was completed in."""
    if state.status is CourseStatus.CANCELLED:
        return NOTHING
    parts = [*done(state.form, state.agreement_id, month_of(state.starts_on))]
    if state.status is CourseStatus.COMPLETED and state.completed_on:
        month, who = month_of(state.completed_on), person(state.institution_id, state.trainee_ref)
        parts += [(TRAINEES_ALL, month, who, 1), (TRAINEES[state.training], month, who, 1)]
        parts.append((COMPLETIONS, month, None, 1))
    return summed(parts)


def project(state: Project) -> Contributions:
    """An activity of AF5 in the month it starts in."""
    if state.status is ProjectStatus.CANCELLED:
        return NOTHING
    return summed(done(state.form, state.agreement_id, month_of(state.starts_on)))


def expert_review(state: ExpertReview) -> Contributions:
    """An activity of AF3 in the month of the verdict."""
    if state.status is not ExpertReviewStatus.REVIEWED or state.reviewed_on is None:
        return NOTHING
    return summed(done(state.form, state.agreement_id, month_of(state.reviewed_on)))


def certification(state: Certification) -> Contributions:
    """F7: a session counts whoever examines; with an enterprise's examiner it is an activity of AF7 as well."""
    if state.status is HeldStatus.CANCELLED:
        return NOTHING
    month = month_of(state.held_on)
    parts: list[Part] = [(SESSIONS, month, None, 1)]
    enterprises = {each.enterprise_id for each in state.examiners}
    if enterprises:
        parts.append((SESSIONS_WITH_ENTERPRISE, month, None, 1))
        parts += [(EXAMINING_ENTERPRISES, month, enterprise, 1) for enterprise in enterprises]
        parts += done(Form.AF7, state.agreement_id, month)
    return summed(parts)


def outcome(state: Outcome) -> Contributions:
    """I1: a graduate counts in the month in which the 6 or 12 months were up; other points in time aren't measured.

    Unknown was asked and isn't known; whoever studies on isn't available for work. Military service, parental leave and
    inactivity are known and not further study: the definition keeps them in the denominator.
    """
    if state.withdrawn or state.months not in OUTCOME_ASKED:
        return NOTHING
    month = month_of_ordinal(months_after(state.graduated_on, state.months))
    who = person(state.institution_id, state.graduate_ref)
    found: Contributions = {(OUTCOME_ASKED[state.months], month, who): 1}
    if state.status is not OutcomeStatus.UNKNOWN:
        found[OUTCOME_KNOWN[state.months], month, who] = 1
        if state.status is not OutcomeStatus.FURTHER_STUDY:
            found[OUTCOME_AVAILABLE[state.months], month, who] = 1
    if state.status in AT_WORK:
        found[OUTCOME_EMPLOYED[state.months], month, who] = 1
    return found


def graduate_status(state: GraduateStatus) -> Contributions:
    """I1: where a graduate speaks, the own word stands for what the institution reported of the same point in time.

    Both name the same member of the same sets, so that nobody counts twice; a word that says no outweighs every report
    that says yes, in each place and period. F3: a word that names the employer of a reported employment confirms it, in
    the month it began.
    """
    if state.withdrawn or not state.graduate_ref or state.graduated_on is None:
        return NOTHING
    if state.status is None or state.status is OutcomeStatus.UNKNOWN:
        return NOTHING
    who = person(state.institution_id, state.graduate_ref)
    found: Contributions = {}
    works = state.status in AT_WORK
    if works and state.employed_since:
        found[GRADUATES_CONFIRMED, month_of(state.employed_since), who] = 1
    if state.months in OUTCOME_ASKED:
        month = month_of_ordinal(months_after(state.graduated_on, state.months))
        found[OUTCOME_ASKED[state.months], month, who] = 1
        for measure, holds in (
            (OUTCOME_KNOWN, True),
            (OUTCOME_AVAILABLE, state.status is not OutcomeStatus.FURTHER_STUDY),
            (OUTCOME_EMPLOYED, works),
        ):
            found[measure[state.months], month, who] = OWN_WORD if holds else -OWN_WORD
    return found


def income(state: Income) -> Contributions:
    """I3: a month's income and that it was reported; nothing earned is a report, too."""
    if state.withdrawn:
        return NOTHING
    month = month_from(state.month)
    return summed(
        [
            (INCOME, month, None, state.total_tiyin),
            (INCOME_REPORTS, month, None, 1),
            (EVIDENCE["income"], month, None, state.total_tiyin),
            (EVIDENCE["income_reported"], month, None, 1),
        ]
    )
