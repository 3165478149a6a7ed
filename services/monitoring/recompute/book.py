"""What an institution's states count as: sums, sets of people and firms, and what lasts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from services.monitoring.domain.gates import CONVERSION_MONTHS
from services.monitoring.domain.measures import BY_NAME, CATALOGUE_FORMS
from services.monitoring.domain.periods import (
    NESTED,
    PeriodKind,
    first_month_of_year,
    key_of,
    month_from,
    month_of,
    parse,
    period_at,
)
from services.monitoring.recompute.country import ALWAYS, BEGINNING, END, Own, Span, last_day
from services.monitoring.recompute.standing import Standing, at, later
from shared.clock import local_day
from shared.contracts.agreements import (
    ActivityState,
    ActivityStatus,
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
)
from shared.contracts.events import State
from shared.contracts.final_stage import BoardState, InstructionState, SampleState, WorkPlanState
from shared.contracts.partners import EnrolmentState, PartnershipState
from shared.contracts.practice import (
    CertificationState,
    ExpertReviewState,
    IncomeState,
    OutcomeState,
    PlacementState,
    ProjectState,
    SpecialistState,
    StaffInternshipState,
    TrainingState,
)
from shared.contracts.preparation import (
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
)
from shared.contracts.reporting import SubmissionState
from shared.contracts.surveys import GraduateStatusState, ResponseState
from shared.contracts.visits import NextActionState, VisitState, VisitStatus
from shared.contracts.vocabulary import Form, PartyCategory

_FORMS: dict[type[State], Form] = {
    PlacementState: Form.AF1,
    ExpertReviewState: Form.AF3,
    StaffInternshipState: Form.AF4,
    ProjectState: Form.AF5,
    TrainingState: Form.AF6,
    CertificationState: Form.AF7,
    SpecialistState: Form.AF8,
}
"""The kinds of work that count as an activity of one form."""

Amounts = Counter[tuple[str, str]]
"""Amounts by (measure's name, period's text as `key_of` has it), none of them zero: values of flows and of sets within
periods; of stocks and of rolling twelve months the changes from the month before to this one, of stocks summed up by
academic years too.
"""


@dataclass(slots=True)
class Seen:
    """When a member of a set is there: in months, or from a month up to another."""

    months: set[int] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    says: Counter[int] = field(default_factory=Counter)
    """Own words: how many more times it was said of a month that they are there than that they are not."""

    def within(self, spans: tuple[Span, ...]) -> "Seen":
        """What of it lies in the spans."""
        if spans == ALWAYS:
            return self
        return Seen(
            {month for month in self.months if _inside(month, spans)},
            [
                (max(since, first), min(until, end))
                for since, until in self.spans
                for first, end in spans
                if max(since, first) < min(until, end)
            ],
            Counter({month: says for month, says in self.says.items() if _inside(month, spans)}),
        )

    def join(self, other: "Seen") -> None:
        """Take in when the same member is there besides."""
        self.months |= other.months
        self.spans += other.spans
        self.says.update(other.says)

    def __bool__(self) -> bool:
        return bool(self.months or self.spans or self.says)

    def counts(self) -> Iterable[tuple[str, int]]:
        """What the member adds to its set: (period's text, amount)."""
        if self.says:
            return _spoken(self.months, self.says)
        if self.months:
            return _counted(tuple(sorted(self.months)))
        return _lasted(self.spans)


class Book:
    """Everything that one institution's states count as."""

    def __init__(self, own: Own) -> None:
        self.own = own
        self.flows: Counter[tuple[str, int]] = Counter()
        self.stocks: dict[str, Counter[int]] = defaultdict(Counter)
        """Changes by month."""
        self.people: dict[tuple[str, str], Seen] = defaultdict(Seen)
        """By (measure, person): nobody counts at two institutions as the same person."""
        self.firms: dict[tuple[str, str], Seen] = defaultdict(Seen)
        """By (measure, enterprise): the same one at many institutions counts once above them."""
        self._active: dict[Form, list[Span]] = defaultdict(list)
        self._held: dict[Form, set[int]] = defaultdict(set)
        for kind, rule in _RULES.items():
            for state in own.of(kind):
                rule(self, state)
        self._institution()
        self._work()
        self._variety()
        self._conversion()
        self._growth()
        self._standing()

    # -- what is noted

    def add(self, name: str, month: int, amount: int) -> None:
        self.flows[name, month] += amount

    def lasts(self, name: str, since: int, until: int, amount: int = 1) -> None:
        """Counts at the end of every month from `since` up to, not including, `until`."""
        if since < until:
            self.stocks[name][since] += amount
            self.stocks[name][until] -= amount

    def person(self, name: str, month: int, ref: str) -> None:
        self.people[name, ref].months.add(month)

    # -- rules

    def _institution(self) -> None:
        state = self.own.institution
        if state is None:
            return
        opened = state.opened_on or min((each.since for each in state.membership), default=None)
        if opened and not (state.closed_on and state.closed_on <= opened):
            self.lasts("institutions.active", month_of(opened), month_of(state.closed_on) if state.closed_on else END)

    def enrolment(self, state: EnrolmentState) -> None:
        september = first_month_of_year(state.academic_year)
        if state.teachers is not None:
            self.add("teachers.employed", september, state.teachers)
            self.add("teachers.reports", september, 1)
        if state.places is None or state.first_choice is None:
            return
        self.add("enrolment.places", september, state.places)
        self.add("enrolment.first_choice", september, state.first_choice)
        self.add("enrolment.reports", september, 1)

    def agreement(self, state: AgreementState) -> None:
        if state.status in (AgreementStatus.DRAFT, AgreementStatus.CANCELLED):
            return
        partners = {str(p.category) for p in state.parties} - {PartyCategory.INSTITUTION, PartyCategory.STUDENT}
        names = [f"form.{state.form}", *(f"category.{partner}" for partner in partners)]
        for name in names:
            if state.signed_on:
                self.add(f"{name}.signed", month_of(state.signed_on), 1)
            if state.ended_on:
                self.add(f"{name}.ended", month_of(state.ended_on), 1)
        for term in state.schedule if state.form == Form.AF1 else ():
            month = month_of(term.starts_on)
            if not (state.ended_on and state.ended_on <= term.starts_on):
                self.add("internship.planned", month, term.seats)
            self.add("internship.filled", month, term.filled)
            self.add("internship.completed", month, term.completed)
        for period in state.active_periods:
            if period.until is None or period.since < period.until:
                span = month_of(period.since), END if period.until is None else month_of(period.until)
                self._active_in(state, names, span)

    def _active_in(self, state: AgreementState, names: list[str], span: Span) -> None:
        if span[0] >= span[1]:  # over before the month's end
            return
        for name in names:
            self.lasts(f"{name}.active", *span)
        if state.form == Form.AF1 and state.schedule_complete:
            self.lasts("internship.complete", *span)
        self._active[state.form].append(span)
        for party in state.parties:
            if party.category == PartyCategory.ENTERPRISE:
                self.firms["enterprises.active", party.ref].spans.append(span)

    def employment(self, state: EmploymentState) -> None:
        if state.status == EmploymentStatus.CANCELLED:
            return
        month = month_of(state.started_on)
        self.person("graduates.employed", month, state.graduate_ref)
        self.firms["graduates.employers", state.enterprise_id].months.add(month)
        if f"graduates.isco_{state.profession[:1]}" in BY_NAME:
            self.person(f"graduates.isco_{state.profession[:1]}", month, state.graduate_ref)
        if state.status == EmploymentStatus.CONFIRMED or state.confirmed_on is not None:
            self.person("graduates.confirmed", month, state.graduate_ref)

    def response(self, state: ResponseState) -> None:
        if state.index_thousandths is None:
            return
        month, name = month_from(state.month), f"survey.{state.group}"
        self.add(f"{name}.sum", month, state.index_thousandths)
        self.add(f"{name}.count", month, 1)
        self.add(f"{name}.squares", month, state.index_thousandths**2)

    def placement(self, state: PlacementState) -> None:
        if state.status == "cancelled":
            return
        month = month_of(state.starts_on)
        self.add("placements.placed", month, 1)
        self.add("placements.confirmed", month, state.confirmed_on is not None)
        self.add("placements.completed", month, state.status == "completed")
        self.add("placements.broken_off", month, state.status == "broken_off")

    def specialist(self, state: SpecialistState) -> None:
        for each in () if state.status == "cancelled" else state.hours:
            if each.hours > 0:
                month = month_from(each.month)
                self.person("specialists.taught", month, state.specialist_ref)
                self.add("specialists.hours", month, each.hours)

    def staff_internship(self, state: StaffInternshipState) -> None:
        if state.status == "completed" and state.completed_on:
            self.person("teachers.trained", month_of(state.completed_on), state.teacher_ref)

    def training(self, state: TrainingState) -> None:
        if state.status == "completed" and state.completed_on:
            month = month_of(state.completed_on)
            self.person("trainees.completed", month, state.trainee_ref)
            self.person(f"trainees.{state.kind}", month, state.trainee_ref)
            self.add("completions.all", month, 1)

    def certification(self, state: CertificationState) -> None:
        if state.status == "cancelled":
            return
        month = month_of(state.held_on)
        self.add("certification.sessions", month, 1)
        self.add("certification.with_enterprise", month, len(state.examiners) > 0)
        for examiner in state.examiners:
            self.firms["certification.enterprises", examiner.enterprise_id].months.add(month)

    def outcome(self, state: OutcomeState) -> None:
        if state.withdrawn or state.months not in (6, 12):
            return
        month = month_of(later(state.graduated_on, state.months))
        known = state.status != "unknown"
        for name, counts in (
            ("asked", True),
            ("known", known),
            ("available", known and state.status != "further_study"),
            ("employed", state.status in ("employed", "self_employed")),
        ):
            if counts:
                self.person(f"outcome.{state.months}.{name}", month, state.graduate_ref)

    def graduate_status(self, state: GraduateStatusState) -> None:
        """Where graduates spoke themselves, they are in or out as they say, whatever was reported of them."""
        if state.withdrawn or state.graduate_ref is None or state.status in (None, "unknown"):
            return
        works = state.status in ("employed", "self_employed")
        if works and state.employed_since:
            self.person("graduates.confirmed", month_of(state.employed_since), state.graduate_ref)
        if state.months in (6, 12) and state.graduated_on:
            month = month_of(later(state.graduated_on, state.months))
            self.person(f"outcome.{state.months}.asked", month, state.graduate_ref)
            says = {"known": True, "available": state.status != "further_study", "employed": works}
            for name, yes in says.items():
                self.people[f"outcome.{state.months}.{name}", state.graduate_ref].says[month] += 1 if yes else -1

    def income(self, state: IncomeState) -> None:
        if not state.withdrawn:
            self.add("income.total", month_from(state.month), state.total_tiyin)
            self.add("income.reports", month_from(state.month), 1)

    def _growth(self) -> None:
        earned: Counter[int] = Counter()
        for state in self.own.of(IncomeState):
            if not state.withdrawn:
                earned[month_from(state.month)] += state.total_tiyin
        for month in earned:
            if month - 12 in earned:
                self.add("income.matched", month, earned[month])
                self.add("income.before", month, earned[month - 12])

    def visit(self, state: VisitState) -> None:
        if state.status == VisitStatus.CANCELLED:
            for cause in state.cancelled_for if state.cancelled_on else ():
                if cause != "none" and state.cancelled_on:
                    self.add(f"cause.{cause}", month_of(state.cancelled_on), 1)
            return
        self.add("visits.planned", month_of(local_day(state.planned_start)), 1)
        if state.status == VisitStatus.HELD and state.held_on:
            month = month_of(state.held_on)
            self.add("visits.held", month, 1)
            self.add("visits.punctual", month, bool(state.punctual))
            for cause in state.protocol.causes if state.protocol else ():
                if cause != "none":
                    self.add(f"cause.{cause}", month, 1)

    def _conversion(self) -> None:
        signed: dict[tuple[str, str], list[date]] = defaultdict(list)
        for agreement in self.own.of(AgreementState):
            if agreement.status not in (AgreementStatus.DRAFT, AgreementStatus.CANCELLED) and agreement.signed_on:
                for party in agreement.parties:
                    signed[str(party.category), party.ref].append(agreement.signed_on)
        for visit in self.own.of(VisitState):
            held = visit.held_on
            if visit.status != VisitStatus.HELD or not held:
                continue
            days = signed[str(visit.category), visit.enterprise_id or visit.partner_ref or ""]
            if any(held <= day <= later(held, CONVERSION_MONTHS) for day in days):
                self.add("visits.converted", month_of(held), 1)

    def next_action(self, state: NextActionState) -> None:
        if state.status != "cancelled":
            self._due("actions", state.due_on, state.done_on)

    def work_plan(self, state: WorkPlanState) -> None:
        for measure in state.measures:
            if measure.status != "cancelled":
                self._due("plan", measure.due_on, measure.done_on)

    def _due(self, name: str, due_on: date, done_on: date | None) -> None:
        self.add(f"{name}.due", month_of(due_on), 1)
        self.add(f"{name}.done", month_of(due_on), done_on is not None)
        self.add(f"{name}.on_time", month_of(due_on), done_on is not None and done_on <= due_on)

    def submission(self, state: SubmissionState) -> None:
        if state.level == "nation":
            return
        name, month = f"reports.{state.level}", parse(state.period).last
        self.add(f"{name}.expected", month, 1)
        self.add(f"{name}.submitted", month, state.status in ("submitted", "approved", "locked"))
        self.add(f"{name}.on_time", month, bool(state.submitted_on and state.submitted_on <= state.due_on))
        self.add(f"{name}.approved", month, state.status in ("approved", "locked"))

    def _work(self) -> None:
        for _, form, month in _work(self.own):
            self.add(f"form.{form}.activities", month, 1)
            self._held[form].add(month)

    def _variety(self) -> None:
        edges = {month for spans in self._active.values() for span in spans for month in span}
        edges |= {month + after for months in self._held.values() for month in months for after in (0, 12)}
        alive: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for month in sorted(edges):
            forms = [
                form
                for form in CATALOGUE_FORMS
                if any(since <= month < until for since, until in self._active[form])
                and any(month - 12 < held <= month for held in self._held[form])
            ]
            for form in CATALOGUE_FORMS:
                alive[f"variety.{form}"].append((month, int(form in forms)))
            alive["variety.three_forms"].append((month, int(len(forms) >= 3)))
        for name, series in alive.items():
            self._series(name, series)

    def _standing(self) -> None:
        for name, steps in _evidence(self.own).steps().items():
            months = sorted({month_of(day) for day, _ in steps})
            self._series(name, [(month, at(steps, last_day(month), 0)) for month in months])

    def _series(self, name: str, series: Iterable[tuple[int, int]]) -> None:
        """What is worth something else from each of these months on."""
        before = 0
        for month, value in series:
            if value != before:
                self.stocks[name][month] += value - before
            before = value

    # -- what comes of it

    def sums(self, spans: tuple[Span, ...] = ALWAYS) -> Amounts:
        """Flows and stocks, of the months in the spans alone."""
        found: Amounts = Counter()
        for (name, month), amount in self.flows.items():
            if _inside(month, spans):
                for kind in NESTED if name.startswith("survey.") else (PeriodKind.MONTH,):
                    found[name, _text(kind, month)] += amount
        for name, changes in self.stocks.items():
            for month, change in (changes if spans == ALWAYS else _cut(changes, spans)).items():
                if month < END:
                    for text in _changed(month):
                        found[name, text] += change
        return _not_zero(found)


def counted(members: Iterable[tuple[str, Seen]]) -> Amounts:
    """How many members of each (measure's) set there are in each period; of lasting ones, and of rolling twelve
    months, the changes."""
    found: Amounts = Counter()
    for name, seen in members:
        for period, amount in seen.counts():
            found[name, period] += amount
    return _not_zero(found)


def _not_zero(amounts: Amounts) -> Amounts:
    return Counter({key: amount for key, amount in amounts.items() if amount})


def _inside(month: int, spans: tuple[Span, ...]) -> bool:
    return any(since <= month < until for since, until in spans)


def _cut(changes: Counter[int], spans: tuple[Span, ...]) -> Counter[int]:
    """Changes of something that lasts, which counts for nothing outside of the spans."""

    def value(month: int) -> int:
        return sum(change for since, change in changes.items() if since <= month) if _inside(month, spans) else 0

    edges = sorted({*changes, *(month for span in spans for month in span)})
    before = [0, *map(value, edges)]
    return Counter({month: value(month) - was for month, was in zip(edges, before, strict=False)})


@lru_cache(maxsize=100_000)
def _text(kind: PeriodKind, month: int) -> str:
    return key_of(period_at(kind, month).code)


@lru_cache(maxsize=100_000)
def _counted(months: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
    """What somebody who is there in these months adds to a set within periods."""
    texts = {_text(kind, month) for kind in _WITHIN for month in months}
    return tuple([(text, 1) for text in sorted(texts)] + list(_rolling(months)))


_WITHIN = tuple(kind for kind in PeriodKind if kind is not PeriodKind.ROLLING_12)


def _changed(month: int) -> tuple[str, str]:
    """Where changes of what lasts are kept: at their month, and summed up by academic year."""
    return _text(PeriodKind.MONTH, month), _text(PeriodKind.ACADEMIC_YEAR, month)


def _rolling(months: Iterable[int]) -> Iterator[tuple[str, int]]:
    """The changes: they are in the twelve months that end with each of these months, and the eleven after it."""
    ends = {month + after for month in months for after in range(12)}
    for end in sorted(ends):
        if end - 1 not in ends:
            yield _text(PeriodKind.ROLLING_12, end), 1
        if end + 1 not in ends:
            yield _text(PeriodKind.ROLLING_12, end + 1), -1


def _spoken(months: set[int], says: Counter[int]) -> Iterator[tuple[str, int]]:
    """As `_counted`, where their own words go before what was reported of them."""
    within: dict[PeriodKind, set[str]] = {}
    for kind in _WITHIN:
        there = {_text(kind, month) for month in months}
        balance: Counter[str] = Counter()
        for month, times in says.items():
            balance[_text(kind, month)] += times
        there |= {text for text, times in balance.items() if times > 0}
        within[kind] = there - {text for text, times in balance.items() if times < 0}
        yield from ((text, 1) for text in within[kind])
    yield from _rolling(month_from(text) for text in within[PeriodKind.MONTH])


def _lasted(spans: list[Span]) -> Iterator[tuple[str, int]]:
    """The changes of somebody who is there throughout each of the spans, which may overlap."""
    until = BEGINNING - 1
    for since, end in sorted(spans):
        if since > until:
            if until >= BEGINNING:
                yield from ((text, -1) for text in _changed(until))
            yield from ((text, 1) for text in _changed(since))
        until = max(until, end)
    if BEGINNING <= until < END:
        yield from ((text, -1) for text in _changed(until))


def _work(own: Own) -> Iterator[tuple[str | None, Form, int]]:
    """Everything done under agreements: (agreement, form, month)."""
    for activity in own.of(ActivityState):
        if activity.status != ActivityStatus.CANCELLED:
            yield activity.agreement_id, activity.form, month_of(activity.held_on)
    for kind, form in _FORMS.items():
        for state in own.of(kind):
            for month in _months_worked(state):
                yield state.agreement_id, form, month  # type: ignore[attr-defined]  # all have


def _months_worked(state: Any) -> list[int]:
    """The months in which a placement, course, project, review, session or specialist counts as an activity."""
    if state.status == "cancelled":
        return []
    if isinstance(state, SpecialistState):
        return [month_from(each.month) for each in state.hours if each.hours > 0]
    if isinstance(state, ExpertReviewState):
        return [month_of(state.reviewed_on)] if state.status == "reviewed" and state.reviewed_on else []
    if isinstance(state, CertificationState):
        return [month_of(state.held_on)] if state.examiners else []
    return [month_of(state.starts_on)]


def _evidence(own: Own) -> Standing:
    found = Standing()
    if own.institution is not None:
        found.institution(own.institution)
    rules: dict[type[State], Callable[..., None]] = {
        EnrolmentState: found.enrolment,
        ResponseState: found.response,
        AgreementState: found.agreement,
        PartnershipState: found.partnership,
        OrientationState: found.orientation,
        MarketReviewState: found.review,
        SectorReviewState: found.review,
        MarketAssessmentState: found.assessment,
        InstructionState: found.instruction,
        WorkPlanState: found.work_plan,
        SampleState: found.sample,
        BoardState: found.board,
    }
    for kind, rule in rules.items():
        for state in own.of(kind):
            rule(state)
    for agreement_id, _, month in _work(own):
        if agreement_id:
            found.worked[agreement_id].add(month)
    return found


_RULES: dict[type[State], Callable[..., None]] = {
    EnrolmentState: Book.enrolment,
    AgreementState: Book.agreement,
    EmploymentState: Book.employment,
    ResponseState: Book.response,
    PlacementState: Book.placement,
    SpecialistState: Book.specialist,
    StaffInternshipState: Book.staff_internship,
    TrainingState: Book.training,
    CertificationState: Book.certification,
    OutcomeState: Book.outcome,
    GraduateStatusState: Book.graduate_status,
    IncomeState: Book.income,
    VisitState: Book.visit,
    NextActionState: Book.next_action,
    WorkPlanState: Book.work_plan,
    SubmissionState: Book.submission,
}
"""The rule of each kind of state that has sums or sets of its own."""
