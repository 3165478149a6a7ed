"""The tour: every event type there is occurs at least once, also what happens to one institution in a thousand.

What the tour's deeds leave to the calendar (a measure overdue, say) is dated so that the services tell it at once.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from deploy.api_client import Answer
from deploy.cli.simulation.acts import Act, Deed, Look, Pause, TakeUp
from deploy.cli.simulation.work import academic_year
from shared.clock import TASHKENT

Tour = Generator[Deed, Answer, None]
TRADE = "7212"
COMPANY = 10
"""So many invitations are told as taken up together (PRIVACY_K)."""
LOOKS = 60
PAUSE_S = 1.0
"""How often, and how long apart, the tour looks for what monitoring has to hear of first."""


@dataclass(frozen=True)
class Grounds:
    """Where the tour takes place: a region with two districts, and the day."""

    seed: int
    region: str
    district: str
    neighbour: str
    today: date

    def day(self, offset: int) -> str:
        """The day so many days from today."""
        return (self.today + timedelta(days=offset)).isoformat()

    def at(self, offset: int, hour: int) -> str:
        """A moment of that day in Tashkent."""
        return datetime.combine(self.today + timedelta(days=offset), time(hour), TASHKENT).isoformat()

    @property
    def ministry(self) -> str:
        """Who keeps the registers."""
        return "ministry"

    @property
    def office(self) -> str:
        """The region's office."""
        return f"region:{self.region}"


class Hand:
    """Somebody's hand: makes acts on one service, and remembers the version of what it works on."""

    def __init__(self, grounds: Grounds, service: str, user: str) -> None:
        self._grounds, self._service, self._user = grounds, service, user

    def act(self, method: str, path: str, body: Mapping[str, Any] | None = None, version: int | None = None) -> Act:
        """A command."""
        what = f"tour.{path.split('/')[2]}.{path.rpartition('/')[2][:20]}"
        return Act(self._grounds.today, what, self._user, method, self._service, path, body, version)

    def post(self, path: str, body: Mapping[str, Any] | None = None, version: int | None = None) -> Act:
        """POST a command."""
        return self.act("POST", path, body, version)


def stir(grounds: Grounds, number: int) -> str:
    """The tax number of one of the tour's enterprises."""
    return f"9{grounds.seed % 1000:03d}9{number:04d}"


def tour(grounds: Grounds) -> Tour:
    """All of it, in an order that makes sense."""
    ministry = Hand(grounds, "partners", grounds.ministry)

    def enterprise(number: int) -> Act:
        body = {
            "stir": stir(grounds, number),
            "name": f"“Sayohat {number}” MChJ",
            "size": "medium",
            "isic_section": "C",
            "district": grounds.district,
        }
        return ministry.post("/v1/enterprises", body)

    first = (yield enterprise(1)).id
    double = (yield enterprise(2)).id
    school = (yield ministry.post("/v1/institutions", register(f"T{grounds.seed}", grounds.district))).id
    yield from registers(grounds, school, first)
    yield from preparation(grounds, school, double)
    yield from contacts(grounds, school, double)
    yield from final_stage(grounds, school, double)
    yield from systems(grounds, school)
    yield from agreements(grounds, school, double)
    yield from surveys(grounds, school, double)
    yield from practice(grounds, school, double)
    yield from reporting(grounds, school)
    # Everything that names the duplicate follows, in both services; then it was no duplicate after all.
    yield ministry.post(f"/v1/enterprises/{double}/merge", {"into": first})
    yield ministry.post(f"/v1/enterprises/{double}/unmerge")
    yield from advised(grounds, school)
    yield from merged(grounds, school)
    yield ministry.post(f"/v1/institutions/{school}/close", {"closed_on": grounds.day(0)})
    yield from given_up(grounds, school)


def merged(grounds: Grounds, school: str) -> Tour:
    """A small institution is merged into the school: by mistake at first, on another day for good.

    That it had come from next door, before the year ended, is told when its report of the year is open already.
    """
    ministry = Hand(grounds, "partners", grounds.ministry)
    small = (yield ministry.post("/v1/institutions", register(f"T{grounds.seed}-2", grounds.neighbour))).id
    yield from report_of(grounds, grounds.office, small)
    move = {"district": grounds.district, "since": f"{academic_year(grounds.today)}-08-01"}
    yield ministry.post(f"/v1/institutions/{small}/move", move)
    yield from report_of(grounds, f"district:{grounds.district}", small)
    for day in (-3, -1):
        merge = {"successor_id": school, "merged_on": grounds.day(day)}
        yield ministry.post(f"/v1/institutions/{small}/merge", merge)
        if day == -3:
            yield ministry.post(f"/v1/institutions/{small}/reopen")


