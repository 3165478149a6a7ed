"""What is done under each form of agreement: placements, specialists, internships, trainings, sessions, income."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from deploy.cli.simulation.acts import Act, Work
from deploy.cli.simulation.country import sector
from deploy.cli.simulation.work import Calendar, Enterprise, Institution
from shared.contracts.vocabulary import Form

Body = Mapping[str, Any]


def practice(
    institution: Institution, partner: Enterprise, agreement_id: str, form: Form, random: Random, calendar: Calendar
) -> Work:
    """What an active agreement of this form brings from the calendar's first day on."""
    begin = _BEGUN.get(form)
    if begin is None or not calendar.reached(0):
        return
    on = calendar.day(0)
    for number in range(random.randint(1, 3)):
        name, body = begin(institution, partner, random, on, number)
        body = {**body, "agreement_id": agreement_id}
        what = f"{name}.create"
        last = yield Act(on, what, institution.user, "POST", "agreements", f"/v1/{name}", body)
        for step, method, given, by_partner in _STEPS.get(form, ()):
            user = partner.user if by_partner else institution.user
            if by_partner and (partner.doubled or random.random() < 0.3):
                break
            path = f"/v1/{name}/{last.id}/{step}"
            filled = given(on) if callable(given) else given
            last = yield Act(on, f"{name}.{step}", user, method, "agreements", path, filled, last.version)


def placements(
    institution: Institution, partner: Enterprise, agreement: Mapping[str, Any], random: Random, calendar: Calendar
) -> Work:
    """AF1: students in the first term of a schedule; some are assessed by both sides."""
    terms = [term for term in agreement["schedule"] if date.fromisoformat(term["starts_on"]) <= calendar.today]
    if not terms:
        return
    term, on = terms[0], calendar.day(0)
    for number in range(min(int(term["seats"]), random.randint(1, 3))):
        body = {
            "agreement_id": agreement["id"],
            "term": term["term"],
            "student_ref": f"S{institution.code}-{random.getrandbits(32):08x}-{number}",
            "enterprise_id": partner.id,
        }
        last = yield Act(on, "placements.create", institution.user, "POST", "agreements", "/v1/placements", body)
        for step, user, given in (
            ("confirm", partner.user, {}),
            ("assess", institution.user, {"mark": random.choice(("good", "excellent", "satisfactory"))}),
            ("assess", partner.user, {"mark": random.choice(("good", "excellent"))}),
        ):
            if user == partner.user and partner.doubled:
                continue
            path = f"/v1/placements/{last.id}/{step}"
            last = yield Act(on, f"placements.{step}", user, "POST", "agreements", path, given, last.version)


def outcome(
    institution: Institution, partner: Enterprise, graduate_ref: str, random: Random, calendar: Calendar
) -> Work:
    """I1: what a graduate of half a year ago does."""
    on = calendar.day(0)
    status = random.choices(
        ("employed", "self_employed", "further_study", "unemployed", "unknown", "military"), (52, 8, 12, 10, 14, 4)
    )[0]
    body: dict[str, Any] = {
        "institution_id": institution.id,
        "graduate_ref": graduate_ref,
        "graduated_on": (on - timedelta(days=190)).isoformat(),
        "months": 6,
        "status": status,
        "surveyed_on": on.isoformat(),
        "profession": random.choice(sector(institution.sector).trades)[1],
    }
    if status == "employed":
        body |= {"enterprise_id": partner.id, "match": random.choice(("full", "partial", "none"))}
    last = yield Act(on, "outcomes.report", institution.user, "POST", "agreements", "/v1/outcomes", body)
    if status == "employed" and not partner.doubled and random.random() < 0.6:
        path = f"/v1/outcomes/{last.id}/confirm"
        yield Act(on, "outcomes.confirm", partner.user, "POST", "agreements", path, {}, last.version)


