"""A small country and what happens in it: histories of contract states for the tests and benches of monitoring."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from services.monitoring.domain.measures import BY_NAME, Kind
from services.monitoring.domain.periods import PeriodKind, month_from, parse
from services.monitoring.recompute.country import Country
from services.monitoring.recompute.parts import Values
from shared.contracts.agreements import (
    ActivePeriod,
    ActivityState,
    ActivityStatus,
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
    InternshipTerm,
    Party,
)
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event, State
from shared.contracts.partners import (
    EnrolmentState,
    EnterpriseState,
    InstitutionState,
    InstitutionStatus,
    Membership,
    Programme,
    TerritoryState,
)
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import (
    Form,
    InstitutionKind,
    PartyCategory,
    RespondentGroup,
    TerritoryLevel,
)
from shared.ids import new_id, shard_of
from tests.support.monitoring_more import MORE

NATION = "17"
STOCKS = (Kind.STOCK, Kind.SET_STOCK)
START = datetime(2026, 1, 1, tzinfo=UTC)
A_PROGRAMME = Programme(code="1", title="x", isced_level=3, isced_field="0715", occupations=("7212",))
FACTS: dict[type[State], tuple[str, str, str]] = {
    TerritoryState: ("partners", "territory", "recorded"),
    InstitutionState: ("partners", "institution", "updated"),
    EnrolmentState: ("partners", "enrolment", "reported"),
    EnterpriseState: ("partners", "enterprise", "updated"),
    AgreementState: ("agreements", "agreement", "amended"),
    ActivityState: ("agreements", "activity", "recorded"),
    EmploymentState: ("agreements", "employment", "corrected"),
    ResponseState: ("surveys", "response", "recorded"),
    **{kind: (service, aggregate, fact) for kind, (service, aggregate, fact, _) in MORE.items()},
}


@dataclass
class Story:
    """States in the order in which they were told, and the events that tell them with their streams' positions."""

    random: Random
    first: date = date(2024, 9, 1)
    days: int = 800
    events: list[Event] = field(default_factory=list)
    country: Country = field(default_factory=Country)
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    districts: list[str] = field(default_factory=list)
    institutions: list[str] = field(default_factory=list)
    enterprises: list[str] = field(default_factory=list)
    latest: dict[str, State] = field(default_factory=dict)

    def tell(self, state: State) -> None:
        """Append the event that carries the state."""
        service, aggregate, fact = FACTS[type(state)]
        key = str(getattr(state, "institution_id", None) or getattr(state, "place", state.id))
        shard = shard_of(key)
        self.positions[service, shard] += 1
        name = f"hamkor.{service}.{aggregate}.{fact}.v1"
        assert name in REGISTRY
        self.country.keep(state)
        self.latest[state.id] = state
        self.events.append(
            Event(
                id=new_id(),
                type=name,
                source=service,
                subject=f"{aggregate}/{state.id}",
                key=key,
                time=START + timedelta(seconds=len(self.events)),
                shard=shard,
                position=self.positions[service, shard],
                data=state.model_dump_json().encode(),
            )
        )

    def next_version(self, ident: str) -> int:
        """1, 2, 3 … per aggregate."""
        self.versions[ident] += 1
        return self.versions[ident]

    def day(self) -> date:
        """Some day of the story's time."""
        return self.first + timedelta(days=self.random.randrange(self.days))

    def unit(self, code: str, level: TerritoryLevel, parent: str | None) -> None:
        """A unit of the territory."""
        path = {2: f"/{code}/", 4: f"/{code[:2]}/{code}/"}.get(len(code), f"/{code[:2]}/{code[:4]}/{code}/")
        names = {"uz": f"Joy {code}"}
        state = TerritoryState(
            id=code, version=self.next_version(code), level=level, parent=parent, path=path, names=names
        )
        self.tell(state)

    def territory(self, regions: int, districts: int) -> None:
        """The nation, its regions and `districts` in each."""
        self.unit(NATION, TerritoryLevel.NATION, None)
        for region in range(regions):
            self.unit(f"17{region:02d}", TerritoryLevel.REGION, NATION)
            for district in range(districts):
                code = f"17{region:02d}{district:03d}"
                self.districts.append(code)
                self.unit(code, TerritoryLevel.DISTRICT, code[:4])

    def an_institution(self, district: str | None = None, opened_on: date | None = None) -> str:
        """A new institution's ident; nothing is told yet."""
        ident = new_id()
        self.institutions.append(ident)
        self.place(ident, [(district or self.random.choice(self.districts), opened_on or self.first)])
        return ident

    def place(
        self,
        ident: str,
        membership: Sequence[tuple[str, date]],
        closed_on: date | None = None,
        successor: str | None = None,
    ) -> None:
        """Tell an institution's membership, and below whom it lies since it was merged."""
        dated = tuple(
            Membership(district=district, since=since)
            for district, since in sorted(membership, key=lambda each: each[1])
        )
        district = dated[-1].district
        above = (
            self.country.institutions[successor].path if successor else f"/{district[:2]}/{district[:4]}/{district}/"
        )
        self.tell(
            InstitutionState(
                id=ident,
                version=self.next_version(ident),
                code=ident[-12:],
                kind=InstitutionKind.COLLEGE,
                name="Kollej",
                status=InstitutionStatus.CLOSED if closed_on else InstitutionStatus.ACTIVE,
                path=f"{above}{ident}/",
                successor_id=successor,
                membership=dated,
                programmes=self.random.choice([(), (A_PROGRAMME,)]),
                opened_on=None if self.random.random() < 0.3 else dated[0].since,
                closed_on=closed_on,
            )
        )

    def move(self) -> None:
        """An institution moves to some district on some day – or its last move is corrected, or it closes."""
        ident = self.random.choice(self.institutions)
        old = self.latest[ident]
        assert isinstance(old, InstitutionState)
        membership = [(each.district, each.since) for each in old.membership]
        chance = self.random.random()
        if chance < 0.2 and len(membership) > 1:
            membership.pop()
        elif chance < 0.9:
            membership.append((self.random.choice(self.districts), self.day()))
        self.place(ident, membership, self.day() if chance > 0.8 else None)

    def enrol(self) -> None:
        """A report of some academic year, or its correction."""
        institution = self.random.choice(self.institutions)
        year = self.random.choice(["2024-25", "2025-26", "2026-27"])
        ident = f"{institution[:-4]}{year[2:4]}{year[5:]}"

        def figure() -> int | None:
            return None if self.random.random() < 0.2 else self.random.randrange(300)

        self.tell(
            EnrolmentState(
                id=ident,
                version=self.next_version(ident),
                institution_id=institution,
                academic_year=year,
                places=figure(),
                first_choice=figure(),
                teachers=figure(),
            )
        )

    def an_enterprise(self) -> str:
        """An enterprise's ident."""
        return self.random.choice(self.enterprises)

    def agree(self, ident: str | None = None) -> None:
        """A new agreement in any state, or (with `id`) any other state of that one."""
        old = self.latest.get(ident or "")
        institution = old.institution_id if isinstance(old, AgreementState) else self.random.choice(self.institutions)
        ident = ident or new_id()
        signed = self.day()
        status = self.random.choice([*AgreementStatus, AgreementStatus.ACTIVE, AgreementStatus.ACTIVE])
        ended = signed + timedelta(days=self.random.randrange(400))
        over = status in (AgreementStatus.ENDED, AgreementStatus.EXPIRED)
        periods: list[ActivePeriod] = []
        if status not in (AgreementStatus.DRAFT, AgreementStatus.SIGNED):
            since = signed
            while since < ended and self.random.random() < 0.7:
                until = min(ended, since + timedelta(days=self.random.randrange(1, 200)))
                periods.append(ActivePeriod(since=since, until=until))
                since = until + timedelta(days=self.random.randrange(1, 60))
            if not over:
                periods.append(ActivePeriod(since=max(since, signed)))
        categories = [PartyCategory.ENTERPRISE] * self.random.randrange(3)
        categories += self.random.sample(
            [PartyCategory.LABOUR_BODY, PartyCategory.HOKIMIYAT, PartyCategory.STUDENT], self.random.randrange(3)
        )
        parties = [Party(party_id="1", category=PartyCategory.INSTITUTION, ref=institution)] + [
            Party(
                party_id=str(number),
                category=category,
                ref=self.an_enterprise() if category is PartyCategory.ENTERPRISE else f"ref-{number}",
            )
            for number, category in enumerate(categories, start=2)
        ]
        self.tell(
            AgreementState(
                id=ident,
                version=self.next_version(ident),
                institution_id=institution,
                form=old.form if isinstance(old, AgreementState) else self.random.choice(list(Form)),
                opportunities=(),
                status=status,
                parties=tuple(parties),
                valid_from=signed,
                valid_until=ended,
                signed_on=None if status is AgreementStatus.DRAFT else signed,
                ended_on=ended if over else None,
                active_periods=tuple(periods),
                schedule=tuple(
                    InternshipTerm(
                        term=str(number),
                        starts_on=self.day(),
                        ends_on=self.day(),
                        profession="7212",
                        seats=self.random.randrange(40),
                        filled=self.random.randrange(40),
                        completed=self.random.randrange(40),
                    )
                    for number in range(self.random.randrange(3))
                ),
                schedule_complete=self.random.random() < 0.5,
            )
        )

    def act(self, ident: str | None = None) -> None:
        """An activity, or (with `id`) its cancellation."""
        old = self.latest.get(ident or "")
        if isinstance(old, ActivityState):
            changes = {"version": self.next_version(old.id), "status": ActivityStatus.CANCELLED}
            self.tell(old.model_copy(update=changes))
            return
        ident = new_id()
        institution = self.random.choice(self.institutions)
        self.tell(
            ActivityState(
                id=ident,
                version=self.next_version(ident),
                institution_id=institution,
                agreement_id=self.an_agreement(institution),
                form=self.random.choice(list(Form)[:4]),
                status=ActivityStatus.RECORDED,
                held_on=self.day(),
                participants=10,
            )
        )

    def employ(self, ident: str | None = None) -> None:
        """A graduate's employment, or (with `id`) its correction, confirmation, end or cancellation."""
        old = self.latest.get(ident or "")
        institution = old.institution_id if isinstance(old, EmploymentState) else self.random.choice(self.institutions)
        ident = ident or new_id()
        status = self.random.choice(list(EmploymentStatus))
        started = self.day()
        confirmed = status is EmploymentStatus.CONFIRMED or self.random.random() < 0.2
        self.tell(
            EmploymentState(
                id=ident,
                version=self.next_version(ident),
                institution_id=institution,
                graduate_ref=str(self.random.randrange(4)),
                enterprise_id=self.an_enterprise(),
                profession="7212",
                status=status,
                started_on=started,
                confirmed_on=started if confirmed else None,
            )
        )

    def respond(self) -> None:
        """An answer to a questionnaire."""
        ident = new_id()
        day = self.day()
        self.tell(
            ResponseState(
                id=ident,
                version=1,
                campaign_id=new_id(),
                group=self.random.choice(list(RespondentGroup)[:3]),
                institution_id=self.random.choice(self.institutions),
                month=f"{day:%Y-%m}",
                index_thousandths=None if self.random.random() < 0.1 else self.random.randrange(100_001),
                dimensions={},
            )
        )

    def an_agreement(self, institution: str) -> str:
        """The ident of an agreement of the institution, or of one that nobody told about."""
        told = [
            state.id
            for state in self.latest.values()
            if isinstance(state, AgreementState) and state.institution_id == institution
        ]
        return self.random.choice([*told, new_id()])

    def do(self, ident: str | None = None) -> None:
        """Something of preparation, contacts, practice or the final stage, or (with `id`) any other state of it."""
        old = self.latest.get(ident or "")
        kind = type(old) if old is not None else self.random.choice(list(MORE))
        institution = getattr(old, "institution_id", None) or self.random.choice(self.institutions)
        ident = ident or new_id()
        make = MORE[kind][3]
        self.tell(make(self, {"id": ident, "version": self.next_version(ident), "institution_id": institution}))

    def go_on(self, steps: int) -> None:
        """Let `steps` things happen."""
        for _ in range(steps):
            again = self.random.choice(list(self.latest)) if self.random.random() < 0.4 else ""
            match self.latest.get(again):
                case AgreementState():
                    self.agree(again)
                case ActivityState():
                    self.act(again)
                case EmploymentState():
                    self.employ(again)
                case state if type(state) in MORE:
                    self.do(again)
                case _:
                    new: list[Any] = [self.agree, self.act, self.employ, self.enrol, self.respond, self.move]
                    self.random.choice(new + [self.do] * 6)()


