"""Gates, stages and artefacts once more, by brute force: spans of evidence as lists, and every day asked anew."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest
from operator import itemgetter
from typing import TypeVar

from services.monitoring.domain.gates import (
    ANALYSIS_MONTHS,
    ARTEFACT_GATES,
    ARTEFACT_SAMPLES,
    GATES,
    LASTING_MONTHS,
    MEETING_MONTHS,
    REQUIRED_ARTEFACTS,
    STAGES,
    WORK_MONTHS,
    Gate,
    State,
)
from services.monitoring.domain.periods import first_month_of_year, month_from
from shared.contracts.agreements import AgreementState, AgreementStatus
from shared.contracts.final_stage import (
    BoardState,
    InstructionState,
    MeetingStatus,
    MemberCategory,
    SampleState,
    WorkPlanState,
)
from shared.contracts.partners import EnrolmentState, InstitutionState, PartnershipStage, PartnershipState
from shared.contracts.preparation import (
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
)
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import PartnerCategory

Span = tuple[date, date]
"""From a day up to, not including, another."""
FOREVER = date.max
_V = TypeVar("_V")


def later(day: date, months: int) -> date:
    """The same day `months` later, or the last day of a month that is too short; the calendar ends where it ends."""
    year, number = day.year, day.month + months
    while number > 12:
        year, number = year + 1, number - 12
    if year > date.max.year:
        return FOREVER
    for back in range(4):
        try:
            return date(year, number, day.day - back)
        except ValueError:
            continue
    raise AssertionError("no month is shorter than 28 days")


def first_of(month: int) -> date:
    """The first day of a month."""
    return date(month // 12, month % 12 + 1, 1)


def end_of_year(day: date) -> date:
    """The first of September after a day."""
    return date(day.year + (day.month >= 9), 9, 1)


def _next_day(day: date) -> date:
    return day if day == FOREVER else day + timedelta(days=1)


@dataclass
class Standing:
    """An institution's evidence, as it is read in state by state."""

    spans: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    agreements: dict[str, set[str]] = field(default_factory=dict)
    """Categories of partners by agreement."""
    worked: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Months with work by agreement."""
    _edges: dict[str, tuple[list[date], list[date]]] = field(default_factory=dict)
    """The days on which evidence begins and ends, in order."""

    def add(self, name: str, since: date, until: date | None) -> None:
        """A span of evidence, unless it is empty."""
        if since < (until or FOREVER):
            self.spans[name].append((since, until or FOREVER))

    def institution(self, state: InstitutionState) -> None:
        """At work; R4."""
        opened = state.opened_on or min((each.since for each in state.membership), default=None)
        if opened:
            self.add("at_work", opened, state.closed_on)
            if state.programmes:
                self.add("programme", opened, state.closed_on)

    def enrolment(self, state: EnrolmentState) -> None:
        """R8."""
        if state.places is not None and state.first_choice is not None:
            september = first_of(first_month_of_year(state.academic_year))
            self.add("enrolment_report", september, later(september, 12))

    def response(self, state: ResponseState) -> None:
        """R8."""
        if state.index_thousandths is not None and state.group in ("S1", "S2"):
            first = first_of(month_from(state.month))
            self.add("employers_answers", first, end_of_year(first))

    def agreement(self, state: AgreementState) -> None:
        """R7, R13."""
        if state.status in (AgreementStatus.DRAFT, AgreementStatus.CANCELLED):
            return
        categories = {str(party.category) for party in state.parties} - {"institution", "student"}
        self.agreements[state.id] = categories
        for period in state.active_periods:
            self.add("agreement", period.since, period.until)
            for category in categories:
                self.add(f"cooperation.{category}", period.since, period.until)

    def partnership(self, state: PartnershipState) -> None:
        """R2, R13."""
        told = [(each.stage, each.since) for each in state.stages] or [(state.stage, state.since)]
        ends = [since for _, since in told[1:]]
        for (stage, since), until in zip_longest(told, ends):
            if stage is PartnershipStage.FUTURE:
                self.add("partner_future", since, until)
            if stage is PartnershipStage.EXISTING:
                self.add("partner_existing", since, until)
                self.add(f"partner.{state.category}", since, until)

    def orientation(self, state: OrientationState) -> None:
        """R1."""
        until = _next_day(state.valid_until)
        self.add("orientation", state.decided_on, min(until, state.revoked_on) if state.revoked_on else until)

    def review(self, state: MarketReviewState | SectorReviewState) -> None:
        """R3, R5."""
        name = "market_review" if isinstance(state, MarketReviewState) else "sector_review"
        until = min(_next_day(state.valid_until), later(state.reviewed_on, ANALYSIS_MONTHS))
        self.add(name, state.reviewed_on, until)

    def assessment(self, state: MarketAssessmentState) -> None:
        """R6, R8."""
        until = min(_next_day(state.valid_until), later(state.assessed_on, ANALYSIS_MONTHS))
        self.add("market_assessment", state.assessed_on, until)
        self.add("labour_market_data", state.assessed_on, end_of_year(state.assessed_on))

    def instruction(self, state: InstructionState) -> None:
        """R9."""
        for edition in state.editions:
            self.add("instruction", edition.in_force_from, edition.in_force_until)

    def work_plan(self, state: WorkPlanState) -> None:
        """R10."""
        september = first_of(first_month_of_year(state.academic_year))
        self.add("work_plan", max(state.since, state.adopted_on, september), min(state.until, later(september, 12)))

    def sample(self, state: SampleState) -> None:
        """R11."""
        for edition in state.editions:
            self.add(f"sample.{state.kind}", edition.in_force_from, edition.in_force_until)

    def board(self, state: BoardState) -> None:
        """R12."""
        end = state.dissolved_on or FOREVER
        for member in state.members:
            if member.category != MemberCategory.INSTITUTION:
                until = min(member.until or FOREVER, end)
                self.add("board_member", max(member.since, state.established_on), until)
        for meeting in state.meetings:
            if meeting.status == MeetingStatus.HELD and meeting.held_on:
                until = min(later(meeting.held_on, MEETING_MONTHS), end)
                self.add("board_meeting", max(meeting.held_on, state.established_on), until)

    # -- what follows from the evidence

    def count(self, name: str, day: date) -> int:
        """Pieces of evidence on a day: those that have begun, without those that have ended."""
        edges = self._edges.get(name)
        if edges is None:
            begun, ended = zip(*self.spans[name], strict=True) if self.spans[name] else ((), ())
            edges = self._edges[name] = sorted(begun), sorted(ended)
        return bisect_right(edges[0], day) - bisect_right(edges[1], day)

    def finish(self) -> None:
        """Bring work and agreements together, once everything was read in."""
        for agreement, months in self.worked.items():
            for category in self.agreements.get(agreement, ()):
                for month in months:
                    self.add(f"worked.{category}", first_of(month), later(first_of(month), WORK_MONTHS))
        for category in PartnerCategory:
            cooperation = self.spans[f"cooperation.{category}"]
            for name, spans in (
                (f"lasting.{category}", cooperation),
                (f"expected.{category}", cooperation + self.spans[f"partner.{category}"]),
            ):
                for since, until in _united(spans):
                    self.add(name, later(since, LASTING_MONTHS), until)

    def gate(self, gate: Gate) -> list[tuple[date, State]]:
        """(day, state from it on) at every day on which the state may change."""
        names = [name for ask in gate.asks for name, _ in ask.alternatives]
        if gate.by_category:
            names += [f"{what}.{category}" for category in PartnerCategory for what in ("lasting", "expected")]
        days = sorted({day for name in [*names, "at_work"] for span in self.spans[name] for day in span} - {FOREVER})
        series: list[tuple[date, State]] = []
        once_met = False
        for day in days:
            if not self.count("at_work", day):
                state = State.MISSING
            elif self._met(gate, day):
                state, once_met = State.MET, True
            elif once_met:
                state = State.LAPSED
            elif self._begun(gate, day):
                state = State.IN_PROGRESS
            else:
                state = State.MISSING
            series.append((day, state))
        return series

    def _met(self, gate: Gate, day: date) -> bool:
        if gate.by_category:
            alive = {
                category
                for category in PartnerCategory
                if self.count(f"lasting.{category}", day) and self.count(f"worked.{category}", day)
            }
            expected = {category for category in PartnerCategory if self.count(f"expected.{category}", day)}
            return bool(alive) and expected <= alive
        return all(any(self.count(name, day) >= least for name, least in ask.alternatives) for ask in gate.asks)

    def _begun(self, gate: Gate, day: date) -> bool:
        if gate.by_category:
            return any(self.count(f"cooperation.{category}", day) for category in PartnerCategory)
        return any(self.count(name, day) >= least for ask in gate.asks for name, least in ask.alternatives)

    def steps(self) -> dict[str, list[tuple[date, int]]]:
        """Every measure of the standing as (day, value from it on)."""
        self.finish()
        found: dict[str, list[tuple[date, int]]] = {}
        series = {gate: self.gate(GATES[gate]) for gate in GATES}
        for gate, states in series.items():
            for state in (State.MET, State.IN_PROGRESS, State.LAPSED):
                found[f"gate.{gate}.{state}"] = [(day, int(at is state)) for day, at in states]
        days = {day for states in series.values() for day, _ in states}
        days |= {day for name in ARTEFACT_SAMPLES for span in self.spans[name] for day in span} - {FOREVER}
        for name in ("stage.first", "stage.second", "stage.third", "artefacts.in_force", "artefacts.complete"):
            found[name] = []
        changes: dict[date, dict[str, State]] = defaultdict(dict)
        for gate, states in series.items():
            for day, state in states:
                changes[day][gate] = state
        standing: dict[str, State] = {}
        for day in sorted(days):
            standing |= changes.get(day, {})
            met = {gate for gate, state in standing.items() if state is State.MET}
            for stage, name in enumerate(("first", "second", "third"), start=1):
                reached = all(gate in met for upto in range(1, stage + 1) for gate in STAGES[upto])
                found[f"stage.{name}"].append((day, int(reached)))
            in_force = sum(gate in met for gate in ARTEFACT_GATES)
            in_force += sum(self.count(name, day) > 0 for name in ARTEFACT_SAMPLES)
            in_force *= bool(self.count("at_work", day))
            found["artefacts.in_force"].append((day, in_force))
            found["artefacts.complete"].append((day, int(in_force == REQUIRED_ARTEFACTS)))
        return found


def at(series: Sequence[tuple[date, _V]], day: date, default: _V) -> _V:
    """What holds on a day."""
    number = bisect_right(series, day, key=itemgetter(0))
    return series[number - 1][1] if number else default


def _united(spans: Iterable[Span]) -> list[Span]:
    """Spans that touch or overlap, as one."""
    united: list[Span] = []
    for since, until in sorted(spans):
        if united and since <= united[-1][1]:
            united[-1] = united[-1][0], max(until, united[-1][1])
        else:
            united.append((since, until))
    return united