def incomes(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """I3: extra-budgetary income of the months of this and the last year."""
    on = calendar.day(0)
    level = random.randint(5, 80) * 1_000_000_00
    for back in (13, 12, 1, 0):
        month = calendar.today.year * 12 + calendar.today.month - 1 - back
        items = [{"purpose": "paid_training", "amount_tiyin": round(level * random.uniform(0.6, 1.5))}]
        body = {
            "institution_id": institution.id,
            "month": f"{month // 12}-{month % 12 + 1:02d}",
            "items": items if random.random() < 0.85 else [],
        }
        yield Act(on, "incomes.report", institution.user, "POST", "agreements", "/v1/incomes", body)


def session(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """F7: a session of the final state certification without enterprises."""
    on, students = calendar.day(0), random.randint(12, 28)
    body = {
        "institution_id": institution.id,
        "profession": random.choice(sector(institution.sector).trades)[1],
        "held_on": on.isoformat(),
        "students": students,
        "passed": random.randint(students - 4, students),
    }
    yield Act(on, "certifications.create", institution.user, "POST", "agreements", "/v1/certifications", body)


_Begin = Callable[[Institution, Enterprise, Random, date, int], tuple[str, Body]]


def _review(_: Institution, __: Enterprise, random: Random, on: date, number: int) -> tuple[str, Body]:
    kind = random.choice(("programme", "curriculum", "methodical_guide"))
    return "expert-reviews", {"kind": kind, "document_ref": f"D-{on:%y%m}-{number}", "requested_on": on.isoformat()}


def _internship(_: Institution, __: Enterprise, random: Random, on: date, ___: int) -> tuple[str, Body]:
    ends_on = on + timedelta(days=random.randint(6, 20))
    days = {"starts_on": on.isoformat(), "ends_on": ends_on.isoformat(), "hours": random.choice((36, 72, 144))}
    return "staff-internships", {"teacher_ref": f"T-{random.randint(1, 60):04d}", **days}


def _project(_: Institution, __: Enterprise, random: Random, on: date, ___: int) -> tuple[str, Body]:
    kind = random.choice(("short_courses", "joint_workshop", "service_centre"))
    return "projects", {"kind": kind, "starts_on": on.isoformat()}


def _training(institution: Institution, _: Enterprise, random: Random, on: date, __: int) -> tuple[str, Body]:
    days = {"starts_on": on.isoformat(), "ends_on": (on + timedelta(days=60)).isoformat(), "hours": 288}
    return "trainings", {
        "trainee_ref": f"B-{institution.code}-{random.getrandbits(24):06x}",
        "kind": random.choice(("training", "retraining", "further_training")),
        "profession": random.choice(sector(institution.sector).trades)[1],
        "referred_by": f"bandlik-{institution.region}",
        **days,
    }


def _session(institution: Institution, partner: Enterprise, random: Random, on: date, _: int) -> tuple[str, Body]:
    students = random.randint(12, 28)
    return "certifications", {
        "institution_id": institution.id,
        "profession": random.choice(sector(institution.sector).trades)[1],
        "held_on": on.isoformat(),
        "students": students,
        "passed": random.randint(students - 4, students),
        "examiners": [{"enterprise_id": partner.id, "examiner_ref": f"E-{random.randint(1, 40)}"}],
    }


def _specialist(_: Institution, __: Enterprise, random: Random, on: date, number: int) -> tuple[str, Body]:
    return "specialists", {
        "specialist_ref": f"E-{random.randint(1, 400)}-{number}",
        "subject": random.choice(("payvandlash", "elektr", "dasturlash", "tikuv")),
        "since": on.isoformat(),
    }


_BEGUN: Final[Mapping[Form, _Begin]] = {
    Form.AF3: _review,
    Form.AF4: _internship,
    Form.AF5: _project,
    Form.AF6: _training,
    Form.AF7: _session,
    Form.AF8: _specialist,
}
_STEPS: Final[Mapping[Form, tuple[tuple[str, str, Any, bool], ...]]] = {
    Form.AF3: (("review", "POST", {"verdict": "approved"}, True),),
    Form.AF4: (("confirm", "POST", {}, True), ("complete", "POST", {}, False)),
    Form.AF6: (("complete", "POST", {}, False),),
    Form.AF8: (
        ("hours", "PUT", lambda on: {"month": f"{on:%Y-%m}", "hours": 18}, False),
        ("confirm", "POST", {}, True),
    ),
}
"""(step, method, body or what gives it, whether the enterprise takes it)"""
