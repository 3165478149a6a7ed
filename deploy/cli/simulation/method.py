"""What institutions do by the method besides agreements: preparation, visits to partners, the final stage."""

from collections.abc import Generator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from deploy.api_client import Answer
from deploy.cli.simulation.acts import Act, Work
from deploy.cli.simulation.country import sector
from deploy.cli.simulation.work import Calendar, Enterprise, Institution, academic_year
from shared.clock import TASHKENT
from shared.contracts.final_stage import REQUIRED_SAMPLES
from shared.contracts.labour_market import Qualification

RANKS: Final = ("deputy_head", "head", "head")
REQUIRED_DUTIES: Final = ("director", "coordinator")


def market(region: str, sections: Sequence[str], today: date, random: Random) -> Work:
    """A region's labour body tells demand and supply of some years, the region what its plan puts first."""
    user = f"region:{region}"
    for place, section in enumerate(sections, start=1):
        plan = {
            "region": region,
            "isic_section": section,
            "year_from": today.year - 1,
            "year_until": today.year + 4,
            "priority": min(place, 5),
            "trend": random.choice(("growing", "stable")),
        }
        yield Act(today, "plan.record", user, "POST", "partners", "/v1/plan-priorities", plan)
        for _, isco, _ in sector(section).trades[:2]:
            level = random.randint(80, 400)
            asked = {"region": region, "profession": isco, "qualification": Qualification.VOCATIONAL.value}
            for year in range(today.year - 3, today.year + 1):
                level = round(level * random.uniform(0.97, 1.12))
                body = {**asked, "reporter": "labour_body", "reporter_ref": f"bandlik-{region}", "year": year}
                body |= {"positions": level, "vacancies": level // 3}
                yield Act(today, "demand.report", user, "POST", "partners", "/v1/demand-reports", body)
            supply = {**asked, "reporter_ref": f"bandlik-{region}", "year": today.year - 1, "unemployed": level // 2}
            yield Act(today, "supply.report", user, "POST", "partners", "/v1/supply-reports", supply)


def preparation(institution: Institution, partners: Sequence[Enterprise], random: Random, calendar: Calendar) -> Work:
    """Stage 1: the council's decision, Q1–Q4, needs and offers, and the looks at market and sector."""
    on = calendar.day(0)

    def act(what: str, path: str, body: Mapping[str, Any]) -> Act:
        return Act(on, what, institution.user, "POST", "partners", path, {"institution_id": institution.id, **body})

    decided = {
        "decision_ref": f"PK-{institution.code}",
        "decided_on": on.isoformat(),
        "responsible_ref": f"T-{random.randint(1, 80):04d}",
        "valid_until": (on + timedelta(days=400)).isoformat(),
    }
    yield act("orientation.adopt", "/v1/orientations", decided)
    trade = random.choice(sector(institution.sector).trades)[1]
    answers = {
        "assessed_on": on.isoformat(),
        "understanding": random.randint(2, 5),
        "problems": [{"opportunity": "O4", "weight": random.randint(2, 5)}, {"opportunity": "O6", "weight": 3}],
        "main_partners": [{"category": "enterprise"}],
        "gifts": [{"opportunity": "O7", "form": "AF5", "profession": trade, "quantity": random.randint(5, 30)}],
    }
    yield act("self_assessment.record", "/v1/self-assessments", answers)
    listing = {"opportunity": "O4", "form": "AF1", "profession": trade, "since": on.isoformat()}
    yield act("need.record", "/v1/needs", listing | {"quantity": random.randint(5, 60)})
    yield act("market.review", "/v1/market-reviews", {"area": institution.region, "reviewed_on": on.isoformat()})
    yield act("sector.review", "/v1/sector-reviews", {"reviewed_on": on.isoformat()})
    asked = {"profession": sector(institution.sector).trades[0][1], "qualification": "vocational"}
    yield act("market.assess", "/v1/market-assessments", asked | {"assessed_on": on.isoformat()})
    speaking = [each for each in partners if not each.doubled]
    if speaking and random.random() < 0.5:
        partner = random.choice(speaking)
        offer = listing | {"enterprise_id": partner.id, "quantity": random.randint(2, 20)}
        yield Act(on, "offer.record", partner.user, "POST", "partners", "/v1/offers", offer)


def visit(institution: Institution, partner: Enterprise, random: Random, calendar: Calendar) -> Work:
    """Stage 2: dossier, plan, appointment, checklist, the meeting, its protocol and what was agreed to do."""
    on = calendar.day(0)
    who = {"institution_id": institution.id, "category": "enterprise", "enterprise_id": partner.id}
    known = {"directions": [partner.sector], "union_member": random.random() < 0.4, "interests": ["O4", "O6"]}
    yield Act(on, "dossier.keep", institution.user, "POST", "partners", "/v1/dossiers", who | known)
    start = _moment(calendar.day(5), random)
    body = who | {
        "opportunities": ["O4", "O6"],
        "place": "at_partner",
        "envoy_ref": f"T-{random.randint(1, 30):04d}",
        "envoy_rank": random.choice(RANKS),
        "host_rank": random.choice(("head", "deputy_head", "head_of_unit")),
        "planned_start": start.isoformat(),
        "planned_end": (start + timedelta(minutes=75)).isoformat(),
    }
    last = yield Act(on, "visit.plan", institution.user, "POST", "partners", "/v1/visits", body)

    def step(name: str, given: Any, method: str = "POST", user: str = institution.user) -> Act:
        path = f"/v1/visits/{last.id}/{name}"
        return Act(on, f"visit.{name.partition('/')[0]}", user, method, "partners", path, given, last.version)

    if random.random() < 0.12:
        yield step("cancel", {"causes": [random.choice(("B1", "B2", "B3"))]})
        return
    last = yield step(
        "agree", {"agreed_on": on.isoformat()}, user=institution.user if partner.doubled else partner.user
    )
    for check in ("V1", "V5"):
        last = yield step(f"checklist/{check}", {}, "PUT")
    waiver = {"waived": "known_partner", "reason": "avvalgi hamkorlikdan maʼlum"}
    last = yield step("checklist/V4", waiver, "PUT")
    last = yield step("prepare", None)
    if not calendar.reached(6):
        return
    begun = start + timedelta(minutes=random.choice((0, 0, 5, 10, 30)))
    times = {"actual_start": begun.isoformat(), "actual_end": (begun + timedelta(minutes=70)).isoformat()}
    last = yield step("hold", times)
    causes = [random.choice(("A1", "A2", "A3", "A4", "B2"))] if random.random() < 0.3 else ["none"]
    due = start.date() + timedelta(days=random.randint(3, 30))
    action = {"side": "institution", "owner_ref": "T-0003", "due_on": due.isoformat(), "what": "Shartnoma loyihasi"}
    protocol = {
        "steps": [f"N{number}" for number in range(1, random.randint(4, 6) + 1)],
        "outcome": random.choice(("agreement_in_principle", "agreement_in_principle", "to_be_continued", "refused")),
        "causes": causes,
        "actions": [action],
    }
    yield step("protocol", protocol)


def _moment(day: date, random: Random) -> datetime:
    return datetime.combine(day, time(random.randint(9, 16), random.choice((0, 15, 30, 45))), TASHKENT)


def final_stage(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """Stage 3: instructions, this year's plan, sample documents, the board and its meeting."""
    on = calendar.day(0)

    def act(what: str, path: str, body: Mapping[str, Any]) -> Act:
        return Act(on, what, institution.user, "POST", "agreements", path, {"institution_id": institution.id, **body})

    adopted = {"adopted_on": on.isoformat(), "in_force_from": on.isoformat(), "order_ref": f"B-{random.randint(1, 99)}"}
    for duty in REQUIRED_DUTIES:
        texts = {"title": "Hamkorlik boʻyicha lavozim yoʻriqnomasi", "text": "1. Uchrashuvlarni rejalashtiradi."}
        kind = {"kind": "job_instruction", "duty": duty}
        yield act("instruction.adopt", "/v1/instructions", adopted | texts | kind)
    yield from work_plan(institution, random, calendar)
    for kind_of in REQUIRED_SAMPLES:
        yield act("sample.adopt", "/v1/samples", adopted | {"kind": kind_of.value})
    yield from board(institution, random, calendar)


def work_plan(institution: Institution, random: Random, calendar: Calendar) -> Generator[Any, Answer, None]:
    """R10: this academic year's plan; some measures are done, some in time."""
    on, year = calendar.day(0), academic_year(calendar.today)
    ends = date(year + 1, 8, 31)
    measures = [
        {
            "title": title,
            "due_on": min(calendar.day(offset), ends).isoformat(),
            "responsible_ref": f"T-{random.randint(1, 80):04d}",
            "opportunities": [opportunity],
        }
        for title, offset, opportunity in (
            ("Hamkorlar bilan davra suhbati", 10, "O2"),
            ("Amaliyot joylarini kelishish", 20, "O4"),
            ("Bitiruvchilar bandligi kuni", 200, "O6"),
        )
    ]
    body = {
        "institution_id": institution.id,
        "academic_year": f"{year}-{(year + 1) % 100:02d}",
        "adopted_on": max(on, date(year, 9, 1)).isoformat() if calendar.today >= date(year, 9, 1) else on.isoformat(),
        "measures": [measure for measure in measures if date.fromisoformat(str(measure["due_on"])) >= date(year, 9, 1)],
    }
    last = yield Act(on, "work_plan.adopt", institution.user, "POST", "agreements", "/v1/work-plans", body)
    if random.random() < 0.7 and calendar.reached(12):
        path = f"/v1/work-plans/{last.id}/measures/m1/done"
        done = {"evidence": [{"kind": "file", "ref": "bayonnoma-1"}]}
        yield Act(on, "work_plan.done", institution.user, "POST", "agreements", path, done, last.version)


def board(institution: Institution, random: Random, calendar: Calendar) -> Generator[Any, Answer, None]:
    """R12: a Board of Trustees with a meeting and what it decided."""
    on, user = calendar.day(0), institution.user

    def member(category: str, number: int) -> dict[str, str]:
        return {"category": category, "ref": f"K-{number}", "name": f"Aʼzo {number}", "since": on.isoformat()}

    body = {
        "institution_id": institution.id,
        "established_on": on.isoformat(),
        "members": [member("institution", 1), member("enterprise", 2), member("hokimiyat", 3)],
        "chair_ref": "K-2",
    }
    last = yield Act(on, "board.establish", user, "POST", "agreements", "/v1/boards", body)

    def step(name: str, given: Any) -> Act:
        path = f"/v1/boards/{last.id}/{name}"
        return Act(on, f"board.{name.rpartition('/')[2]}", user, "POST", "agreements", path, given, last.version)

    last = yield step("meetings", {"planned_on": calendar.day(7).isoformat()})
    if not calendar.reached(8):
        return
    meeting = last.body["meetings"][-1]["meeting_id"]
    last = yield step(f"meetings/{meeting}/hold", {"present": ["p1", "p2", "p3"][: random.randint(2, 3)]})
    decision = {
        "text": "Yangi jihozlar uchun homiylik",
        "votes_for": 2,
        "responsible": "enterprise",
        "due_on": (calendar.day(7) + timedelta(days=random.randint(10, 120))).isoformat(),
    }
    yield step(f"meetings/{meeting}/decisions", decision)
