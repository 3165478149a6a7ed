"""`hamkor verify`: every cell of monitoring once more, by brute force from the services' event logs, and compared."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from deploy.cli.console import err, out
from deploy.cli.token import environment_of, fetch
from deploy.local.errors import StackError
from services.monitoring import LISTENS_TO
from services.monitoring.domain.measures import BY_NAME, Kind
from services.monitoring.domain.periods import month_from
from services.monitoring.recompute import Country, Values, live_values, recompute
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.messaging.feed import Feed
from shared.scope import Role

PAGE = 5000
AT_ONCE = 6
NAMED = 20
TOKEN_S = 300.0
POLL_S = 0.25
STOCKS = (Kind.STOCK, Kind.SET_STOCK)

Step = Callable[[str, int, int | None], None]
"""Told how far it is: (what is being done, how many are done, of how many)."""
Heads = dict[str, list[int]]
"""Positions by source, indexed by shard."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help=verify_command.__doc__)(verify_command)


def verify_command(
    folder: Annotated[Path, typer.Option(help="The running stack's folder.")] = Path(".hamkor"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to let monitoring catch up first.")] = 30.0,
) -> None:
    """Prove the indicators: compute every cell again from the event logs, and compare to the last digit.

    Reads all events of partners, agreements and surveys, computes every value by brute force with code that shares
    only the definitions with monitoring, and compares. Also counts events that were lost or applied twice. Works
    while the platform is at work. Ends with 1 unless lost = doubled = mismatches = 0.
    """
    environment = environment_of(folder)
    with _bars() as step:
        verdict = asyncio.run(verify(environment, wait_s=wait, step=step))
    if as_json:
        out.print(json.dumps(verdict.as_dict(), ensure_ascii=False), markup=False)
    else:
        _say(verdict)
    raise typer.Exit(0 if verdict.sound else 1)


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

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"sound": self.sound, **asdict(self), "seconds": round(self.seconds, 2)}


async def verify(environment: dict[str, str], *, wait_s: float = 30.0, step: Step = lambda *_: None) -> Verdict:
    """Verify the platform that runs in this environment. Raises StackError where a service does not answer."""
    began = time.monotonic()
    async with _services(environment) as (feeds, monitoring):
        try:
            heads = await _heads(feeds)
            await _catch_up(monitoring, heads, wait_s, step)
            snapshot = await monitoring.cells(step)
            states = await _read(feeds, snapshot.applied, step)
            behind = await _heads(feeds)
        except (OSError, httpx.HTTPError) as problem:
            raise StackError(
                f"Not everything could be read: {problem}. Is the stack up? hamkor status says."
            ) from problem
    verdict = Verdict(events=sum(map(sum, heads.values())))
    _count(verdict, heads, behind, snapshot)
    country = await asyncio.to_thread(_country, states, step)
    await asyncio.to_thread(_compare, verdict, country, snapshot.cells, step)
    verdict.seconds = time.monotonic() - began
    return verdict


# -- reading


@dataclass
class Snapshot:
    """Monitoring at one moment: how far it had applied each log, how many events it had logged, its cells."""

    applied: Heads
    logged: dict[str, dict[str, int]]
    cells: list[tuple[str, str, str, int]]


class _Line(msgspec.Struct):
    measure: str
    place: str
    period: str
    value: int


class _Monitoring:
    """Monitoring's internal routes."""

    def __init__(self, client: httpx.AsyncClient, base: str, token: Callable[[], Any]) -> None:
        self._client = client
        self._base = base
        self._token = token

    async def applied(self) -> Heads:
        """Applied positions by source."""
        answer = await self._client.get(self._base + "/internal/inbox", headers=await self._headers())
        answer.raise_for_status()
        found: Heads = answer.json()["applied"]
        return found

    async def cells(self, step: Step) -> Snapshot:
        """One consistent snapshot."""
        decode = msgspec.json.Decoder(_Line).decode
        cells: list[tuple[str, str, str, int]] = []
        url = self._base + "/internal/cells"
        async with self._client.stream("GET", url, headers=await self._headers(), timeout=600) as answer:
            answer.raise_for_status()
            lines = answer.aiter_lines()
            head = json.loads(await anext(lines))
            async for text in lines:
                line = decode(text)
                cells.append((line.measure, line.place, line.period, line.value))
                if len(cells) % 10_000 == 0:
                    step("reading cells", len(cells), None)
        step("reading cells", len(cells), len(cells))
        return Snapshot(head["applied"], head["logged"], cells)

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._token()}"}