def register(code: str, district: str) -> dict[str, Any]:
    """What an institution of the tour is entered with."""
    return {
        "code": code,
        "name": "Sayohat texnikumi",
        "kind": "technikum",
        "district": district,
        "sector": "C",
        "opened_on": "2001-09-01",
    }


LOOKS = 600
"""Reads after which what the platform does by itself should have been done."""


def report_of(grounds: Grounds, user: str, place: str) -> Generator[Deed, Answer, Mapping[str, Any]]:
    """The report of the academic year, once the platform has opened it and the user sees it."""
    year = academic_year(grounds.today) - 1
    path = f"/v1/submissions?place={place}&period={year}-{(year + 1) % 100:02d}"
    found: list[Mapping[str, Any]] = []
    for _ in range(LOOKS):
        found = (yield Look(grounds.today, user, "monitoring", path)).body["items"]
        # Opened late, a report is due so soon that its place is reminded at once.
        if found and found[0]["reminders"]:
            break
        yield Pause(grounds.today, PAUSE_S)
    return found[0]


def reporting(grounds: Grounds, school: str) -> Tour:
    """A report goes up, comes back, goes up again, is approved, locked and reopened; a period is published twice."""
    district = f"district:{grounds.district}"

    def step(user: str, what: str, state: Mapping[str, Any], **body: str) -> Act:
        hand = Hand(grounds, "monitoring", user)
        return hand.post(f"/v1/submissions/{state['id']}/{what}", body, state["version"])

    own = f"institution:{school}"
    last = (yield step(own, "submit", (yield from report_of(grounds, own, school)))).body
    last = (yield step(district, "return", last, reason="incomplete")).body
    last = (yield step(own, "submit", last)).body
    yield step(district, "approve", last)
    up = (yield step(district, "submit", (yield from report_of(grounds, district, grounds.district)))).body
    yield step(grounds.office, "approve", up)
    yield step(grounds.ministry, "reopen", (yield from report_of(grounds, own, school)), reason="late_correction")
    office = Hand(grounds, "monitoring", grounds.office)
    quarter = (grounds.today.year * 12 + grounds.today.month - 1) // 3 - 1
    order: dict[str, Any] = {"place": grounds.region, "period": f"{quarter // 4}-Q{quarter % 4 + 1}"}
    for edition, reason in enumerate((None, "corrections"), start=1):
        ordered = yield office.post("/v1/publications", order | ({"reason": reason} if reason else {}))
        for _ in range(LOOKS):
            look = Look(grounds.today, grounds.office, "monitoring", f"/v1/publications/{ordered.id}")
            if len((yield look).body["editions"]) == edition:
                break
            yield Pause(grounds.today, PAUSE_S)


def advised(grounds: Grounds, school: str) -> Tour:
    """What the rules recommend: one is taken on and done, one dismissed, one resolves because it was acted upon."""
    office = Hand(grounds, "monitoring", grounds.office)
    register = Hand(grounds, "partners", f"institution:{school}")
    before: set[str] = set()
    others: list[Any] = []
    for _ in range(LOOKS):
        advice = yield from _looked_again(grounds, office, school)
        others = [each for rule, each in sorted(advice.items()) if rule != "R1_TEAM" and each["severity"] != "urgent"]
        if "R1_TEAM" in advice and len(others) > 1 and advice.keys() == before:
            break  # nothing of the school is still on its way to monitoring
        before = set(advice)
        yield Pause(grounds.today, PAUSE_S)
    done, dropped = (f"/v1/recommendations/{each['id']}" for each in others[:2])
    last = yield office.post(f"{done}/accept", {"owner": "coordinator"}, others[0]["version"])
    yield office.post(f"{done}/complete", {}, last.version)
    yield office.post(f"{dropped}/dismiss", {"reason": "planned_otherwise"}, others[1]["version"])
    decision = {"decision_ref": "PK-2", "decided_on": grounds.day(-1), "responsible_ref": "T-1"}
    yield register.post("/v1/orientations", {"institution_id": school, **decision, "valid_until": grounds.day(300)})
    for _ in range(LOOKS):
        if "R1_TEAM" not in (yield from _looked_again(grounds, office, school)):
            break
        yield Pause(grounds.today, PAUSE_S)


