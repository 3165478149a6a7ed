"""The main job: from a school's command through stream, broker and engine to the indicators of the nation."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Any

import pytest

from shared.clock import local_day, now
from shared.scope import Role
from tests.support.platform import Platform, User
from tests.support.services import eventually

pytestmark = pytest.mark.e2e

DISTRICT, REGION, NATION = "1708201", "1708", "17"
SINCE = local_day(now()) - timedelta(days=30)
MONTH = f"{local_day(now()):%Y-%m}"
_codes = iter(range(1, 10_000))


async def a_school(platform: Platform, district: str = DISTRICT) -> tuple[User, dict[str, Any]]:
    ministry = await platform.user(Role.MINISTRY)
    state = await ministry.done(
        "POST",
        "/api/partners/v1/institutions",
        {
            "code": f"E2E-{next(_codes)}",
            "name": "Jizzax texnikumi",
            "kind": "technikum",
            "district": district,
            "opened_on": "2020-09-01",
        },
    )
    return await platform.user(Role.INSTITUTION, state["id"]), state


async def an_enterprise(platform: Platform) -> dict[str, Any]:
    ministry = await platform.user(Role.MINISTRY)
    return await ministry.done(
        "POST",
        "/api/partners/v1/enterprises",
        {
            "stir": f"30{next(_codes):07d}",
            "name": "Zavod",
            "size": "large",
            "isic_section": "C",
            "district": DISTRICT,
        },
    )


async def a_signed_agreement(school: User, institution: str, enterprise: str, form: str = "AF1") -> dict[str, Any]:
    body = {
        "institution_id": institution,
        "form": form,
        "opportunities": ["O4"],
        "valid_from": SINCE.isoformat(),
        "valid_until": (SINCE + timedelta(days=400)).isoformat(),
        "parties": [
            {"category": "institution", "ref": institution},
            {"category": "enterprise", "ref": enterprise},
        ],
    }

    async def drafted() -> dict[str, Any] | None:
        # The school and the enterprise reach agreements as events; until then they are unknown there.
        answer = await school.send("POST", "/api/agreements/v1/agreements", body)
        return answer.json() if answer.is_success else None

    state: dict[str, Any] = await eventually(drafted, "agreements knows the school and the enterprise")
    for party in state["parties"]:
        state = await school.done(
            "POST",
            f"/api/agreements/v1/agreements/{state['id']}/sign",
            {"party_id": party["party_id"], "kind": "paper", "signed_on": SINCE.isoformat(), "scan_ref": "scan-1"},
            version=state["version"],
        )
    return state


async def value(user: User, indicator: str, place: str, period: str) -> dict[str, Any]:
    answer = await user.get("/api/monitoring/v1/values", indicator=indicator, place=place, period=period)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["value"]
    return found


async def test_enrolment_report_moves_the_indicator_at_all_four_levels(platform: Platform) -> None:
    school, institution = await a_school(platform)
    ministry = await platform.user(Role.MINISTRY)
    year = "2024-25"

    async def known() -> bool:
        # On a stack that has just begun the territory may still be on its way to monitoring.
        answer = await school.get("/api/monitoring/v1/values", indicator="I2", place=institution["id"], period=year)
        return answer.is_success

    await eventually(known, "monitoring knows the school, and so the units that it lies in")
    before = {place: await value(ministry, "I2", place, year) for place in (DISTRICT, REGION, NATION)}
    path = f"/api/partners/v1/institutions/{institution['id']}/enrolments/{year}"
    await school.done("PUT", path, {"places": 100, "first_choice": 150})

    async def arrived() -> bool:
        answer = await school.get("/api/monitoring/v1/values", indicator="I2", place=institution["id"], period=year)
        return answer.status_code == 200 and answer.json()["value"]["numerator"] == 150

    await eventually(arrived, "the school sees its own value")
    own = await value(school, "I2", institution["id"], year)
    assert (own["numerator"], own["denominator"], own["value"]) == (150, 100, 1.5)
    for place in (DISTRICT, REGION, NATION):
        now = await value(ministry, "I2", place, year)
        assert now["numerator"] - (before[place]["numerator"] or 0) == 150
        assert now["denominator"] - (before[place]["denominator"] or 0) == 100
    # Why this number: the report and its event.
    lineage = await school.get("/api/monitoring/v1/lineage", indicator="I2", place=institution["id"], period=year)
    items = lineage.json()["items"]
    assert {item["aggregate"] for item in items} == {"enrolment"}
    assert {event["type"] for item in items for event in item["events"]} == {"hamkor.partners.enrolment.reported.v1"}


async def test_signed_agreement_counts_everywhere_above_and_nowhere_else(platform: Platform) -> None:
    school, institution = await a_school(platform)
    ministry = await platform.user(Role.MINISTRY)
    foreign = await platform.user(Role.REGION, "1703")
    before = {place: await value(ministry, "F1", place, MONTH) for place in (DISTRICT, NATION, "1703")}
    enterprise = await an_enterprise(platform)
    state = await a_signed_agreement(school, institution["id"], enterprise["id"])
    assert state["status"] == "active"

    async def counted() -> bool:
        return bool((await value(ministry, "F1", NATION, MONTH))["value"] == (before[NATION]["value"] or 0) + 1)

    await eventually(counted, "the nation counts the agreement")
    assert (await value(ministry, "F1", DISTRICT, MONTH))["value"] == (before[DISTRICT]["value"] or 0) + 1
    assert (await value(ministry, "F1", "1703", MONTH))["value"] == before["1703"]["value"]
    for path in (
        f"/api/agreements/v1/agreements/{state['id']}",
        f"/api/partners/v1/institutions/{institution['id']}",
        f"/api/monitoring/v1/values?indicator=F1&place={institution['id']}&period={MONTH}",
        f"/api/monitoring/v1/lineage?indicator=F1&place={institution['id']}&period={MONTH}",
        "/api/monitoring/v1/values?indicator=F1&place=1708",
        "/api/monitoring/v1/values?indicator=F1&place=17",
    ):
        assert (await foreign.get(path)).status_code == 404, path


async def test_internal_routes_are_behind_the_public_door(platform: Platform) -> None:
    service = await platform.user(Role.SERVICE)
    for path in ("/api/partners/internal/heads", "/internal/heads", "/api/partners/v1/../internal/heads"):
        assert (await service.get(path)).status_code in (400, 404), path


@pytest.mark.parametrize("victim", ["partners", "monitoring", "broker", "postgres"])
async def test_killed_process_comes_back_and_nothing_is_lost(platform: Platform, victim: str) -> None:
    school, institution = await a_school(platform)
    ministry = await platform.user(Role.MINISTRY)
    path = f"/api/partners/v1/institutions/{institution['id']}/enrolments/2023-24"
    await school.done("PUT", path, {"places": 1, "first_choice": 1})
    # On real engines the broker that dies is one of three.
    process = platform.stack.processes.get(victim) or platform.stack.process("kafka-1")
    restarts = process.restarts
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    for number in range(2, 12):
        await school.done("PUT", path, {"places": number, "first_choice": number})

    async def converged() -> bool:
        answer = await ministry.get(
            "/api/monitoring/v1/values", indicator="I2", place=institution["id"], period="2023-24"
        )
        return answer.status_code == 200 and answer.json()["value"]["denominator"] == 11

    await eventually(converged, f"monitoring caught up after {victim} was killed", timeout_s=90)
    assert process.restarts > restarts


async def test_change_stream_tells_of_the_callers_part_only(platform: Platform) -> None:
    school, institution = await a_school(platform)
    _, other = await a_school(platform, "1703202")
    region = await platform.user(Role.REGION, "1708")
    ministry = await platform.user(Role.MINISTRY)
    seen: list[str] = []

    async def listen() -> None:
        url = region.door + "/api/monitoring/v1/changes"
        headers = {"Authorization": f"Bearer {region.token}"}
        async with platform.http.stream("GET", url, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                seen.append(line)  # noqa: PERF401 - read by the test while it grows

    listening = asyncio.create_task(listen())
    try:

        async def moved() -> bool:
            for owner, id_ in ((ministry, other["id"]), (school, institution["id"])):
                path = f"/api/partners/v1/institutions/{id_}/enrolments/2022-23"
                await owner.done("PUT", path, {"places": len(seen) + 1, "first_choice": 1})
            return any(institution["id"] in line for line in seen)

        await eventually(moved, "the stream tells of the school")
    finally:
        listening.cancel()
    assert not any(other["id"] in line or '"17"' in line or '"1703"' in line for line in seen)
