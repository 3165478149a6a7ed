"""What institutions and enterprises do: pure generators of deeds, in the order of days, the same for the same seed."""

import heapq
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from deploy.api_client import Answer, Problem
from deploy.cli.simulation.acts import Act, Deed, Interview, Look, Response, Work
from deploy.cli.simulation.answers import answer
from deploy.cli.simulation.country import ISCED_LEVELS, PLACES, PlannedEnterprise, PlannedInstitution, sector, tilt
from shared.contracts.agreements import OtherPurpose
from shared.contracts.vocabulary import Form, InstitutionKind, PartnerCategory, PartyCategory

FORMS: Final[Mapping[Form, float]] = {
    Form.AF1: 34,
    Form.AF2: 21,
    Form.AF3: 6,
    Form.AF4: 10,
    Form.AF5: 6,
    Form.AF6: 5,
    Form.AF7: 8,
    Form.AF8: 8,
    Form.AF9: 2,
}
"""Practice and employment of graduates are most of the agreements there are."""

OPPORTUNITIES: Final[Mapping[Form, tuple[str, ...]]] = {
    Form.AF1: ("O4",),
    Form.AF2: ("O1", "O6"),
    Form.AF3: ("O2", "O3"),
    Form.AF4: ("O5",),
    Form.AF5: ("O7",),
    Form.AF6: ("O1", "O7"),
    Form.AF7: ("O2",),
    Form.AF8: ("O3", "O5"),
    Form.AF9: ("O1",),
}
PARTICIPANTS: Final[Mapping[Form, tuple[int, int]]] = {
    Form.AF1: (5, 30),
    Form.AF2: (3, 25),
    Form.AF3: (1, 4),
    Form.AF4: (1, 5),
    Form.AF5: (5, 40),
    Form.AF6: (8, 25),
    Form.AF7: (1, 6),
    Form.AF8: (1, 3),
    Form.AF9: (2, 20),
}


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise of the register; one that is `doubled` will be merged away and doesn't act for itself."""

    id: str
    sector: str
    region: str
    doubled: bool = False

    @property
    def user(self) -> str:
        """Who acts for it."""
        return f"enterprise:{self.id}"


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution of the register."""

    id: str
    code: str
    kind: InstitutionKind
    sector: str
    region: str

    @property
    def user(self) -> str:
        """Who acts for it."""
        return f"institution:{self.id}"


@dataclass
class World:
    """What everybody knows: the day, the enterprises by region, the questionnaires."""

    today: date
    enterprises: dict[str, list[Enterprise]] = field(default_factory=dict)
    instruments: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, enterprise: Enterprise) -> None:
        """Let it be found by institutions of its region."""
        self.enterprises.setdefault(enterprise.region, []).append(enterprise)

    def partners_of(
        self, institution: Institution, random: Random, count: int, *, doubles: bool = False
    ) -> list[Enterprise]:
        """Enterprises of the region, of the institution's sector first; some from elsewhere where there are too few."""
        near = list(self.enterprises.get(institution.region, ()))
        if len(near) < count:
            near += [each for inside in self.enterprises.values() for each in inside if each not in near][:count]
        near = [each for each in near if doubles or not each.doubled]
        random.shuffle(near)
        near.sort(key=lambda each: each.sector != institution.sector and random.random() < 0.6)
        return near[:count]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days of simulated history from `start` to `today`; `at_once` is life as it happens: whatever is done is today."""

    start: date
    today: date
    at_once: bool = False

    def day(self, offset: float) -> date:
        """The day so many days after the start."""
        return self.today if self.at_once else self.start + timedelta(days=int(offset))

    def reached(self, offset: float) -> bool:
        """Whether that day has come."""
        return self.at_once or self.day(offset) <= self.today

    @property
    def length(self) -> int:
        """Days from start to today."""
        return (self.today - self.start).days


def register_enterprise(planned: PlannedEnterprise, on: date) -> Generator[Deed, Answer, Enterprise]:
    """Enter an enterprise into the national register."""
    body = {
        "stir": planned.stir,
        "name": planned.name,
        "size": planned.size.value,
        "isic_section": planned.sector,
        "district": planned.district,
    }
    if planned.union:
        body["union_affiliation"] = planned.union
    region = planned.district[:4]
    done = yield Act(on, "enterprise.register", f"region:{region}", "POST", "partners", "/v1/enterprises", body)
    return Enterprise(done.id, planned.sector, region, planned.double_of is not None)


def by_day(works: Iterable[Work]) -> Work:
    """Works beside each other: always the deed of the earliest day next. A work whose deed is refused ends there."""
    waiting: list[tuple[date, int, Work, Deed]] = []
    for number, work in enumerate(works):
        _wait(waiting, number, work, None)
    while waiting:
        _, number, work, deed = heapq.heappop(waiting)
        try:
            done = yield deed
        except Problem:
            work.close()
            continue
        _wait(waiting, number, work, done)


def _wait(waiting: list[tuple[date, int, Work, Deed]], number: int, work: Work, done: Answer | None) -> None:
    try:
        deed = next(work) if done is None else work.send(done)
    except StopIteration:
        return
    heapq.heappush(waiting, (deed.on, number, work, deed))


def begun_within(random: Random, calendar: Calendar, share: float) -> Calendar:
    """The calendar of a work that begins somewhere in the first `share` of the days."""
    return Calendar(calendar.day(random.uniform(0, calendar.length * share)), calendar.today)


# -- the register


def register_institution(
    planned: PlannedInstitution, random: Random, calendar: Calendar
) -> Generator[Deed, Answer, Institution]:
    """Enter an institution, with the programmes it teaches."""
    on, region = calendar.day(0), planned.district[:4]
    body = {
        "code": planned.code,
        "name": planned.name,
        "kind": planned.kind.value,
        "district": planned.district,
        "sector": planned.sector,
        "opened_on": planned.opened_on.isoformat(),
    }
    done = yield Act(on, "institution.register", f"region:{region}", "POST", "partners", "/v1/institutions", body)
    institution = Institution(done.id, planned.code, planned.kind, planned.sector, region)
    trades = list(sector(planned.sector).trades)
    random.shuffle(trades)
    programmes = [
        {
            "code": f"P{isco}",
            "title": title,
            "isced_level": ISCED_LEVELS[planned.kind],
            "isced_field": field_,
            "occupations": [isco],
        }
        for field_, isco, title in trades[: random.randint(1, 4)]
    ]
    path = f"/v1/institutions/{institution.id}/programmes"
    yield Act(on, "institution.programmes", institution.user, "PUT", "partners", path, {"programmes": programmes})
    return institution


def academic_year(day: date) -> int:
    """The calendar year in which the academic year of `day` began (September–August)."""
    return day.year if day.month >= 9 else day.year - 1


def figures(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """Enrolment reports of the last and the present academic year; some are corrected."""
    this_year = academic_year(calendar.today)
    low, high = PLACES[institution.kind]
    places = random.randrange(low, high + 1, 5)
    body: dict[str, int] = {}
    for year in (this_year - 1, this_year):
        body = {
            "places": places,
            "first_choice": _applications(institution, places, random),
            "teachers": max(6, round(places / random.uniform(7, 11))),
        }
        if year < this_year:
            body["graduates"] = round(places * random.uniform(0.7, 0.98))
        yield _enrolment(institution, year, body, calendar.day(0))
        places += random.choice((0, 0, 5, 10, 15))
    if random.random() < 0.15 and calendar.reached(calendar.length / 2):
        body["first_choice"] = round(body["first_choice"] * random.uniform(0.8, 1.2))
        yield _enrolment(institution, this_year, body, calendar.day(calendar.length / 2))


def _applications(institution: Institution, places: int, random: Random) -> int:
    return round(places * tilt(institution.region, "demand") * random.lognormvariate(0.1, 0.4))


def _enrolment(institution: Institution, year: int, body: Mapping[str, int], on: date) -> Act:
    path = f"/v1/institutions/{institution.id}/enrolments/{year}-{(year + 1) % 100:02d}"
    return Act(on, "enrolment.report", institution.user, "PUT", "partners", path, body)


def correct_figures(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """The present year's report anew."""
    low, high = PLACES[institution.kind]
    places = random.randrange(low, high + 1, 5)
    body = {
        "places": places,
        "first_choice": _applications(institution, places, random),
        "teachers": max(6, round(places / random.uniform(7, 11))),
    }
    yield _enrolment(institution, academic_year(calendar.today), body, calendar.day(0))