def given_up(grounds: Grounds, school: str) -> Tour:
    """What was recommended to a school that is closed expires."""
    office = Hand(grounds, "monitoring", grounds.office)
    for _ in range(LOOKS):
        if not (yield from _looked_again(grounds, office, school)):
            break
        yield Pause(grounds.today, PAUSE_S)


def _looked_again(grounds: Grounds, office: Hand, school: str) -> Generator[Deed, Answer, dict[str, Any]]:
    """What is recommended there, by rule, after the rules have looked again."""
    yield office.post(f"/v1/recommendations/look?place={school}")
    path = f"/v1/recommendations?place={school}&limit=200"
    found = yield Look(grounds.today, grounds.office, "monitoring", path)
    return {each["rule"]: each for each in found.body["items"]}


def registers(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """Territory, institutions, enterprises, partnerships: what seldom happens to them."""
    ministry = Hand(grounds, "partners", grounds.ministry)
    yield ministry.act("PATCH", f"/v1/enterprises/{enterprise}", {"size": "large"})
    yield ministry.post(f"/v1/enterprises/{enterprise}/close")
    yield ministry.post(f"/v1/enterprises/{enterprise}/reopen")
    path = f"/v1/institutions/{school}"
    programme = {
        "code": "P1",
        "title": "Payvandchi",
        "isced_level": 3,
        "isced_field": "0715",
        "occupations": [TRADE],
    }
    yield ministry.act("PUT", f"{path}/programmes", {"programmes": [programme]})
    yield ministry.post(f"{path}/move", {"district": grounds.neighbour, "since": grounds.day(-1)})
    year = academic_year(grounds.today)
    figures = {"places": 90, "first_choice": 120, "graduates": 70, "teachers": 12}
    for places in (90, 95):
        enrolment = f"{path}/enrolments/{year}-{(year + 1) % 100:02d}"
        yield ministry.act("PUT", enrolment, figures | {"places": places})


def preparation(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """Stage 1, and the labour market behind it."""
    own = Hand(grounds, "partners", f"institution:{school}")
    firm = Hand(grounds, "partners", f"enterprise:{enterprise}")
    office = Hand(grounds, "partners", grounds.office)
    mine = {"institution_id": school}
    partner = mine | {
        "category": "enterprise",
        "enterprise_id": enterprise,
        "stage": "future",
        "forms": ["AF1", "AF4"],
        "opportunities": ["O4"],
        "since": grounds.day(-10),
    }
    partnership = yield own.post("/v1/partnerships", partner)
    path = f"/v1/partnerships/{partnership.id}"
    yield own.act("PATCH", path, {"stage": "existing"})
    other = {"category": "hokimiyat", "partner_ref": "hokimiyat-1", "enterprise_id": None}
    second = yield own.post("/v1/partnerships", partner | other)
    yield own.act("PATCH", f"/v1/partnerships/{second.id}", {"stage": "ended"})
    analysis = {"analysed_on": grounds.day(0), "interests": [{"opportunity": "O6", "strength": 4, "source": "stated"}]}
    for _ in range(2):
        yield own.act("PUT", f"{path}/interests", analysis)
    decision = {
        "decision_ref": "PK-1",
        "decided_on": grounds.day(-20),
        "responsible_ref": "T-1",
        "valid_until": grounds.day(300),
    }
    adopted = yield own.post("/v1/orientations", mine | decision)
    yield own.post(f"/v1/orientations/{adopted.id}/revoke", None, adopted.version)
    answers = {
        "assessed_on": grounds.day(-5),
        "understanding": 4,
        "problems": [{"opportunity": f"O{number}", "weight": 3} for number in range(1, 8)],
        "main_partners": [{"category": "enterprise", "partnership_id": partnership.id}],
        "gifts": [{"opportunity": "O7", "form": "AF5", "profession": TRADE, "quantity": 10}],
    }
    yield own.post("/v1/self-assessments", mine | answers)
    listing = {"opportunity": "O4", "form": "AF1", "profession": TRADE, "quantity": 5, "since": grounds.day(-5)}
    for name in ("needs", "offers"):
        last = yield own.post(f"/v1/{name}", mine | listing)
        last = yield own.act("PATCH", f"/v1/{name}/{last.id}", {"quantity": 8}, last.version)
        yield own.post(f"/v1/{name}/{last.id}/close", {"reason": "met"}, last.version)
        # These stay open, and follow their enterprise through the merge.
        yield firm.post(f"/v1/{name}", listing | {"enterprise_id": enterprise})
    asked = {"region": grounds.region, "profession": TRADE, "qualification": "vocational", "year": grounds.today.year}
    for positions in (40, 45):
        report = asked | {"reporter": "enterprise", "reporter_ref": enterprise, "positions": positions}
        yield firm.post("/v1/demand-reports", report)
        yield office.post("/v1/supply-reports", asked | {"reporter_ref": "tour", "unemployed": positions})
        plan = {
            "region": grounds.region,
            "isic_section": "C",
            "year_from": grounds.today.year - 2,
            "year_until": grounds.today.year + 3,
            "priority": 2,
            "enterprises": [{"enterprise_id": enterprise, "role": "anchor"}],
        }
        yield office.post("/v1/plan-priorities", plan)
    yield own.post("/v1/market-reviews", mine | {"area": grounds.region})
    yield own.post("/v1/sector-reviews", mine)
    yield own.post("/v1/market-assessments", mine | {"profession": TRADE, "qualification": "vocational"})


def contacts(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """Stage 2: a visit that is held late, one that is cancelled, an action done and two that are not."""
    own = Hand(grounds, "partners", f"institution:{school}")
    firm = Hand(grounds, "partners", f"enterprise:{enterprise}")
    who = {"institution_id": school, "category": "enterprise", "enterprise_id": enterprise}
    for known in ({}, {"directions": ["C"], "union_member": True, "interests": ["O6"]}):
        yield own.post("/v1/dossiers", who | known)
    event = {"owner": "institution", "owner_ref": school, "kind": "exams"}
    exams = yield own.post("/v1/known-events", event | {"starts_at": grounds.at(40, 0), "ends_at": grounds.at(41, 0)})
    yield own.post(f"/v1/known-events/{exams.id}/cancel", None, exams.version)
    theirs = {"owner": "enterprise", "owner_ref": enterprise, "kind": "stocktaking"}
    yield firm.post("/v1/known-events", theirs | {"starts_at": grounds.at(50, 0), "ends_at": grounds.at(51, 0)})
    plan = who | {
        "opportunities": ["O4"],
        "place": "at_partner",
        "envoy_ref": "T-1",
        "envoy_rank": "head",
        "host_rank": "head",
    }

    def planned(offset: int, hour: int) -> dict[str, Any]:
        return plan | {"planned_start": grounds.at(offset, hour), "planned_end": grounds.at(offset, hour + 1)}

    dropped = yield own.post("/v1/visits", planned(9, 9))
    yield own.post(f"/v1/visits/{dropped.id}/cancel", {"causes": ["B2"]}, dropped.version)
    last = yield own.post("/v1/visits", planned(5, 9))
    path = f"/v1/visits/{last.id}"
    other = {"planned_start": grounds.at(-12, 14), "planned_end": grounds.at(-12, 15)}
    last = yield own.post(f"{path}/reschedule", other, last.version)
    last = yield firm.post(f"{path}/agree", {"agreed_on": grounds.day(-14)}, last.version)
    for check in ("V1", "V5"):
        last = yield own.act("PUT", f"{path}/checklist/{check}", {}, last.version)
    last = yield own.post(f"{path}/prepare", None, last.version)
    times = {"actual_start": grounds.at(-12, 14), "actual_end": grounds.at(-12, 15)}
    last = yield own.post(f"{path}/hold", times, last.version)
    due = {"side": "institution", "owner_ref": "T-1", "what": "Loyiha"}
    protocol = {
        "steps": ["N1", "N2", "N3", "N4", "N5", "N6"],
        "outcome": "to_be_continued",
        "causes": ["A1"],
        "actions": [due | {"due_on": grounds.day(offset)} for offset in (-3, 10, 20)],
    }
    yield own.post(f"{path}/protocol", protocol, last.version)
    look = f"/v1/next-actions?visit_id={last.id}"
    found = (yield _look(grounds, school, look)).body["items"]
    by_day = sorted(found, key=lambda state: state["due_on"])
    yield own.post(f"/v1/next-actions/{by_day[1]['id']}/done", {}, by_day[1]["version"])
    yield own.post(f"/v1/next-actions/{by_day[2]['id']}/cancel", None, by_day[2]["version"])


def _look(grounds: Grounds, school: str, path: str) -> Deed:
    return Look(grounds.today, f"institution:{school}", "partners", path)


def systems(grounds: Grounds, school: str) -> Tour:
    """A school's own systems: a key and a webhook. The address is one that never exists (RFC 2606)."""
    own = Hand(grounds, "partners", f"institution:{school}")
    key = {"institution_id": school, "label": "Maktab portali", "scopes": ["read"], "expires_on": grounds.day(30)}
    issued = yield own.post("/v1/api-keys", key)
    yield own.post(f"/v1/api-keys/{issued.id}/revoke", None, issued.version)
    hook = {
        "owner": school,
        "label": "Maktab portali",
        "url": "https://portal.hamkor.invalid/events",
        "types": ["hamkor.partners.api_key.*"],
    }
    last = yield own.post("/v1/webhooks", hook)
    path = f"/v1/webhooks/{last.id}"
    last = yield own.act("PATCH", path, {"label": "Portal"}, last.version)
    for step in ("rotate", "disable", "enable", "remove"):
        last = yield own.post(f"{path}/{step}", None, last.version)


def _signed(
    grounds: Grounds, school: str, enterprise: str, form: str, **changes: Any
) -> Generator[Deed, Answer, Answer]:
    """An agreement that both sides have signed on paper."""
    own = Hand(grounds, "agreements", f"institution:{school}")
    draft = {
        "institution_id": school,
        "form": form,
        "opportunities": ["O4"],
        "parties": [{"category": "institution", "ref": school}, {"category": "enterprise", "ref": enterprise}],
        "valid_from": grounds.day(-60),
        "valid_until": grounds.day(300),
        **changes,
    }
    last = yield own.post("/v1/agreements", draft)
    for party in ("p1", "p2"):
        paper = {"party_id": party, "kind": "paper", "signed_on": grounds.day(-60), "scan_ref": f"scan-{party}"}
        last = yield own.post(f"/v1/agreements/{last.id}/sign", paper, last.version)
    return last


def agreements(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """An agreement's whole life, one that renewed itself, one that ran out, one that was given up."""
    own = Hand(grounds, "agreements", f"institution:{school}")
    firm = Hand(grounds, "agreements", f"enterprise:{enterprise}")
    last = yield from _signed(grounds, school, enterprise, "AF2")
    path = f"/v1/agreements/{last.id}"
    asked = {"opportunities": ["O4", "O6"], "every_party": True}
    last = yield own.post(f"{path}/amend", asked, last.version)
    for hand, party in ((firm, "p2"), (own, "p1")):
        word = {"party_id": party, "kind": "electronic", "signed_on": grounds.day(0)}
        last = yield hand.post(f"{path}/confirm-amendment", word, last.version)
    ahead = {"valid_until": grounds.day(500), "effective_on": grounds.day(30), "scan_ref": "scan-amendment"}
    last = yield own.post(f"{path}/amend", ahead, last.version)
    last = yield own.post(f"{path}/suspend", {}, last.version)
    last = yield own.post(f"{path}/resume", {}, last.version)
    done = yield own.post(f"{path}/activities", {"held_on": grounds.day(-1), "participants": 4})
    yield own.post(f"/v1/activities/{done.id}/cancel", None, done.version)
    yield own.post(f"{path}/end", {}, last.version)
    renewal = {"months": 12, "notice_days": 30}
    renewed = yield from _signed(grounds, school, enterprise, "AF9", valid_until=grounds.day(-3), renewal=renewal)
    yield own.post(f"/v1/agreements/{renewed.id}/notice", None, renewed.version)
    yield from _signed(grounds, school, enterprise, "AF9", valid_until=grounds.day(-3))
    parties = [{"category": "institution", "ref": school}, {"category": "hokimiyat", "ref": "hokimiyat-1"}]
    draft = {
        "institution_id": school,
        "form": "AF9",
        "opportunities": ["O1"],
        "parties": parties,
        "valid_from": grounds.day(0),
        "valid_until": grounds.day(90),
    }
    given_up = yield own.post("/v1/agreements", draft)
    yield own.post(f"/v1/agreements/{given_up.id}/cancel", None, given_up.version)
    job = {
        "institution_id": school,
        "enterprise_id": enterprise,
        "profession": TRADE,
        "started_on": grounds.day(-30),
    }
    last = yield own.post("/v1/employments", job | {"graduate_ref": "G-1"})
    path = f"/v1/employments/{last.id}"
    last = yield own.post(f"{path}/correct", {"started_on": grounds.day(-29)}, last.version)
    last = yield firm.post(f"{path}/confirm", {}, last.version)
    yield own.post(f"{path}/end", {}, last.version)
    last = yield own.post("/v1/employments", job | {"graduate_ref": "G-2"})
    yield own.post(f"/v1/employments/{last.id}/cancel", None, last.version)


def surveys(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """Waves to their ends, invitations to each of theirs, a graduate's own word told, told again and taken back."""
    own = Hand(grounds, "surveys", f"institution:{school}")
    office = Hand(grounds, "surveys", grounds.office)
    wave = {
        "instrument": "S5",
        "territory": grounds.region,
        "kinds": ["technikum"],
        "period": {"from": grounds.day(2), "to": grounds.day(30)},
        "title": "Sayohat toʻlqini",
        "quotas": [{"territory": grounds.district, "responses": 500, "hard": True}],
    }
    last = yield office.post("/v1/waves", wave)
    last = yield office.act("PATCH", f"/v1/waves/{last.id}", {"minimum_responses": 10}, last.version)
    yield office.post(f"/v1/waves/{last.id}/cancel", None, last.version)
    last = yield office.post("/v1/waves", wave)
    last = yield office.post(f"/v1/waves/{last.id}/open", None, last.version)
    yield office.post(f"/v1/waves/{last.id}/close", None, last.version)
    period = {"from": grounds.day(0), "to": grounds.day(20)}
    teachers = yield own.post("/v1/campaigns", {"instrument": "S5", "institution": school, "period": period})
    hosts = yield own.post("/v1/campaigns", {"instrument": "S2", "institution": school, "period": period})
    for campaign in (teachers, hosts):
        yield own.post(f"/v1/campaigns/{campaign.id}/open")
    # This one follows its enterprise through the merge.
    listed = {"campaign_id": hosts.id, "respondent": "enterprise", "ref": enterprise}
    yield own.post("/v1/invitations", listed)
    listed = {"campaign_id": teachers.id, "respondent": "teacher"}
    last = yield own.post("/v1/invitations", listed | {"ref": "T-0"})
    yield own.post(f"/v1/invitations/{last.id}/withdraw", None, last.version)
    for number in range(COMPANY + 1):
        last = yield own.post("/v1/invitations", listed | {"ref": f"T-{number}"})
    yield own.post(f"/v1/invitations/{last.id}/remind", None, last.version)
    handed = yield own.post(f"/v1/campaigns/{teachers.id}/invitations/hand-over", {})
    for item in handed.body["items"][:COMPANY]:
        yield TakeUp(grounds.today, item["code"])
    # Those who took theirs up are told together; the one that nobody took up lapses.
    yield own.post(f"/v1/campaigns/{teachers.id}/close")
    graduated = grounds.today - timedelta(days=200)
    consent = {"text_version": 1, "lang": "uz", "means": "paper", "given_on": grounds.day(0)}
    said = {
        "institution_id": school,
        "graduated_on": graduated.isoformat(),
        "months": 6,
        "status": "employed",
        "profession": TRADE,
        "employer_stir": stir(grounds, 2),
        "match": "full",
        "consent": consent,
    }
    for match in ("full", "partial"):
        yield own.post("/v1/graduate-statuses", said | {"graduate_ref": "G-1", "match": match})
    last = yield own.post("/v1/graduate-statuses", said | {"graduate_ref": "G-2"})
    yield own.post(f"/v1/graduate-statuses/{last.id}/withdraw-consent", None, last.version)


def practice(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """The work under each form, to its end and given up."""
    own = Hand(grounds, "agreements", f"institution:{school}")
    firm = Hand(grounds, "agreements", f"enterprise:{enterprise}")
    yield from _placements(grounds, own, firm, (yield from _signed(grounds, school, enterprise, "AF1")))
    outcome = {
        "institution_id": school,
        "graduate_ref": "G-1",
        "graduated_on": grounds.day(-200),
        "months": 6,
        "status": "unknown",
        "surveyed_on": grounds.day(-5),
    }
    yield own.post("/v1/outcomes", outcome)
    last = yield own.post("/v1/outcomes", outcome | {"status": "employed", "enterprise_id": enterprise})
    yield firm.post(f"/v1/outcomes/{last.id}/confirm", {}, last.version)
    last = yield own.post("/v1/outcomes", outcome | {"months": 12})
    yield own.post(f"/v1/outcomes/{last.id}/withdraw", None, last.version)

    days = {"starts_on": grounds.day(-20), "ends_on": grounds.day(-6), "hours": 72}
    month = grounds.day(0)[:7]
    under: list[tuple[str, str, dict[str, Any], list[tuple[Hand, str, Any]], list[tuple[Hand, str, Any]]]] = [
        (
            "AF8",
            "specialists",
            {"specialist_ref": "E-1", "subject": "payvandlash", "since": grounds.day(-20)},
            [(own, "hours", {"month": month, "hours": 12}), (firm, "confirm", {}), (own, "end", {})],
            [(own, "cancel", None)],
        ),
        (
            "AF4",
            "staff-internships",
            {"teacher_ref": "T-1", **days},
            [(firm, "confirm", {}), (own, "complete", {})],
            [(own, "break-off", {"cause": "health"}), (own, "cancel", None)],
        ),
        (
            "AF6",
            "trainings",
            {"trainee_ref": "B-1", "kind": "retraining", "profession": TRADE, "referred_by": "bandlik-1", **days},
            [(own, "complete", {})],
            [(own, "break-off", {"cause": "found_work"}), (own, "cancel", None)],
        ),
        (
            "AF5",
            "projects",
            {"kind": "joint_workshop", "starts_on": grounds.day(-20)},
            [(own, "end", {})],
            [(own, "cancel", None)],
        ),
        (
            "AF3",
            "expert-reviews",
            {"kind": "programme", "document_ref": "D-1", "requested_on": grounds.day(-20)},
            [(firm, "review", {"verdict": "approved"})],
            [(own, "cancel", None)],
        ),
        (
            "AF7",
            "certifications",
            {
                "institution_id": school,
                "profession": TRADE,
                "held_on": grounds.day(-8),
                "students": 20,
                "passed": 18,
                "examiners": [{"enterprise_id": enterprise, "examiner_ref": "E-1"}],
            },
            [(own, "correct", {"passed": 19})],
            [(own, "cancel", None)],
        ),
    ]
    for form, name, body, *lives in under:
        agreement = yield from _signed(grounds, school, enterprise, form)
        for life in lives:
            last = yield own.post(f"/v1/{name}", body | {"agreement_id": agreement.id})
            for hand, step, given in life:
                method = "PUT" if step == "hours" else "POST"
                last = yield hand.act(method, f"/v1/{name}/{last.id}/{step}", given, last.version)
    income = {"institution_id": school, "month": month, "items": [{"purpose": "rent", "amount_tiyin": 5_000_000}]}
    yield own.post("/v1/incomes", income)
    last = yield own.post("/v1/incomes", income | {"items": []})
    yield own.post(f"/v1/incomes/{last.id}/withdraw", None, last.version)


def _placements(grounds: Grounds, own: Hand, firm: Hand, agreement: Answer) -> Tour:
    term = {
        "term": "T1",
        "starts_on": grounds.day(-20),
        "ends_on": grounds.day(20),
        "profession": TRADE,
        "seats": 3,
    }
    yield own.act("PUT", f"/v1/agreements/{agreement.id}/schedule", {"terms": [term]}, agreement.version)
    lives: list[list[tuple[Hand, str, str, Any]]] = [
        [
            (own, "POST", "correct", {"ends_on": grounds.day(10)}),
            (firm, "POST", "confirm", {}),
            (own, "PUT", "logbook", {"days": [{"day": grounds.day(-20), "presence": "present", "hours": 6}]}),
            (own, "POST", "assess", {"mark": "good"}),
            (firm, "POST", "assess", {"mark": "excellent"}),
        ],
        [(own, "POST", "break-off", {"cause": "health"}), (own, "POST", "cancel", None)],
    ]
    for number, life in enumerate(lives):
        body = {"agreement_id": agreement.id, "term": "T1", "student_ref": f"S-{number}"}
        last = yield own.post("/v1/placements", body)
        for hand, method, step, given in life:
            last = yield hand.act(method, f"/v1/placements/{last.id}/{step}", given, last.version)


def final_stage(grounds: Grounds, school: str, enterprise: str) -> Tour:
    """Stage 3: instructions, a plan, samples, documents, norms, two boards."""
    own = Hand(grounds, "agreements", f"institution:{school}")
    mine: dict[str, Any] = {"institution_id": school}
    adopted = {"adopted_on": grounds.day(-40), "in_force_from": grounds.day(-40)}
    later = {"adopted_on": grounds.day(-9), "in_force_from": grounds.day(-9)}
    text = {"title": "Yoʻriqnoma", "text": "1. Hamkorlar bilan ishlaydi."}
    duty = {"kind": "job_instruction", "duty": "coordinator"}
    for name, first, second in (
        ("instructions", mine | adopted | text | duty, later | text),
        ("samples", mine | adopted | {"kind": "student_internship"}, later),
    ):
        last = yield own.post(f"/v1/{name}", first)
        last = yield own.post(f"/v1/{name}/{last.id}/revise", second, last.version)
        yield own.post(f"/v1/{name}/{last.id}/repeal", {}, last.version)
    norm = mine | adopted | {"kind": "order", "number": "B-1", "title": "Buyruq"}
    last = yield own.post("/v1/normative-documents", norm)
    yield own.post(f"/v1/normative-documents/{last.id}/repeal", {}, last.version)
    fields = {
        "city": "Jizzax",
        "employer_name": "“Sayohat” MChJ",
        "employer_address": "Jizzax sh.",
        "employer_stir": "302118804",
        "employer_head": "Rahbar",
        "worker_name": "Xodim",
        "position": "Payvandchi",
        "worker_address": "Jizzax sh.",
        "starts_on": grounds.day(5),
        "salary": "4500000",
        "weekly_hours": "40",
        "leave_days": "24",
    }
    document = mine | {"kind": "employment_contract", "language": "uz", "fields": fields}
    last = yield own.post("/v1/documents", document)
    yield own.post(f"/v1/documents/{last.id}/annul", None, last.version)
    yield from _plan(grounds, own, mine)
    yield from _boards(grounds, own, mine, enterprise)


def _plan(grounds: Grounds, own: Hand, mine: dict[str, Any]) -> Tour:
    year = academic_year(grounds.today)
    begins = date(year, 9, 1)
    measure = {"title": "Uchrashuv", "responsible_ref": "T-1", "opportunities": ["O2"]}
    # The first is overdue as soon as the plan is there; on the first day of a year nothing can be.
    overdue = max(begins, grounds.today - timedelta(days=5)).isoformat()
    plan = mine | {
        "academic_year": f"{year}-{(year + 1) % 100:02d}",
        "adopted_on": begins.isoformat(),
        "measures": [measure | {"due_on": overdue}, *(measure | {"due_on": f"{year + 1}-05-20"} for _ in range(2))],
    }
    last = yield own.post("/v1/work-plans", plan)
    path = f"/v1/work-plans/{last.id}"
    last = yield own.post(f"{path}/amend", {"cancel": ["m3"]}, last.version)
    done = {"evidence": [{"kind": "file", "ref": "bayonnoma-1"}]}
    last = yield own.post(f"{path}/measures/m2/done", done, last.version)
    last = yield own.post(f"{path}/measures/m2/reopen", None, last.version)
    yield own.post(f"{path}/close", {}, last.version)


def _boards(grounds: Grounds, own: Hand, mine: dict[str, Any], enterprise: str) -> Tour:
    """One board to its end, and a second one whose decision nobody follows up."""

    def member(category: str, number: int, **more: str) -> dict[str, str]:
        return {"category": category, "ref": f"K-{number}", "name": "Aʼzo", "since": grounds.day(-60), **more}

    members = [member("institution", 1), member("enterprise", 2, enterprise_id=enterprise), member("hokimiyat", 3)]
    establish = mine | {"established_on": grounds.day(-60), "members": members, "chair_ref": "K-2"}
    last = yield own.post("/v1/boards", establish)

    def step(name: str, body: Any) -> Act:
        return own.post(f"/v1/boards/{last.id}/{name}", body, last.version)

    last = yield step("amend", {"quorum_percent": 60})
    last = yield step("members", member("parent", 4))
    last = yield step("members/p4/end", {"until": grounds.day(-50)})
    for offset in (-30, 20):
        last = yield step("meetings", {"planned_on": grounds.day(offset)})
    held, ahead = (meeting["meeting_id"] for meeting in last.body["meetings"])
    last = yield step(f"meetings/{ahead}/cancel", None)
    last = yield step(f"meetings/{held}/hold", {"present": ["p1", "p2", "p3"]})
    decision = {"text": "Homiylik", "votes_for": 3, "responsible": "enterprise"}
    for offset in (30, 40):
        last = yield step(f"meetings/{held}/decisions", decision | {"due_on": grounds.day(offset)})
    decisions = [each["decision_id"] for each in last.body["meetings"][0]["decisions"]]
    last = yield step(f"meetings/{held}/decisions/{decisions[0]}/done", {})
    last = yield step(f"meetings/{held}/decisions/{decisions[1]}/cancel", None)
    yield step("dissolve", {})
    last = yield own.post("/v1/boards", establish)
    last = yield step("meetings", {"planned_on": grounds.day(-30)})
    held = last.body["meetings"][0]["meeting_id"]
    last = yield step(f"meetings/{held}/hold", {"present": ["p1", "p2", "p3"]})
    yield step(f"meetings/{held}/decisions", decision | {"due_on": grounds.day(-2)})