def a_story(random: Random, steps: int, *, institutions: int = 4, regions: int = 2, districts: int = 2) -> Story:
    """A country with institutions in which `steps` things happened."""
    story = Story(random)
    story.territory(regions, districts)
    story.enterprises = [new_id() for _ in range(3)]
    for _ in range(institutions):
        story.an_institution()
    story.go_on(steps)
    return story


def final_states(events: Iterable[Event]) -> Country:
    """The country that the events tell of."""
    country = Country()
    for event in events:
        country.keep(REGISTRY[event.type].model.model_validate_json(event.data))
    return country


def cells_by_name(cells: Iterable[tuple[str, str, str, int]]) -> Values:
    """Cells (measure, place, period, amount) other than zero, by their names."""
    return {(name, place, period): amount for name, place, period, amount in cells if amount}


def shown(values: Values, month: str) -> Values:
    """The values with stocks, which are kept as changes, summed up to a month."""
    found = {key: value for key, value in values.items() if BY_NAME[key[0]].kind not in STOCKS}
    for (name, place, period), change in values.items():
        kept_by_month = (
            BY_NAME[name].kind in STOCKS and period[-5:] != " year" and parse(period).kind is PeriodKind.MONTH
        )
        if kept_by_month and month_from(period) <= month_from(month):
            found[name, place, month] = found.get((name, place, month), 0) + change
    return found


def differing(values: Mapping[Any, Any], proof: Mapping[Any, Any]) -> list[tuple[Any, Any, Any]]:
    """(key, live value, recomputed value) of the first of those that differ: two whole countries are no message."""
    keys = [key for key in values.keys() | proof.keys() if values.get(key) != proof.get(key)]
    return [(key, values.get(key), proof.get(key)) for key in sorted(keys)[:20]]