def move(institution: Institution, district: str, calendar: Calendar) -> Work:
    """The institution belongs to another district from the middle of the time on."""
    on = calendar.day(calendar.length / 2)
    body = {"district": district, "since": on.isoformat()}
    path = f"/v1/institutions/{institution.id}/move"
    yield Act(on, "institution.move", f"region:{institution.region}", "POST", "partners", path, body)


def merge(double: Enterprise, original: Enterprise, on: date) -> Work:
    """The ministry ends a duplicate entry of the register."""
    path = f"/v1/enterprises/{double.id}/merge"
    yield Act(on, "enterprise.merge", "ministry", "POST", "partners", path, {"into": original.id})


def partnership(institution: Institution, partner: Enterprise, random: Random, calendar: Calendar) -> Work:
    """An enterprise becomes a partner: planned at first, or at once."""
    forms = sorted(set(_forms(random, random.randint(1, 3))))
    existing = random.random() < 0.6
    body = {
        "institution_id": institution.id,
        "category": PartnerCategory.ENTERPRISE.value,
        "enterprise_id": partner.id,
        "stage": "existing" if existing else "future",
        "forms": forms,
        "opportunities": sorted({each for form in forms for each in OPPORTUNITIES[Form(form)]}),
        "since": calendar.day(0).isoformat(),
    }
    on = calendar.day(0)
    done = yield Act(on, "partnership.record", institution.user, "POST", "partners", "/v1/partnerships", body)
    later = random.uniform(10, 40)
    if not existing and not partner.doubled and random.random() < 0.6 and calendar.reached(later):
        path = f"/v1/partnerships/{done.id}"
        change = {"stage": "existing", "changed_on": calendar.day(later).isoformat()}
        yield Act(calendar.day(later), "partnership.update", institution.user, "PATCH", "partners", path, change)


