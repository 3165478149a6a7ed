"""Recommendations as they are worked on: an institution takes one on, does what it has taken on, or says why not."""

from random import Random
from typing import Any

from deploy.cli.simulation.acts import Act, Look, Work
from deploy.cli.simulation.work import Calendar, Institution

ACCEPTED, DISMISSED = 0.7, 0.2
REASONS = ("not_applicable", "data_wrong", "planned_otherwise", "no_capacity")


def heed(institution: Institution, random: Random, calendar: Calendar) -> Work:
    """One of the recommendations that wait at the institution, if there are any."""
    on = calendar.today
    found = (yield Look(on, institution.user, "monitoring", "/v1/recommendations?limit=20")).body["items"]
    if not found:
        return
    one = random.choice(found)
    what = random.random()
    body: dict[str, Any] = {}
    if one["status"] == "accepted":
        step = "complete"
    elif what < ACCEPTED:
        step = "accept"
    elif what < ACCEPTED + DISMISSED and one["severity"] != "urgent":
        step, body = "dismiss", {"reason": random.choice(REASONS)}
    else:
        return
    path = f"/v1/recommendations/{one['id']}/{step}"
    yield Act(on, f"recommendation.{step}", institution.user, "POST", "monitoring", path, body, one["version"])
