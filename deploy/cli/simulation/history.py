"""Months of work in minutes: what the country of a seed did until today, many institutions at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from deploy.api_client import Answer, Problem
from deploy.cli.simulation.chance import chance
from deploy.cli.simulation.country import Country, PlannedEnterprise
from deploy.cli.simulation.execution import Performer
from deploy.cli.simulation.lives import life
from deploy.cli.simulation.method import market
from deploy.cli.simulation.work import Enterprise, Institution, World, merge, register_enterprise
from shared.contracts.vocabulary import InstitutionKind

PAGE = 500


@dataclass
class Progress:
    """How far the history is; `on_step` hears of every change."""

    enterprises: int = 0
    institutions: int = 0
    on_step: Callable[[], None] = lambda: None


@dataclass
class Known:
    """What of the country the platform has already, by STIR and by code."""

    enterprises: dict[str, dict[str, Any]] = field(default_factory=dict)
    institutions: dict[str, dict[str, Any]] = field(default_factory=dict)


async def look_around(performer: Performer, country: Country) -> Known:
    """Find what is there of an earlier run."""
    known = Known()
    stirs = {each.stir for each in country.enterprises}
    codes = {each.code for each in country.institutions}
    async for state in _all(performer, "/v1/enterprises"):
        if state["stir"] in stirs:
            known.enterprises[state["stir"]] = state
    async for state in _all(performer, "/v1/institutions"):
        if state["code"] in codes:
            known.institutions[state["code"]] = state
    return known


async def _all(performer: Performer, path: str) -> Any:
    after: dict[str, str | int] = {}
    while True:
        page = await performer.api.get("ministry", "partners", path, limit=PAGE, **after)
        for state in page.body["items"]:
            yield state
        if page.body["next"] is None:
            return
        after = {"after": page.body["next"]}


async def questionnaires(performer: Performer, world: World) -> None:
    """Learn what the questionnaires ask."""
    listed = await performer.api.get("ministry", "surveys", "/v1/instruments")
    for each in listed.body["items"]:
        document = await performer.api.get("ministry", "surveys", f"/v1/instruments/{each['code']}")
        world.instruments[each["code"]] = document.body


async def enter_enterprises(
    country: Country, known: Known, performer: Performer, world: World, at_once: int, progress: Progress
) -> list[Enterprise | None]:
    """Register the enterprises that are missing; the world knows all of them then. In the order of the plan."""
    entered: list[Enterprise | None] = [None] * len(country.enterprises)
    waiting = iter(enumerate(country.enterprises))

    async def work() -> None:
        for place, planned in waiting:
            entered[place] = await _enterprise(planned, known, performer, world)
            progress.enterprises += 1
            progress.on_step()

    await _together(work, at_once)
    for enterprise in entered:
        if enterprise is not None:
            world.add(enterprise)
    return entered


async def _enterprise(
    planned: PlannedEnterprise, known: Known, performer: Performer, world: World
) -> Enterprise | None:
    state = known.enterprises.get(planned.stir)
    if state is not None:
        if state["status"] != "active":
            return None
        doubled = planned.double_of is not None
        return Enterprise(state["id"], planned.sector, planned.district[:4], doubled)
    work = register_enterprise(planned, world.today - timedelta(days=365))
    try:
        answer = await performer.do(next(work), f"{performer.run}:enterprise-{planned.stir}:0")
    except Problem:
        return None
    try:
        work.send(answer)
    except StopIteration as end:
        enterprise: Enterprise = end.value
        return enterprise
    raise AssertionError("registering is one deed")


async def live_through(
    country: Country, known: Known, performer: Performer, world: World, days: int, at_once: int, progress: Progress
) -> None:
    """Let every institution that is missing live through `days` days up to today; half-way duplicates are merged."""
    entered = await enter_enterprises(country, known, performer, world, at_once, progress)
    await tell_markets(country, performer, world)
    start = world.today - timedelta(days=days)
    missing = [each for each in country.institutions if each.code not in known.institutions]
    progress.institutions = len(country.institutions) - len(missing)
    waiting = ((each, 2 * place >= len(missing)) for place, each in enumerate(missing))
    half_way = asyncio.Event()

    async def work() -> None:
        for planned, late in waiting:
            if late:
                half_way.set()
            random = chance(country.seed, planned.code)
            await performer.drive(life(planned, world, random, start, doubles=not late), planned.code)
            progress.institutions += 1
            progress.on_step()

    async def clear_up() -> None:
        await half_way.wait()
        for place, planned in enumerate(country.enterprises):
            double = entered[place]
            original = entered[planned.double_of] if planned.double_of is not None else None
            if double is not None and original is not None:
                await performer.drive(merge(double, original, world.today), f"merge-{place}")

    if missing:
        await asyncio.gather(_together(work, at_once), clear_up())


async def tell_markets(country: Country, performer: Performer, world: World) -> None:
    """What the labour bodies of the institutions' regions report, and what the regions plan."""
    sections: dict[str, list[str]] = {}
    for institution in country.institutions:
        inside = sections.setdefault(institution.district[:4], [])
        if institution.sector not in inside:
            inside.append(institution.sector)
    for region, inside in sorted(sections.items()):
        await performer.drive(market(region, inside, world.today, chance(country.seed, region)), f"market-{region}")


async def _together(work: Callable[[], Any], at_once: int) -> None:
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(work())
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def inhabitants(country: Country, performer: Performer) -> list[Institution]:
    """The demo's institutions as the platform has them now."""
    known = await look_around(performer, country)
    return [
        Institution(state["id"], state["code"], InstitutionKind(state["kind"]), state["sector"] or "C", _region(state))
        for _, state in sorted(known.institutions.items())
        if state["status"] == "active"
    ]


def _region(state: dict[str, Any]) -> str:
    return str(state["membership"][-1]["district"])[:4]


__all__ = ["Answer", "Known", "Progress", "inhabitants", "live_through", "look_around", "questionnaires"]