@asynccontextmanager
async def _services(environment: dict[str, str]) -> AsyncIterator[tuple[dict[str, Feed], _Monitoring]]:
    fetched: tuple[float, str] = (-TOKEN_S, "")

    async def token() -> str:
        nonlocal fetched
        if time.monotonic() - fetched[0] > TOKEN_S:
            fetched = time.monotonic(), await asyncio.to_thread(fetch, environment, Role.SERVICE)
        return fetched[1]

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        feeds = {source: Feed(client, source, environment[f"{source.upper()}_URL"], token) for source in LISTENS_TO}
        yield feeds, _Monitoring(client, environment["MONITORING_URL"], token)


async def _heads(feeds: dict[str, Feed]) -> Heads:
    return {source: await feed.heads() for source, feed in feeds.items()}


async def _catch_up(monitoring: _Monitoring, heads: Heads, wait_s: float, step: Step) -> None:
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


class _Versioned(msgspec.Struct):
    version: int


async def _read(feeds: dict[str, Feed], until: Heads, step: Step) -> dict[str, tuple[int, Event]]:
    """The newest event of every aggregate, as far as monitoring has applied the logs: (version, event) by subject."""
    version_of = msgspec.json.Decoder(_Versioned).decode
    newest: dict[str, tuple[int, Event]] = {}
    total, done = sum(map(sum, until.values())), 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def shard(source: str, number: int) -> None:
        nonlocal done
        after, last = 0, until[source][number]
        async with gate:
            while after < last:
                events = await feeds[source].events(number, after, min(PAGE, last - after))
                if not events:
                    return
                for event in events:
                    version = version_of(event.data).version
                    seen = newest.get(event.subject)
                    if seen is None or seen[0] < version:
                        newest[event.subject] = version, event
                after = events[-1].position
                done += len(events)
                step("reading events", done, total)

    async with asyncio.TaskGroup() as group:
        for source in feeds:
            for number in range(SHARDS):
                group.create_task(shard(source, number))
    return newest


# -- judging


def _count(verdict: Verdict, heads: Heads, behind: Heads, snapshot: Snapshot) -> None:
    for source, expected in heads.items():
        for shard, head in enumerate(expected):
            applied = snapshot.applied[source][shard]
            logged = snapshot.logged[source].get(str(shard), 0)
            verdict.applied += min(applied, logged)
            lost = max(0, head - applied) + max(0, applied - logged)
            doubled = max(0, logged - applied) + max(0, applied - behind[source][shard])
            verdict.lost += lost
            verdict.doubled += doubled
            where = f"{source}/{shard}: log {head}, applied {applied}, logged {logged}"
            if lost:
                verdict.name(f"lost {lost}, {where}")
            if doubled:
                verdict.name(f"doubled {doubled}, {where}")


def _country(states: dict[str, tuple[int, Event]], step: Step) -> Country:
    country = Country()
    for done, (_, event) in enumerate(states.values()):
        country.keep(REGISTRY[event.type].model.model_validate_json(event.data))
        if done % 1000 == 0:
            step("reading states", done, len(states))
    return country


def _compare(verdict: Verdict, country: Country, cells: list[tuple[str, str, str, int]], step: Step) -> None:
    months = {month_from(period) for name, _, period, _ in cells if BY_NAME[name].kind in STOCKS}
    proof = recompute(country, months, lambda done: step("recomputing", done, len(country)))
    months |= {month_from(period) for name, _, period in proof if BY_NAME[name].kind in STOCKS}
    live = live_values(cells, months)
    verdict.values = len(live.keys() | proof.keys())
    for key in sorted(_different(live, proof)):
        verdict.mismatches += 1
        name, place, period = key
        verdict.name(f"{name} of {place} in {period}: shown {live.get(key, 0)}, recomputed {proof.get(key, 0)}")


def _different(live: Values, proof: Values) -> Iterator[tuple[str, str, str]]:
    return (key for key in live.keys() | proof.keys() if live.get(key, 0) != proof.get(key, 0))


# -- saying


def _say(verdict: Verdict) -> None:
    out.print(
        f"{verdict.events} events in the logs, {verdict.applied} applied; {verdict.values} values recomputed and "
        f"compared in {verdict.seconds:.1f} s."
    )
    colour = "green" if verdict.sound else "red"
    out.print(f"[bold {colour}]lost {verdict.lost}, doubled {verdict.doubled}, mismatches {verdict.mismatches}[/]")
    for finding in verdict.named:
        out.print(f"  {finding}", markup=False)


@contextmanager
def _bars() -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = defaultdict(lambda: None)

        def step(what: str, done: int, total: int | None) -> None:
            if tasks[what] is None:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield step
