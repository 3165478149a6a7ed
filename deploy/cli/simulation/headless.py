"""The proof from end to end: a stack of its own, the activity with every disturbance, and the count afterwards."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.api_client import Api, Patience, api_client
from deploy.cli.importing.registers import Known as KnownTerritory
from deploy.cli.importing.run import Import, check_file
from deploy.cli.importing.territory import TerritoryRegister
from deploy.cli.simulation.chaos import Chaos
from deploy.cli.simulation.country import Country, districts, plan
from deploy.cli.simulation.execution import Disturbances, Ledger, Pace, Performer
from deploy.cli.simulation.history import Known, Progress, inhabitants, live_through, questionnaires
from deploy.cli.simulation.live import live
from deploy.cli.simulation.machinery import Buckets, Machinery, collect_freshness, machinery
from deploy.cli.simulation.proof import Proof, prove, settle
from deploy.cli.simulation.tour import Grounds, tour
from deploy.cli.simulation.work import World
from deploy.cli.verifying.run import Verdict, verify
from deploy.local.environment import ROOT
from deploy.local.ports import Ports
from deploy.local.process import Patience as Supervision
from deploy.local.stack import Engines, Stack
from shared import clock
from shared.contracts.catalogue import REGISTRY

TERRITORY = ROOT / "shared" / "reference" / "territory.csv"
AT_ONCE = 16
NAMED = 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What the command line said."""

    institutions: int
    days: int
    seed: int
    engines: Engines = Engines.EMBEDDED
    kill: tuple[str, ...] = ()
    rate: float | None = None
    folder: Path | None = None


async def run(options: Options, say: Say, step: Callable[[Progress], None]) -> dict[str, Any]:
    """Run it all; the answer is what `--json` prints. Raises StackError and Unreachable."""
    began = time.monotonic()
    with contextlib.ExitStack() as rooms:
        folder = options.folder or Path(rooms.enter_context(tempfile.TemporaryDirectory(prefix="hamkor-demo-")))
        stack = Stack(
            folder,
            engines=options.engines,
            ports=Ports.FREE,
            patience=Supervision(probe_every_s=0.5, backoff_first_s=0.2, backoff_most_s=3.0),
        )
        say(f"Starting a stack on {options.engines} engines in {folder}")
        async with stack, machinery(stack.environment) as machines:
            say(f"Up after {time.monotonic() - began:.1f} s: {options.institutions} institutions × {options.days} days")
            return await _prove(options, stack, machines, began, say, step)


async def _prove(
    options: Options, stack: Stack, machines: Machinery, began: float, say: Say, step: Callable[[Progress], None]
) -> dict[str, Any]:
    chaos = Chaos(stack, options.kill, options.seed)
    chaos.check()
    freshness = [Buckets({})]
    async with api_client(stack.url(), connections=AT_ONCE * 3, patience=Patience(total_s=180)) as api:
        await import_territory(api)
        pace = Pace(options.rate) if options.rate else None
        performer = Performer(api, stack.url(), f"demo-{options.seed}", Ledger(), Disturbances(), pace)
        measuring = asyncio.create_task(collect_freshness(machines, 1.0, freshness))
        raging = asyncio.create_task(chaos.rage()) if options.kill else None
        working = time.monotonic()
        try:
            await act(options, performer, step, chaos.through if options.kill else None)
        except BaseException:
            measuring.cancel()
            raise
        finally:
            await _end(raging)
        worked_s = time.monotonic() - working
        say(f"{performer.ledger.commands} commands acknowledged in {worked_s:.0f} s; waiting until all is applied")
        await settle(machines, performer.ledger)
        await _end(measuring)
        proof = await prove(machines, performer.ledger)
        say("Recomputing every cell from the logs")
        verdict = await verify(stack.environment)
    return _summary(options, performer.ledger, proof, verdict, chaos, freshness[0], worked_s, began)


async def act(
    options: Options, performer: Performer, step: Callable[[Progress], None], until: asyncio.Event | None
) -> None:
    """The history of the options' country; then its life goes on as long as `until` is not set."""
    country = plan(options.seed, options.institutions)
    world = World(clock.local_day(clock.now()))
    await questionnaires(performer, world)
    progress = Progress()
    progress.on_step = lambda: step(progress)
    await live_through(country, Known(), performer, world, options.days, AT_ONCE, progress)
    await performer.drive(tour(_grounds(country, world)), "tour")
    if until is not None and not until.is_set():
        await live(await inhabitants(country, performer), world, performer, str(options.seed), until)


def _grounds(country: Country, world: World) -> Grounds:
    """Where the tour takes place: where the first institution is, and next door."""
    here = country.institutions[0].district
    neighbour = next(each.soato for each in districts()[here[:4]] if each.soato != here)
    return Grounds(country.seed, here[:4], here, neighbour, world.today)


async def import_territory(api: Api) -> None:
    """The official territory, where the platform lacks it."""
    register = TerritoryRegister()
    known = await KnownTerritory.of_platform(api, "ministry")
    entries = check_file(TERRITORY, register, known).entries
    await Import(register, known, api, "ministry", commit=True).run(entries, lambda: None)


async def _end(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _summary(
    options: Options,
    ledger: Ledger,
    proof: Proof,
    verdict: Verdict,
    chaos: Chaos,
    freshness: Buckets,
    worked_s: float,
    began: float,
) -> dict[str, Any]:
    def ms(share: float) -> float | None:
        value = freshness.quantile_s(share)
        return None if value is None else round(value * 1000, 1)

    return {
        "commands": ledger.commands,
        "events": proof.events,
        "applied": verdict.applied,
        "lost": len(proof.lost) + verdict.lost,
        "doubled": len(proof.doubled) + verdict.doubled,
        "mismatches": verdict.mismatches,
        "values": verdict.values,
        "freshness_p50_ms": ms(0.5),
        "freshness_p99_ms": ms(0.99),
        "wall_s": round(time.monotonic() - began, 1),
        "activity_s": round(worked_s, 1),
        "commands_per_s": round(ledger.commands / worked_s, 1) if worked_s else None,
        "disturbed": dict(ledger.disturbed),
        "killed": dict(chaos.killed),
        "refused": dict(ledger.refused),
        "missing_types": sorted(REGISTRY.keys() - proof.events_by_type.keys()),
        "events_by_type": dict(sorted(proof.events_by_type.items())),
        "institutions": options.institutions,
        "days": options.days,
        "seed": options.seed,
        "engines": str(options.engines),
        "findings": [*proof.lost, *proof.doubled, *verdict.named][:NAMED],
    }