def other_partnership(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """A partner that is no enterprise: the hokimiyat, the employment centre, an association."""
    category = random.choice([each for each in PartnerCategory if each is not PartnerCategory.ENTERPRISE])
    body = {
        "institution_id": institution.id,
        "category": category.value,
        "partner_ref": f"{category.value.replace('_', '-')}-{institution.region}",
        "stage": "existing",
        "forms": ["AF2"],
        "opportunities": ["O1", "O6"],
        "since": calendar.day(0).isoformat(),
    }
    yield Act(calendar.day(0), "partnership.record", institution.user, "POST", "partners", "/v1/partnerships", body)


def _forms(random: Random, count: int) -> list[str]:
    return [form.value for form in random.choices(list(FORMS), list(FORMS.values()), k=count)]


# -- agreements


Also = Callable[[Institution, Enterprise, Answer, Form, Random, Calendar], Iterable[Work]]
"""What else is done under a signed agreement."""


def agreement(
    institution: Institution,
    partners: Sequence[Enterprise],
    mark: str,
    random: Random,
    calendar: Calendar,
    also: Also | None = None,
) -> Work:
    """An agreement from draft to what becomes of it: signed, scheduled, worked under, amended, suspended, ended.

    `mark` begins the numbers of the graduates it employs.
    """
    form = Form(_forms(random, 1)[0])
    partner = random.choice(partners)
    parties = _parties(institution, partner, form, random)
    begins = random.choice((0, 0, 2, 5))
    since = calendar.day(begins)
    short = random.random() < 0.08
    until = since + timedelta(days=random.randint(25, 45) if short else random.choice((365, 365, 730, 1095)))
    body = {
        "institution_id": institution.id,
        "form": form.value,
        "opportunities": list(OPPORTUNITIES[form]),
        "parties": parties,
        "valid_from": since.isoformat(),
        "valid_until": until.isoformat(),
    }
    last = yield Act(calendar.day(0), "agreement.draft", institution.user, "POST", "agreements", "/v1/agreements", body)
    hand = _Hand(institution, calendar, last.id)
    fate = random.random()
    if fate < 0.05:
        if calendar.reached(6):
            yield hand.act(6, "cancel", None, last.version)
        return
    signers = len(parties) - 1 if fate < 0.09 else len(parties)
    scheduled = form is Form.AF1 and random.random() < 0.85
    if scheduled and until < calendar.today:
        # Signed today it is over at once: what was planned must stand before.
        last = yield _schedule(hand, random, 0, since, until, last.version)
    offset = 0.0
    for number, party in enumerate(parties[:signers], start=1):
        offset += random.choice((0, 0, 1, 2, 3))
        if not calendar.reached(offset):
            return
        last = yield hand.signature(offset, number, party, partner, random, last.version)
    if signers < len(parties):
        return
    works: list[Work] = [_under(hand, form, random, max(offset, begins), last, changes=not short, scheduled=scheduled)]
    if form is Form.AF2:
        for place in range(random.randint(1, 4)):
            begin = Calendar(calendar.day(offset + random.uniform(2, 30)), calendar.today, calendar.at_once)
            ref = f"G{institution.code}-{mark}-{place}"
            works.append(employment(institution, partner, ref, random, begin, agreement_id=last.id))
    if also is not None and not short:
        later = Calendar(calendar.day(max(offset, begins) + random.uniform(1, 12)), calendar.today, calendar.at_once)
        works += also(institution, partner, last, form, random, later)
    yield from by_day(works)


@dataclass(frozen=True, slots=True)
class _Hand:
    """Whoever works on one agreement."""

    institution: Institution
    calendar: Calendar
    id: str

    def act(self, offset: float, step: str, body: Mapping[str, Any] | None, version: int | None) -> Act:
        """A step by the institution."""
        path = f"/v1/agreements/{self.id}/{step}"
        on = self.calendar.day(offset)
        return Act(on, f"agreement.{step}", self.institution.user, "POST", "agreements", path, body, version)

    def signature(
        self,
        offset: float,
        number: int,
        party: Mapping[str, str],
        partner: Enterprise,
        random: Random,
        version: int,
    ) -> Act:
        """A party's signature: electronic by itself, or on paper and recorded by the institution."""
        category = party["category"]
        body = {"party_id": f"p{number}", "signed_on": self.calendar.day(offset).isoformat(), "kind": "electronic"}
        user = self.institution.user
        own = category == PartyCategory.INSTITUTION
        if category == PartyCategory.ENTERPRISE and not partner.doubled and random.random() < 0.6:
            own, user = True, partner.user
        if not own or random.random() < 0.25:
            body |= {"kind": "paper", "scan_ref": f"scan-{self.id[-12:]}-{number}"}
        path = f"/v1/agreements/{self.id}/sign"
        return Act(self.calendar.day(offset), "agreement.sign", user, "POST", "agreements", path, body, version)


def _parties(institution: Institution, partner: Enterprise, form: Form, random: Random) -> list[dict[str, str]]:
    """Two to four: institution and enterprise; a student; hokimiyat and employment centre for employment."""
    parties = [
        {"category": PartyCategory.INSTITUTION.value, "ref": institution.id},
        {"category": PartyCategory.ENTERPRISE.value, "ref": partner.id},
    ]
    if form is Form.AF2 and random.random() < 0.45:
        parties.append({"category": PartyCategory.HOKIMIYAT.value, "ref": f"hokimiyat-{institution.region}"})
        parties.append({"category": PartyCategory.LABOUR_BODY.value, "ref": f"bandlik-{institution.region}"})
    elif form is Form.AF1 and random.random() < 0.3:
        parties.append({"category": PartyCategory.STUDENT.value, "ref": f"S{random.randint(1, 999_999):06d}"})
    elif form is Form.AF7 and random.random() < 0.3:
        parties.append({"category": PartyCategory.TRADE_UNION.value, "ref": f"kasaba-{institution.region}"})
    return parties


def _under(
    hand: _Hand, form: Form, random: Random, offset: float, last: Answer, *, changes: bool, scheduled: bool
) -> Work:
    """Life under a signed agreement, as long as it is in force."""
    until = date.fromisoformat(last.body["valid_until"])
    calendar = replace(hand.calendar, today=min(hand.calendar.today, until))
    if scheduled and not last.body["schedule"]:
        offset += random.choice((0, 1, 3))
        if not calendar.reached(offset):
            return
        last = yield _schedule(hand, random, offset, calendar.day(offset), until, last.version)
    for _ in range(random.randint(1, 4)):
        offset += random.uniform(2, 22)
        if not calendar.reached(offset):
            return
        yield from _activity(hand, form, random, offset)
    if scheduled:
        offset += random.uniform(1, 10)
        if not calendar.reached(offset):
            return
        last = yield _report(hand, random, offset, last)
    if changes:
        yield from _change(hand, random, offset + random.uniform(1, 15), last)


def _activity(hand: _Hand, form: Form, random: Random, offset: float) -> Work:
    participants = random.randint(*PARTICIPANTS[form])
    body: dict[str, object] = {"held_on": hand.calendar.day(offset).isoformat(), "participants": participants}
    if form is Form.AF9:
        body["purpose"] = list(OtherPurpose)[participants % len(OtherPurpose)].value
    path, user = f"/v1/agreements/{hand.id}/activities", hand.institution.user
    on = hand.calendar.day(offset)
    done = yield Act(on, "activity.record", user, "POST", "agreements", path, body)
    if random.random() < 0.04:
        path = f"/v1/activities/{done.id}/cancel"
        yield Act(on, "activity.cancel", user, "POST", "agreements", path, None, done.version)


def _schedule(hand: _Hand, random: Random, offset: float, since: date, until: date, version: int) -> Act:
    """Terms of practice from `since` to `until`."""
    body = {"terms": _terms(hand.institution, random, since, until)}
    path, on = f"/v1/agreements/{hand.id}/schedule", hand.calendar.day(offset)
    return Act(on, "agreement.schedule", hand.institution.user, "PUT", "agreements", path, body, version)


def _terms(institution: Institution, random: Random, since: date, until: date) -> list[dict[str, Any]]:
    trades = sector(institution.sector).trades
    terms, begin = [], since
    for number in range(1, random.randint(1, 2) + 1):
        end = min(begin + timedelta(days=random.randint(18, 40)), until)
        if begin > end:
            break
        terms.append(
            {
                "term": f"T{number}",
                "starts_on": begin.isoformat(),
                "ends_on": end.isoformat(),
                "profession": random.choice(trades)[1],
                "seats": random.randint(5, 30),
            }
        )
        begin = end + timedelta(days=random.randint(5, 30))
    return terms


def _report(hand: _Hand, random: Random, offset: float, last: Answer) -> Act:
    """Seats filled and completed of one term."""
    term = random.choice(last.body["schedule"])
    filled = random.randint(term["seats"] // 2, term["seats"])
    body = {"filled": filled, "completed": random.randint(filled * 2 // 3, filled)}
    path, on = f"/v1/agreements/{hand.id}/schedule/{term['term']}", hand.calendar.day(offset)
    return Act(on, "agreement.report", hand.institution.user, "PUT", "agreements", path, body, last.version)


def _change(hand: _Hand, random: Random, offset: float, last: Answer) -> Work:
    """What may still become of it."""
    calendar, fate = hand.calendar, random.random()
    if fate > 0.24 or not calendar.reached(offset):
        return
    day = calendar.day(offset).isoformat()
    if fate < 0.09:
        until = date.fromisoformat(last.body["valid_until"]) + timedelta(days=180)
        body = {"effective_on": day, "valid_until": until.isoformat(), "scan_ref": f"scan-{hand.id[-12:]}-amended"}
        yield hand.act(offset, "amend", body, last.version)
    elif fate < 0.16:
        last = yield hand.act(offset, "suspend", {"suspended_on": day}, last.version)
        offset += random.uniform(4, 20)
        if random.random() < 0.7 and calendar.reached(offset):
            body = {"resumed_on": calendar.day(offset).isoformat()}
            yield hand.act(offset, "resume", body, last.version)
    else:
        yield hand.act(offset, "end", {"ended_on": day}, last.version)


def follow_up(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """Something done today under one of the agreements that are active."""
    look = f"/v1/agreements?institution_id={institution.id}&status=active&limit=20"
    found = (yield Look(calendar.day(0), institution.user, "agreements", look)).body["items"]
    if not found:
        return
    state = random.choice(found)
    hand, last = _Hand(institution, calendar, state["id"]), Answer(200, state)
    what = random.random()
    if state["schedule"] and what < 0.25:
        yield _report(hand, random, 0, last)
    elif what < 0.8:
        yield from _activity(hand, Form(state["form"]), random, 0)
    else:
        yield from _change(hand, random, 0, last)


# -- graduates


def employment(
    institution: Institution,
    partner: Enterprise,
    graduate_ref: str,
    random: Random,
    calendar: Calendar,
    agreement_id: str | None = None,
) -> Work:
    """A graduate found work: reported, perhaps corrected, confirmed by the enterprise, perhaps over."""
    started_on = calendar.day(0) - timedelta(days=random.randint(0, 20))
    trades = sector(institution.sector).trades
    body = {
        "institution_id": institution.id,
        "graduate_ref": graduate_ref,
        "enterprise_id": partner.id,
        "profession": random.choice(trades)[1],
        "started_on": started_on.isoformat(),
    }
    if agreement_id is not None:
        body["agreement_id"] = agreement_id
    if not calendar.reached(0):
        return
    on, user = calendar.day(0), institution.user
    last = yield Act(on, "employment.report", user, "POST", "agreements", "/v1/employments", body)

    def step(offset: float, name: str, who: str, change: Mapping[str, Any] | None) -> Act:
        path = f"/v1/employments/{last.id}/{name}"
        return Act(calendar.day(offset), f"employment.{name}", who, "POST", "agreements", path, change, last.version)

    if random.random() < 0.03:
        yield step(0, "cancel", user, None)
        return
    if random.random() < 0.07:
        last = yield step(0, "correct", user, {"started_on": (started_on - timedelta(days=3)).isoformat()})
    offset = random.uniform(1, 12)
    if not partner.doubled and random.random() < 0.65 and calendar.reached(offset):
        confirmed = {"confirmed_on": calendar.day(offset).isoformat()}
        last = yield step(offset, "confirm", partner.user, confirmed)
    offset += random.uniform(10, 60)
    if random.random() < 0.05 and calendar.reached(offset):
        yield step(offset, "end", user, {"ended_on": calendar.day(offset).isoformat()})


# -- questionnaires


def survey(institution: Institution, world: World, random: Random, calendar: Calendar) -> Work:
    """A campaign with codes and the answers of those who got one; mostly students in practice (S3)."""
    known = sorted(world.instruments)
    instrument = "S3" if "S3" in known and random.random() < 0.75 else random.choice(known)
    on, user = calendar.day(0), institution.user
    body = {
        "instrument": instrument,
        "institution": institution.id,
        "period": {"from": on.isoformat(), "to": (on + timedelta(days=30)).isoformat()},
    }
    campaign = yield Act(on, "campaign.plan", user, "POST", "surveys", "/v1/campaigns", body)
    path = f"/v1/campaigns/{campaign.id}"
    issued = random.randint(12, 24)
    codes = yield Act(on, "campaign.codes", user, "POST", "surveys", f"{path}/codes", {"count": issued})
    yield Act(on, "campaign.open", user, "POST", "surveys", f"{path}/open")
    mood = tilt(institution.region, "mood") - 1 + random.uniform(-0.3, 0.5)
    for item in codes.body["items"][: round(issued * random.uniform(0.6, 0.95))]:
        fields = answer(random, world.instruments[instrument], mood)
        if random.random() < 0.1:
            # Somebody without a phone is asked by an interviewer.
            yield Interview(on, user, campaign.id, f"demo-{random.getrandbits(64):016x}", fields)
        else:
            yield Response(on, campaign.id, item["code"], fields)
    if random.random() < 0.25:
        yield Act(on, "campaign.close", user, "POST", "surveys", f"{path}/close")
