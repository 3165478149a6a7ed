"""The order of a verification: wait, take monitoring's cells, recompute shard by shard, unite, judge."""

import asyncio
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.cli.verifying import folder as shelves
from deploy.cli.verifying.process import Local, Process, Worker
from deploy.cli.verifying.reading import Heads, Monitoring, Snapshot, heads_of, services
from deploy.cli.verifying.shards import NAMED, Found
from deploy.local.errors import StackError
from services.monitoring.recompute.book import Amounts
from services.monitoring.recompute.country import Territory
from services.monitoring.recompute.parts import lifted
from shared.child import ChildEnded
from shared.ids import SHARDS

POLL_S = 0.25
APART = 30_000
"""With fewer events than these no process is worth its start."""
LANES = max(2, min(os.cpu_count() or 1, 8))
"""Shards at a time: while one waits for the services, another computes."""

Step = Callable[[str, int, int | None], None]
"""Told how far it is: (what is being done, how many are done, of how many)."""


@dataclass
class Verdict:
    """What was found. `lost`: events in a log without effect; `doubled`: applied again, or never told."""

    events: int = 0
    applied: int = 0
    values: int = 0
    lost: int = 0
    doubled: int = 0
    mismatches: int = 0
    named: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Nothing lost, doubled or different."""
        return not (self.lost or self.doubled or self.mismatches)

    def name(self, finding: str) -> None:
        """Remember one of the first findings in words."""
        if len(self.named) < NAMED:
            self.named.append(finding)

    def take(self, found: Found) -> None:
        """Take in what a part found."""
        self.values += found.values
        self.mismatches += found.mismatches
        for finding in found.named:
            self.name(finding)

    def count(self, heads: Heads, behind: Heads, snapshot: Snapshot) -> None:
        """Events lost and doubled: by the logs as they were before the cells were read, and behind."""
        for source, expected in heads.items():
            for shard, head in enumerate(expected):
                applied = snapshot.applied[source][shard]
                logged = snapshot.logged[source].get(str(shard), 0)
                self.applied += min(applied, logged)
                lost = max(0, head - applied) + max(0, applied - logged)
                doubled = max(0, logged - applied) + max(0, applied - behind[source][shard])
                self.lost += lost
                self.doubled += doubled
                where = f"{source}/{shard}: log {head}, applied {applied}, logged {logged}"
                if lost:
                    self.name(f"lost {lost}, {where}")
                if doubled:
                    self.name(f"doubled {doubled}, {where}")

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"sound": self.sound, **asdict(self), "seconds": round(self.seconds, 2)}


async def verify(
    environment: dict[str, str], *, wait_s: float = 30.0, step: Step = lambda *_: None, apart: int = APART
) -> Verdict:
    """Verify the platform that runs in this environment; with `apart` events or more in processes of their own.

    Raises StackError where a service does not answer.
    """
    began = time.monotonic()
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="hamkor-verify-") as name:
        folder = Path(name)
        try:
            async with services(environment) as (feeds, monitoring), AsyncExitStack() as open_:
                heads = await heads_of(feeds)
                verdict.events = sum(map(sum, heads.values()))
                await _catch_up(monitoring, heads, wait_s, step)
                snapshot = await _cells(folder, monitoring, step)
                verdict.count(heads, await heads_of(feeds), snapshot)
                workers: list[Worker] = [Local(folder, feeds)]
                if verdict.events >= apart:
                    workers = [await open_.enter_async_context(Process(folder, environment)) for _ in range(LANES)]
                await _shards(workers, snapshot.applied, verdict, step)
                await _unite(workers, step)
        except (OSError, httpx.HTTPError, ChildEnded, ExceptionGroup) as problem:
            raise _explained(problem) from problem
        await asyncio.to_thread(_above, folder, verdict)
    verdict.seconds = time.monotonic() - began
    return verdict


def _explained(problem: Exception) -> Exception:
    """What a person is told; what nobody expected stays as it is."""
    first: Exception = problem
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, ChildEnded):
        return StackError(f"A process of the verification has ended early: {first}. Start it once more.")
    if isinstance(first, OSError | httpx.HTTPError):
        return StackError(f"Not everything could be read: {first!r}. Is the stack up? hamkor status says.")
    return problem


async def _catch_up(monitoring: Monitoring, heads: Heads, wait_s: float, step: Step) -> None:
    """Wait until monitoring has applied what the logs hold now, or `wait_s` have passed."""
    total = sum(map(sum, heads.values()))
    deadline = time.monotonic() + wait_s
    while True:
        applied = await monitoring.applied()
        missing = sum(
            max(0, head - done) for source in heads for head, done in zip(heads[source], applied[source], strict=True)
        )
        step("waiting for monitoring", total - missing, total)
        if not missing or time.monotonic() > deadline:
            return
        await asyncio.sleep(POLL_S)


async def _cells(folder: Path, monitoring: Monitoring, step: Step) -> Snapshot:
    places = 0

    def keep(line: bytes) -> None:
        nonlocal places
        places += 1
        step("reading monitoring's cells, places", places, None)
        laid.keep(line)

    with shelves.Shelves(folder) as laid:
        snapshot = await monitoring.cells(keep)
    step("reading monitoring's cells, places", places, places)
    return snapshot


async def _shards(workers: Iterable[Worker], applied: Heads, verdict: Verdict, step: Step) -> None:
    total, done = sum(map(sum, applied.values())), 0
    waiting = iter(range(SHARDS))

    async def work(worker: Worker) -> None:
        nonlocal done
        for shard in waiting:
            async for found in worker.prove(shard, {source: applied[source][shard] for source in applied}):
                verdict.take(found)
                done += found.read
                step("recomputing events", done, total)

    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(work(worker))


async def _unite(workers: Iterable[Worker], step: Step) -> None:
    waiting, done = iter(range(shelves.PARTITIONS)), 0

    async def work(worker: Worker) -> None:
        nonlocal done
        for partition in waiting:
            await worker.unite(partition)
            done += 1
            step("uniting what institutions share", done, shelves.PARTITIONS)

    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(work(worker))


def _above(folder: Path, verdict: Verdict) -> None:
    """Compare the places above institutions."""
    above: dict[str, Amounts] = defaultdict(Counter)
    for part in shelves.amounts(folder, "above"):
        for place, amounts in part.items():
            above[place].update(amounts)
    proof = lifted(Territory(shelves.territory(folder)), above)
    for part in shelves.amounts(folder, "united"):
        for place, amounts in part.items():
            proof[place].update(amounts)
    found = Found()
    for place, live in shelves.cells(folder, None):
        found.compare(place, live, proof.pop(place, Amounts()))
    for place, amounts in proof.items():
        found.compare(place, {}, amounts)
    verdict.take(found)
