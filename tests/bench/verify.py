"""`hamkor verify` over a country's logs: events a second recomputed and compared, and the memory it takes.

Real services as processes; their logs are filled with synthetic events, about a thousand of each institution as in a
national year, which monitoring has applied. The work grows with the events: shards are proven one after the other.
"""

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

from deploy.cli.verifying.run import verify
from services.agreements import subscribers as agreements
from services.monitoring import LISTENS_TO
from services.monitoring.commands import Applier
from services.monitoring.subscribers import Indicators
from services.partners.webhooks import collecting
from services.surveys import subscribers as surveys
from shared.messaging.inbox import Inbox
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.unit_of_work import Database
from tests.bench.monitoring_backlog import NATIONAL_YEAR, batches_of
from tests.bench.monitoring_load import Nation
from tests.bench.report import cpu_of, figure
from tests.bench.serving import a_service, calm
from tests.support.engines import TestDatabase, a_broker, a_postgres
from tests.support.event_logs import fill_logs
from tests.support.issuer import Issuer
from tests.support.services import environment_of, free_port, serving

LOOK_S = 0.2
OTHERS = {"partners": collecting.LISTENS_TO, "agreements": agreements.LISTENS_TO, "surveys": surveys.LISTENS_TO}


class Memory:
    """The most memory that the processes of a verification took together, and the processor time of each so far.

    What several of them share counts once (PSS).
    """

    def __init__(self, without: set[int]) -> None:
        self._without = without
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most = 0
        self._cpu_s: dict[int, float] = {}

    @property
    def cpu_s(self) -> float:
        """Seconds of processor of all of them."""
        return sum(self._cpu_s.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._over.wait(LOOK_S):
            total = 0
            for each in here.children():
                if each.pid not in self._without:
                    try:
                        total += each.memory_full_info().pss
                        self._cpu_s[each.pid] = sum(each.cpu_times()[:2])
                    except psutil.Error:
                        continue  # it has just ended
            self.most = max(self.most, total)


async def fill(databases: dict[str, TestDatabase], institutions: int, events: int) -> None:
    """Logs, and monitoring as it is when it has applied them."""
    nation = Nation(institutions, 12)
    places, work = list(nation.places()), list(nation.work(events))
    await fill_logs(databases, [*places, *work], published=True)
    for service, sources in OTHERS.items():  # what they make of it is not what is measured here
        await _pass_by(databases[service], sources, databases)
    database = Database("monitoring", make_engine(databases["monitoring"].url, application="bench"))
    feeds: dict[str, Any] = dict.fromkeys(LISTENS_TO)
    inbox = Inbox(database, Indicators(Applier(10)), feeds)
    await inbox.prepare()
    for source, batch in [*batches_of(places, 20_000, 1), *batches_of(work, 20_000)]:
        await inbox.deliver(source, batch)
    await database.engine.dispose()


async def _pass_by(listener: TestDatabase, sources: Sequence[str], databases: dict[str, TestDatabase]) -> None:
    """Let a service believe that it has applied all that its sources told."""
    own = await asyncpg.connect(dsn_of(listener.url))
    for source in sources:
        there = await asyncpg.connect(dsn_of(databases[source].url))
        heads = await there.fetch("select shard, position from stream_head")
        await there.close()
        await own.executemany(
            "insert into inbox (source, shard, position) values ($1, $2, $3)", [(source, *head) for head in heads]
        )
    await own.close()


async def run(institutions: int, events: int) -> bool:
    """One measurement; whether everything was sound."""
    issuer, issuer_port = Issuer(), free_port()
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with AsyncExitStack() as open_:
            postgres = await open_.enter_async_context(a_postgres(folder / "postgres"))
            broker = await open_.enter_async_context(a_broker(folder / "broker"))
            issuer.url = await open_.enter_async_context(serving(issuer.app(), issuer_port))
            databases = {service: await postgres.database(service) for service in LISTENS_TO}
            await fill(databases, institutions, events)
            urls = {service: database.url for service, database in databases.items()}
            environment = environment_of(issuer.url, urls, broker.setting, True)
            environment |= {
                "AUTH_TOKEN_URL": f"{issuer.url}/token",
                "SERVICE_CLIENT_ID": "hamkor-service",
                "LOG_LEVEL": "error",
            }
            services = {
                service: await open_.enter_async_context(a_service(service, environment)) for service in LISTENS_TO
            }
            sides = {"postgres": postgres.process.pid} | {name: each.pid for name, each in services.items()}
            others = {each.pid for each in psutil.Process().children()}
            stages: dict[str, list[float]] = {}

            def step(what: str, _done: int, _total: int | None) -> None:
                stages.setdefault(what, [time.perf_counter()]).append(time.perf_counter())

            await calm(list(services.values()))
            before = {name: cpu_of(pid) for name, pid in sides.items()}
            with Memory(others) as memory:
                verdict = await verify(environment, step=step)
            used = {name: cpu_of(pid) - before[name] for name, pid in sides.items()} | {"verify": memory.cpu_s}
            for what, times in stages.items():
                figure(what, times[-1] - times[0], "s")
            rate = verdict.events / verdict.seconds
            figure(
                "verify",
                rate,
                "events/s",
                events=verdict.events,
                values=verdict.values,
                sound=verdict.sound,
                processes_mb=round(memory.most / 1e6),
                cpu_us={name: round(seconds / verdict.events * 1e6, 1) for name, seconds in used.items()},
                national_year_minutes=round(NATIONAL_YEAR / rate / 60, 1),
            )
            for finding in verdict.named:
                print(finding)
            return verdict.sound


def main() -> None:
    """Read the options, measure, say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=500)
    parser.add_argument("--events", type=int, default=500_000)
    options = parser.parse_args()
    raise SystemExit(not asyncio.run(run(options.institutions, options.events)))


if __name__ == "__main__":
    main()
