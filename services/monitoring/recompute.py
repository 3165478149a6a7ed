"""Every value once more, by brute force, straight from the final states: the proof that the live path is right.

Shares nothing with the live path but the measures' names and the notation of periods. No differences, no reference
counts: for every month each state is asked whether it counts then, and sets are sets. Obviously right, not fast.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.monitoring.domain.measures import BY_NAME, CATALOGUE_FORMS, Kind
from services.monitoring.domain.periods import PeriodKind, first_month_of_year, month_from, month_of, period_at
from shared.contracts.agreements import (
    ActivityState,
    ActivityStatus,
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
)
from shared.contracts.events import State
from shared.contracts.partners import EnrolmentState, InstitutionState, TerritoryState
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import Form, PartyCategory

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

    def keep(self, state: State) -> None:
        """Take in a state unless a newer one is there; kinds that nothing measures are left out."""
        room: dict[str, State] | None = {
            TerritoryState: self.territory,
            InstitutionState: self.institutions,
            EnrolmentState: self.enrolments,
            AgreementState: self.agreements,
            ActivityState: self.activities,
            EmploymentState: self.employments,
            ResponseState: self.responses,
        }.get(type(state))  # type: ignore[assignment]  # each room holds its own kind
        if room is not None and (state.id not in room or room[state.id].version < state.version):
            room[state.id] = state

    def __len__(self) -> int:
        return sum(len(room) for room in vars(self).values())

    def above(self, institution_id: str, month: int) -> Iterator[str]:
        """The institution and every place above it at the end of a month."""
        yield institution_id
        institution = self.institutions.get(institution_id)
        if institution is None or not institution.membership:
            return
        dated = sorted(institution.membership, key=lambda membership: membership.since)
        last_day = _last_day(month)
        district = dated[0].district
        for membership in dated:
            if membership.since <= last_day:
                district = membership.district
        place: str | None = district
        while place:
            yield place
            known = self.territory.get(place)
            # A district whose own event is missing: SOATO codes carry their parents as prefixes (2, 4 and 7 digits).
            place = known.parent if known else {7: place[:4], 4: place[:2]}.get(len(place))


def recompute(country: Country, months: Iterable[int] = (), progress: Progress = lambda _: None) -> Values:
    """All values of the country; stocks at every month in which a state says something, and at `months` besides.

    `progress` is told the number of states done after each thousand.
    """
    at = sorted({*months, *_dates_of(country)})
    book = _Book(country, at)
    done = 0
    rules: list[tuple[Iterable[State], Callable[..., None]]] = [
        (country.institutions.values(), book.institution),
        (country.enrolments.values(), book.enrolment),
        (country.agreements.values(), book.agreement),
        (country.activities.values(), book.activity),
        (country.employments.values(), book.employment),
        (country.responses.values(), book.response),
    ]
    for states, rule in rules:
        for state in states:
            rule(state)
            done += 1
            if done % 1000 == 0:
                progress(done)
    book.variety()
    return book.values()


class _Book:
    """Sums and sets as the states are read in."""

    def __init__(self, country: Country, months: list[int]) -> None:
        self.country = country
        self.months = months
        self.sums: Values = defaultdict(int)
        self.sets: dict[tuple[str, str, str], set[str]] = defaultdict(set)
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

    def activity(self, state: ActivityState) -> None:
        if state.status != ActivityStatus.CANCELLED:
            self.add(f"form.{state.form}.activities", state.institution_id, month_of(state.held_on), 1)
            self.held[state.institution_id, state.form].add(month_of(state.held_on))

    def employment(self, state: EmploymentState) -> None:
        if state.status == EmploymentStatus.CANCELLED:
            return
        month = month_of(state.started_on)
        who = f"{state.institution_id}/{state.graduate_ref}"
        for period in _periods(month):
            self.member("graduates.employed", state.institution_id, month, who, period)
            if state.status == EmploymentStatus.CONFIRMED or state.confirmed_on is not None:
                self.member("graduates.confirmed", state.institution_id, month, who, period)

    def response(self, state: ResponseState) -> None:
        if state.index_thousandths is None:
            return
        month = month_from(state.month)
        for period in _periods(month):
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

    def values(self) -> Values:
        found = {key: value for key, value in self.sums.items() if value}
        found.update((key, len(members)) for key, members in self.sets.items())
        return found


def live_values(cells: Iterable[tuple[str, str, str, int]], months: Iterable[int]) -> Values:
    """The live path's cells (measure, place, period, amount) as values: stocks summed up to each of `months`."""
    values: Values = {}
    stocks: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for name, place, period, amount in cells:
        if BY_NAME[name].kind in (Kind.STOCK, Kind.SET_STOCK):
            stocks[name, place].append((month_from(period), amount))
        elif amount:
            values[name, place, period] = amount
    ordered = sorted(set(months))
    for (name, place), changes in stocks.items():
        for month in ordered:
            total = sum(amount for since, amount in changes if since <= month)
            if total:
                values[name, place, _text(month)] = total
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
    for activity in country.activities.values():
        yield month_of(activity.held_on)
        yield month_of(activity.held_on) + 12


def _periods(month: int) -> list[str]:
    return [period_at(kind, month).text for kind in PeriodKind]


def _text(month: int) -> str:
    return period_at(PeriodKind.MONTH, month).text


def _last_day(month: int) -> date:
    year, number = divmod(month + 1, 12)
    if year > date.max.year:
        return date.max
    return date(year, number + 1, 1) - timedelta(days=1)
