"""Every value once more, by brute force, straight from the final states: the proof that the live path is right.

Shares nothing with the live path but the measures' names and the notation of periods. No differences, no reference
counts: for every month each state is asked whether it counts then, and sets are sets. Obviously right, not fast.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from services.monitoring.domain.gates import CONVERSION_MONTHS
from services.monitoring.domain.measures import BY_NAME, CATALOGUE_FORMS, Kind
from services.monitoring.domain.periods import PeriodKind, first_month_of_year, month_from, month_of, parse, period_at
from services.monitoring.recompute_standing import Standing, later
from services.monitoring.recompute_standing import at as standing_at
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
from shared.contracts.partners import EnrolmentState, InstitutionState, PartnershipState, TerritoryState
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
OTHERS: tuple[type[State], ...] = (
    *_FORMS,
    OutcomeState,
    GraduateStatusState,
    IncomeState,
    PartnershipState,
    OrientationState,
    MarketReviewState,
    SectorReviewState,
    MarketAssessmentState,
    VisitState,
    NextActionState,
    InstructionState,
    WorkPlanState,
    SampleState,
    BoardState,
    SubmissionState,
)
"""What else is measured."""

Values = dict[tuple[str, str, str], int]
"""Value by (measure's name, place's code, period's text); what is missing is zero. Stocks: for each month asked."""
Progress = Callable[[int], None]


@dataclass
class Country:
    """The final state of every aggregate, by kind and id."""

    territory: dict[str, TerritoryState] = field(default_factory=dict)
    institutions: dict[str, InstitutionState] = field(default_factory=dict)
    enrolments: dict[str, EnrolmentState] = field(default_factory=dict)
    agreements: dict[str, AgreementState] = field(default_factory=dict)
    activities: dict[str, ActivityState] = field(default_factory=dict)
    employments: dict[str, EmploymentState] = field(default_factory=dict)
    responses: dict[str, ResponseState] = field(default_factory=dict)
    others: dict[type[State], dict[str, State]] = field(default_factory=lambda: {each: {} for each in OTHERS})

    def keep(self, state: State) -> None:
        """Take in a state unless a newer one is there; kinds that nothing measures are left out."""
        rooms: dict[type[State], dict[str, Any]] = {
            TerritoryState: self.territory,
            InstitutionState: self.institutions,
            EnrolmentState: self.enrolments,
            AgreementState: self.agreements,
            ActivityState: self.activities,
            EmploymentState: self.employments,
            ResponseState: self.responses,
            **self.others,
        }
        room = rooms.get(type(state))
        if room is not None and (state.id not in room or room[state.id].version < state.version):
            room[state.id] = state

    def __len__(self) -> int:
        own = [room for name, room in vars(self).items() if name != "others"]
        return sum(map(len, [*own, *self.others.values()]))

    def above(self, institution_id: str, month: int) -> Iterator[str]:
        """The institution and every place above it at the end of a month."""
        yield institution_id
        institution = self.institutions.get(institution_id)
        if institution is None:
            yield from self.up(self.parent(institution_id))
            return
        if not institution.membership:
            return
        dated = sorted(institution.membership, key=lambda membership: membership.since)
        last_day = _last_day(month)
        district = dated[0].district
        for membership in dated:
            if membership.since <= last_day:
                district = membership.district
        yield from self.up(district)

    def up(self, place: str | None) -> Iterator[str]:
        """The place and those above it."""
        while place:
            yield place
            place = self.parent(place)

    def parent(self, place: str) -> str | None:
        """What a unit of the territory lies in."""
        known = self.territory.get(place)
        # A district whose own event is missing: SOATO codes carry their parents as prefixes (2, 4 and 7 digits).
        return known.parent if known else {7: place[:4], 4: place[:2]}.get(len(place))


def recompute(country: Country, months: Iterable[int] = (), progress: Progress = lambda _: None) -> Values:
    """All values of the country; stocks at every month in which a state says something, and at `months` besides.

    `progress` is told the number of states done after each thousand.
    """
    standings = _standings(country)
    steps = {institution: standing.steps() for institution, standing in standings.items()}
    said = (month_of(day) for each in steps.values() for series in each.values() for day, _ in series)
    at = sorted({*months, *_dates_of(country), *said})
    book = _Book(country, at)
    done = 0
    rules: list[tuple[Iterable[State], Callable[..., None]]] = [
        (country.institutions.values(), book.institution),
        (country.enrolments.values(), book.enrolment),
        (country.agreements.values(), book.agreement),
        (country.employments.values(), book.employment),
        (country.responses.values(), book.response),
        *((states.values(), book.rules[kind]) for kind, states in country.others.items() if kind in book.rules),
    ]
    for states, rule in rules:
        for state in states:
            rule(state)
            done += 1
            if done % 1000 == 0:
                progress(done)
    book.own_words()
    book.work()
    book.variety()
    book.conversion()
    book.growth()
    for institution, found in steps.items():
        book.standing(institution, found)
    return book.values()


def _standings(country: Country) -> dict[str, Standing]:
    """The evidence of every institution."""
    found: dict[str, Standing] = defaultdict(Standing)
    for institution in country.institutions.values():
        found[institution.id].institution(institution)
    rooms: list[tuple[Iterable[Any], Callable[..., None]]] = [
        (country.enrolments.values(), Standing.enrolment),
        (country.responses.values(), Standing.response),
        (country.agreements.values(), Standing.agreement),
        (country.others[PartnershipState].values(), Standing.partnership),
        (country.others[OrientationState].values(), Standing.orientation),
        (country.others[MarketReviewState].values(), Standing.review),
        (country.others[SectorReviewState].values(), Standing.review),
        (country.others[MarketAssessmentState].values(), Standing.assessment),
        (country.others[InstructionState].values(), Standing.instruction),
        (country.others[WorkPlanState].values(), Standing.work_plan),
        (country.others[SampleState].values(), Standing.sample),
        (country.others[BoardState].values(), Standing.board),
    ]
    for states, rule in rooms:
        for state in states:
            rule(found[state.institution_id], state)
    for institution_id, agreement_id, _, month in _work(country):
        if agreement_id:
            found[institution_id].worked[agreement_id].add(month)
    return found


def _work(country: Country) -> Iterator[tuple[str, str | None, Form, int]]:
    """Everything done under agreements: (institution, agreement, form, month)."""
    for activity in country.activities.values():
        if activity.status != ActivityStatus.CANCELLED:
            yield activity.institution_id, activity.agreement_id, activity.form, month_of(activity.held_on)
    for kind, form in _FORMS.items():
        for state in country.others[kind].values():
            for month in _months_worked(state):
                yield state.institution_id, state.agreement_id, form, month  # type: ignore[attr-defined]  # all have


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


class _Book:
    """Sums and sets as the states are read in."""

    def __init__(self, country: Country, months: list[int]) -> None:
        self.country = country
        self.months = months
        self.sums: Values = defaultdict(int)
        self.sets: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.words: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self.active: dict[tuple[str, Form], set[int]] = defaultdict(set)
        self.held: dict[tuple[str, Form], set[int]] = defaultdict(set)

    def add(self, name: str, institution: str, month: int, amount: int, period: str | None = None) -> None:
        for place in self.country.above(institution, month):
            self.sums[name, place, period or _text(month)] += amount

    def member(self, name: str, institution: str, month: int, member: str, period: str | None = None) -> None:
        for place in self.country.above(institution, month):
            self.sets[name, place, period or _text(month)].add(member)

    def institution(self, state: InstitutionState) -> None:
        opened = state.opened_on or min((each.since for each in state.membership), default=None)
        for month in self.months:
            end = _last_day(month)
            if opened and opened <= end and not (state.closed_on and state.closed_on <= end):
                self.add("institutions.active", state.id, month, 1)

    def enrolment(self, state: EnrolmentState) -> None:
        if state.teachers is not None:
            september = first_month_of_year(state.academic_year)
            self.add("teachers.employed", state.institution_id, september, state.teachers)
            self.add("teachers.reports", state.institution_id, september, 1)
        if state.places is None or state.first_choice is None:
            return
        month = first_month_of_year(state.academic_year)
        self.add("enrolment.places", state.institution_id, month, state.places)
        self.add("enrolment.first_choice", state.institution_id, month, state.first_choice)
        self.add("enrolment.reports", state.institution_id, month, 1)

    def agreement(self, state: AgreementState) -> None:
        if state.status in (AgreementStatus.DRAFT, AgreementStatus.CANCELLED):
            return
        at = state.institution_id
        partners = {str(p.category) for p in state.parties} - {PartyCategory.INSTITUTION, PartyCategory.STUDENT}
        names = [f"form.{state.form}", *(f"category.{partner}" for partner in partners)]
        for name in names:
            if state.signed_on:
                self.add(f"{name}.signed", at, month_of(state.signed_on), 1)
            if state.ended_on:
                self.add(f"{name}.ended", at, month_of(state.ended_on), 1)
        for term in state.schedule if state.form == Form.AF1 else ():
            month = month_of(term.starts_on)
            self.add("internship.planned", at, month, term.seats)
            self.add("internship.filled", at, month, term.filled)
            self.add("internship.completed", at, month, term.completed)
        self.active_months(state, names)

    def active_months(self, state: AgreementState, names: list[str]) -> None:
        at = state.institution_id
        for month in self.months:
            end = _last_day(month)
            times = sum(p.since <= end and (p.until is None or p.until > end) for p in state.active_periods)
            if not times:
                continue
            for name in names:
                self.add(f"{name}.active", at, month, times)
            if state.form == Form.AF1 and state.schedule_complete:
                self.add("internship.complete", at, month, times)
            self.active[at, state.form].add(month)
            for party in state.parties:
                if party.category == PartyCategory.ENTERPRISE:
                    self.member("enterprises.active", at, month, party.ref)

    def work(self) -> None:
        for institution, _, form, month in _work(self.country):
            self.add(f"form.{form}.activities", institution, month, 1)
            self.held[institution, form].add(month)

    def employment(self, state: EmploymentState) -> None:
        if state.status == EmploymentStatus.CANCELLED:
            return
        month = month_of(state.started_on)
        who = f"{state.institution_id}/{state.graduate_ref}"
        for period in _periods(month):
            self.member("graduates.employed", state.institution_id, month, who, period)
            self.member("graduates.employers", state.institution_id, month, state.enterprise_id, period)
            if f"graduates.isco_{state.profession[:1]}" in BY_NAME:
                self.member(f"graduates.isco_{state.profession[:1]}", state.institution_id, month, who, period)
            if state.status == EmploymentStatus.CONFIRMED or state.confirmed_on is not None:
                self.member("graduates.confirmed", state.institution_id, month, who, period)

    def response(self, state: ResponseState) -> None:
        if state.index_thousandths is None:
            return
        month = month_from(state.month)
        for period in _periods(month)[:3]:
            name = f"survey.{state.group}"
            self.add(f"{name}.sum", state.institution_id, month, state.index_thousandths, period)
            self.add(f"{name}.count", state.institution_id, month, 1, period)
            self.add(f"{name}.squares", state.institution_id, month, state.index_thousandths**2, period)

    def variety(self) -> None:
        for institution in {institution for institution, _ in self.active}:
            for month in self.months:
                alive = [
                    form
                    for form in CATALOGUE_FORMS
                    if month in self.active.get((institution, form), ())
                    and any(month - 12 < held <= month for held in self.held.get((institution, form), ()))
                ]
                for form in alive:
                    self.add(f"variety.{form}", institution, month, 1)
                if len(alive) >= 3:
                    self.add("variety.three_forms", institution, month, 1)

    @property
    def rules(self) -> dict[type[State], Callable[..., None]]:
        """The rule of each kind of state that has sums or sets of its own."""
        return {
            PlacementState: self.placement,
            SpecialistState: self.specialist,
            StaffInternshipState: self.staff_internship,
            TrainingState: self.training,
            CertificationState: self.certification,
            OutcomeState: self.outcome,
            GraduateStatusState: self.graduate_status,
            IncomeState: self.income,
            VisitState: self.visit,
            NextActionState: self.next_action,
            WorkPlanState: self.work_plan,
            SubmissionState: self.submission,
        }

    def people(self, name: str, institution: str, month: int, ref: str) -> None:
        for period in _periods(month):
            self.member(name, institution, month, f"{institution}/{ref}", period)

    def placement(self, state: PlacementState) -> None:
        if state.status == "cancelled":
            return
        at, month = state.institution_id, month_of(state.starts_on)
        self.add("placements.placed", at, month, 1)
        self.add("placements.confirmed", at, month, state.confirmed_on is not None)
        self.add("placements.completed", at, month, state.status == "completed")
        self.add("placements.broken_off", at, month, state.status == "broken_off")

    def specialist(self, state: SpecialistState) -> None:
        for each in () if state.status == "cancelled" else state.hours:
            if each.hours > 0:
                month = month_from(each.month)
                self.people("specialists.taught", state.institution_id, month, state.specialist_ref)
                self.add("specialists.hours", state.institution_id, month, each.hours)

    def staff_internship(self, state: StaffInternshipState) -> None:
        if state.status == "completed" and state.completed_on:
            self.people("teachers.trained", state.institution_id, month_of(state.completed_on), state.teacher_ref)

    def training(self, state: TrainingState) -> None:
        if state.status == "completed" and state.completed_on:
            at, month = state.institution_id, month_of(state.completed_on)
            self.people("trainees.completed", at, month, state.trainee_ref)
            self.people(f"trainees.{state.kind}", at, month, state.trainee_ref)
            self.add("completions.all", at, month, 1)

    def certification(self, state: CertificationState) -> None:
        if state.status == "cancelled":
            return
        at, month = state.institution_id, month_of(state.held_on)
        self.add("certification.sessions", at, month, 1)
        self.add("certification.with_enterprise", at, month, len(state.examiners) > 0)
        for examiner in state.examiners:
            for period in _periods(month):
                self.member("certification.enterprises", at, month, examiner.enterprise_id, period)

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
                self.people(f"outcome.{state.months}.{name}", state.institution_id, month, state.graduate_ref)

    def graduate_status(self, state: GraduateStatusState) -> None:
        if state.withdrawn or state.graduate_ref is None or state.status in (None, "unknown"):
            return
        works = state.status in ("employed", "self_employed")
        if works and state.employed_since:
            month = month_of(state.employed_since)
            self.people("graduates.confirmed", state.institution_id, month, state.graduate_ref)
        if state.months in (6, 12) and state.graduated_on:
            month = month_of(later(state.graduated_on, state.months))
            self.people(f"outcome.{state.months}.asked", state.institution_id, month, state.graduate_ref)
            says = {"known": True, "available": state.status != "further_study", "employed": works}
            for name, yes in says.items():
                for place in self.country.above(state.institution_id, month):
                    for period in _periods(month):
                        at = (f"outcome.{state.months}.{name}", place, period)
                        self.words[at][f"{state.institution_id}/{state.graduate_ref}"] += 1 if yes else -1

    def own_words(self) -> None:
        """Where graduates spoke themselves, they are in or out as they say, whatever was reported of them."""
        for at, says in self.words.items():
            for who, balance in says.items():
                if balance > 0:
                    self.sets[at].add(who)
                elif balance < 0 and at in self.sets:
                    self.sets[at].discard(who)

    def income(self, state: IncomeState) -> None:
        if not state.withdrawn:
            self.add("income.total", state.institution_id, month_from(state.month), state.total_tiyin)
            self.add("income.reports", state.institution_id, month_from(state.month), 1)

    def growth(self) -> None:
        earned: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for state in self.country.others[IncomeState].values():
            assert isinstance(state, IncomeState)
            if not state.withdrawn:
                earned[state.institution_id][month_from(state.month)] += state.total_tiyin
        for institution, months in earned.items():
            for month in list(months):
                if month - 12 in months:
                    self.add("income.matched", institution, month, months[month])
                    self.add("income.before", institution, month, months[month - 12])

    def visit(self, state: VisitState) -> None:
        at = state.institution_id
        if state.status == VisitStatus.CANCELLED:
            for cause in state.cancelled_for if state.cancelled_on else ():
                if cause != "none" and state.cancelled_on:
                    self.add(f"cause.{cause}", at, month_of(state.cancelled_on), 1)
            return
        self.add("visits.planned", at, month_of(local_day(state.planned_start)), 1)
        if state.status == VisitStatus.HELD and state.held_on:
            month = month_of(state.held_on)
            self.add("visits.held", at, month, 1)
            self.add("visits.punctual", at, month, bool(state.punctual))
            for cause in state.protocol.causes if state.protocol else ():
                if cause != "none":
                    self.add(f"cause.{cause}", at, month, 1)

    def conversion(self) -> None:
        signed: dict[tuple[str, str, str], list[date]] = defaultdict(list)
        for agreement in self.country.agreements.values():
            if agreement.status not in (AgreementStatus.DRAFT, AgreementStatus.CANCELLED) and agreement.signed_on:
                for party in agreement.parties:
                    key = agreement.institution_id, str(party.category), party.ref
                    signed[key].append(agreement.signed_on)
        for visit in self.country.others[VisitState].values():
            assert isinstance(visit, VisitState)
            held = visit.held_on
            if visit.status != VisitStatus.HELD or not held:
                continue
            days = signed[visit.institution_id, str(visit.category), visit.enterprise_id or visit.partner_ref or ""]
            if any(held <= day <= later(held, CONVERSION_MONTHS) for day in days):
                self.add("visits.converted", visit.institution_id, month_of(held), 1)

    def next_action(self, state: NextActionState) -> None:
        if state.status != "cancelled":
            self._due("actions", state.institution_id, state.due_on, state.done_on)

    def submission(self, state: SubmissionState) -> None:
        if state.level == "nation":
            return
        name, month = f"reports.{state.level}", parse(state.period).last
        self.add(f"{name}.expected", state.place, month, 1)
        self.add(f"{name}.submitted", state.place, month, state.status in ("submitted", "approved", "locked"))
        self.add(f"{name}.on_time", state.place, month, bool(state.submitted_on and state.submitted_on <= state.due_on))
        self.add(f"{name}.approved", state.place, month, state.status in ("approved", "locked"))

    def work_plan(self, state: WorkPlanState) -> None:
        for measure in state.measures:
            if measure.status != "cancelled":
                self._due("plan", state.institution_id, measure.due_on, measure.done_on)

    def _due(self, name: str, at: str, due_on: date, done_on: date | None) -> None:
        self.add(f"{name}.due", at, month_of(due_on), 1)
        self.add(f"{name}.done", at, month_of(due_on), done_on is not None)
        self.add(f"{name}.on_time", at, month_of(due_on), done_on is not None and done_on <= due_on)

    def standing(self, institution: str, steps: dict[str, list[tuple[date, int]]]) -> None:
        for name, series in steps.items():
            for month in self.months if any(value for _, value in series) else ():
                self.add(name, institution, month, standing_at(series, _last_day(month), 0))

    def values(self) -> Values:
        found = {key: value for key, value in self.sums.items() if value}
        found.update((key, len(members)) for key, members in self.sets.items() if members)
        found.update(self.rolling())
        return found

    def rolling(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Distinct members of each twelve months that have any."""
        monthly: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(dict)
        for (name, place, period), members in self.sets.items():
            if members and BY_NAME[name].kind is Kind.SET_FLOW and parse(period).kind is PeriodKind.MONTH:
                monthly[name, place][month_from(period)] = members
        for (name, place), months in monthly.items():
            for end in sorted({month + after for month in months for after in range(12)}):
                within = [months[month] for month in range(end - 11, end + 1) if month in months]
                yield (name, place, period_at(PeriodKind.ROLLING_12, end).text), len(set().union(*within))


def live_values(cells: Iterable[tuple[str, str, str, int]], months: Iterable[int]) -> Values:
    """The live path's cells (measure, place, period, amount) as values.

    Stocks are summed up to each of `months`, rolling months up to every one.
    """
    values: Values = {}
    stocks: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    rolling: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for name, place, period, amount in cells:
        if BY_NAME[name].kind in (Kind.STOCK, Kind.SET_STOCK):
            stocks[name, place].append((month_from(period), amount))
        elif parse(period).kind is PeriodKind.ROLLING_12:
            rolling[name, place].append((parse(period).last, amount))
        elif amount:
            values[name, place, period] = amount
    ordered = sorted(set(months))
    for (name, place), changes in stocks.items():
        for month in ordered:
            total = sum(amount for since, amount in changes if since <= month)
            if total:
                values[name, place, _text(month)] = total
    for (name, place), changes in rolling.items():
        changes.sort()
        total = 0
        for (since, amount), (until, _) in zip(changes, [*changes[1:], changes[-1]], strict=True):
            total += amount
            for month in range(since, until) if total else ():
                values[name, place, period_at(PeriodKind.ROLLING_12, month).text] = total
        if total:  # never: who was there is gone twelve months later
            values[name, place, period_at(PeriodKind.ROLLING_12, changes[-1][0]).text] = total
    return values


def _dates_of(country: Country) -> Iterator[int]:
    """Every month in which some stock may change, the lapse twelve months after an activity included."""
    for institution in country.institutions.values():
        for day in (institution.opened_on, institution.closed_on):
            if day:
                yield month_of(day)
        yield from (month_of(membership.since) for membership in institution.membership)
    for agreement in country.agreements.values():
        for period in agreement.active_periods:
            yield month_of(period.since)
            if period.until:
                yield month_of(period.until)
    for _, _, _, month in _work(country):
        yield month
        yield month + 12


def _periods(month: int) -> list[str]:
    return [period_at(kind, month).text for kind in PeriodKind if kind is not PeriodKind.ROLLING_12]


def _text(month: int) -> str:
    return period_at(PeriodKind.MONTH, month).text


def _last_day(month: int) -> date:
    year, number = divmod(month + 1, 12)
    if year > date.max.year:
        return date.max
    return date(year, number + 1, 1) - timedelta(days=1)
