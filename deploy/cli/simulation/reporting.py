"""Reports as they go: an institution submits what is open, its district approves most of it and returns the rest."""

from random import Random

from deploy.cli.simulation.acts import Act, Look, Work
from deploy.cli.simulation.work import Calendar, Institution

RETURNED, APPROVED = 0.15, 0.8
REASONS = ("incomplete", "wrong_figures", "evidence_missing")


def report(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """One report that waits for the institution, if there is any."""
    on = calendar.today
    path = f"/v1/submissions?place={institution.id}"
    waiting = [each for each in (yield Look(on, institution.user, "monitoring", path)).body["items"] if each["may"]]
    for each in waiting[:1]:
        address = f"/v1/submissions/{each['id']}"
        sent = yield Act(
            on, "submission.submit", institution.user, "POST", "monitoring", f"{address}/submit", {}, each["version"]
        )
        what = random.random()
        if what < APPROVED:
            step, body = ("return", {"reason": random.choice(REASONS)}) if what < RETURNED else ("approve", {})
            district = f"district:{each['district']}"
            yield Act(on, f"submission.{step}", district, "POST", "monitoring", f"{address}/{step}", body, sent.version)
