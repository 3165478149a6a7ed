"""What preparation, contacts and the final stage contribute: evidence, visits, problems met, actions, measures."""

from services.monitoring.domain.gates import ANALYSIS_MONTHS, EVIDENCE, MEETING_MONTHS
from services.monitoring.domain.measures import (
    ACTIONS_DONE,
    ACTIONS_DUE,
    ACTIONS_ON_TIME,
    CAUSES,
    MEASURES_DONE,
    MEASURES_DUE,
    MEASURES_ON_TIME,
    VISITS_HELD,
    VISITS_PLANNED,
    VISITS_PUNCTUAL,
)
from services.monitoring.domain.parts import Contributions, Part, first_day, holds, months_after, summed
from services.monitoring.domain.periods import SEPTEMBER, first_month_of_year, month_of
from services.monitoring.domain.readings import (
    Board,
    Instruction,
    MarketAssessment,
    MarketReview,
    NextAction,
    Orientation,
    Partnership,
    Sample,
    SectorReview,
    StageSince,
    Visit,
    WorkPlan,
)
from shared.clock import local_day
from shared.contracts.final_stage import REQUIRED_SAMPLES, MeasureStatus, MeetingStatus, MemberCategory
from shared.contracts.partners import PartnershipStage
from shared.contracts.visits import ActionStatus, VisitStatus


def partner_key(category: str, ref: str) -> str:
    """A partner as one institution knows it: visits and agreements meet under it."""
    return f"{category}:{ref}"


def end_of_academic_year(month: int) -> int:
    """The ordinal of the first day after the academic year that a month lies in."""
    return first_day((month - SEPTEMBER) // 12 * 12 + 12 + SEPTEMBER).toordinal()


def orientation(state: Orientation) -> Contributions:
    """R1: from the decision to its last day, or until it was revoked."""
    until = state.valid_until.toordinal() + 1
    if state.revoked_on:
        until = min(until, state.revoked_on.toordinal())
    return summed(holds("orientation", state.decided_on, until))


def partnership(state: Partnership) -> Contributions:
    """R2, R13: a partner counts as future or existing from the day told until it was something else."""
    stages = state.stages or [StageSince(state.stage, state.since)]
    parts: list[Part] = []
    for number, each in enumerate(stages, start=1):
        until = stages[number].since if number < len(stages) else None
        if each.stage is PartnershipStage.FUTURE:
            parts += holds("partner_future", each.since, until)
        if each.stage is PartnershipStage.EXISTING:
            parts += holds("partner_existing", each.since, until)
            parts += holds(f"partner.{state.category}", each.since, until)
    return summed(parts)


def market_review(state: MarketReview) -> Contributions:
    """R3."""
    until = min(state.valid_until.toordinal() + 1, months_after(state.reviewed_on, ANALYSIS_MONTHS))
    return summed(holds("market_review", state.reviewed_on, until))


def sector_review(state: SectorReview) -> Contributions:
    """R5."""
    until = min(state.valid_until.toordinal() + 1, months_after(state.reviewed_on, ANALYSIS_MONTHS))
    return summed(holds("sector_review", state.reviewed_on, until))


def market_assessment(state: MarketAssessment) -> Contributions:
    """R6, and R8 in the academic year it was made in."""
    until = min(state.valid_until.toordinal() + 1, months_after(state.assessed_on, ANALYSIS_MONTHS))
    year = end_of_academic_year(month_of(state.assessed_on))
    return summed(
        [
            *holds("market_assessment", state.assessed_on, until),
            *holds("labour_market_data", state.assessed_on, year),
        ]
    )


def visit(state: Visit) -> Contributions:
    """Visits planned by the month of the planned start, held by the month they were held in; causes of problems."""
    parts: list[Part] = []
    if state.status is VisitStatus.CANCELLED:
        if state.cancelled_on:
            month = month_of(state.cancelled_on)
            parts += [(CAUSES[cause], month, None, 1) for cause in state.cancelled_for if cause in CAUSES]
        return summed(parts)
    parts.append((VISITS_PLANNED, month_of(local_day(state.planned_start)), None, 1))
    if state.status is VisitStatus.HELD and state.held_on:
        month = month_of(state.held_on)
        parts.append((VISITS_HELD, month, None, 1))
        if state.punctual:
            parts.append((VISITS_PUNCTUAL, month, None, 1))
        partner = state.enterprise_id or state.partner_ref
        if partner:
            key = partner_key(state.category, partner)
            parts.append((EVIDENCE["visited"], state.held_on.toordinal(), key, 1))
        causes = state.protocol.causes if state.protocol else []
        parts += [(CAUSES[cause], month, None, 1) for cause in causes if cause in CAUSES]
    return summed(parts)


def next_action(state: NextAction) -> Contributions:
    """Actions by the month they are due in; done late stays late."""
    if state.status is ActionStatus.CANCELLED:
        return {}
    month = month_of(state.due_on)
    parts: list[Part] = [(ACTIONS_DUE, month, None, 1)]
    if state.done_on:
        parts.append((ACTIONS_DONE, month, None, 1))
        if state.done_on <= state.due_on:
            parts.append((ACTIONS_ON_TIME, month, None, 1))
    return summed(parts)


def instruction(state: Instruction) -> Contributions:
    """R9: while an edition is in force."""
    parts: list[Part] = []
    for edition in state.editions:
        parts += holds("instruction", edition.in_force_from, edition.in_force_until)
    return summed(parts)


def work_plan(state: WorkPlan) -> Contributions:
    """R10: within its academic year, from the adoption on; I4: its measures by the month they are due in."""
    september = first_month_of_year(state.academic_year)
    since = max(state.since, state.adopted_on, first_day(september))
    parts = holds("work_plan", since, min(state.until, first_day(september + 12)))
    for measure in state.measures:
        if measure.status is MeasureStatus.CANCELLED:
            continue
        month = month_of(measure.due_on)
        parts.append((MEASURES_DUE, month, None, 1))
        if measure.done_on:
            parts.append((MEASURES_DONE, month, None, 1))
            if measure.done_on <= measure.due_on:
                parts.append((MEASURES_ON_TIME, month, None, 1))
    return summed(parts)


def sample(state: Sample) -> Contributions:
    """R11, of the kinds it asks for: while an edition is in force."""
    if state.document not in REQUIRED_SAMPLES:
        return {}
    parts: list[Part] = []
    for edition in state.editions:
        parts += holds(f"sample.{state.document}", edition.in_force_from, edition.in_force_until)
    return summed(parts)


def board(state: Board) -> Contributions:
    """R12: members from outside the institution while in term, and quorate meetings for a year after they were held.

    Nothing of a board counts before it was established or after it was dissolved.
    """
    first, last = state.established_on, state.dissolved_on.toordinal() if state.dissolved_on else None

    def within(until: int | None) -> int | None:
        return min(until, last) if until is not None and last is not None else until if last is None else last

    parts: list[Part] = []
    for member in state.members:
        if member.category is not MemberCategory.INSTITUTION:
            until = member.until.toordinal() if member.until else None
            parts += holds("board_member", max(member.since, first), within(until))
    for meeting in state.meetings:
        if meeting.status is MeetingStatus.HELD and meeting.held_on:
            until = months_after(meeting.held_on, MEETING_MONTHS)
            parts += holds("board_meeting", max(meeting.held_on, first), within(until))
    return summed(parts)
