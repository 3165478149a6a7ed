"""Commands: how many a second one service process carries out on one core, and how long a single one takes.

The whole service as `python -m shared.web.serve partners` starts it – HTTP, tokens, one transaction and one event each,
relay and webhooks beside – pinned to one core; PostgreSQL, the broker and the load on another.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil

from shared.persistence.migrate import ROOT
from shared.scope import Role
from tests.bench.report import figure, percentile
from tests.support.engines import a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import environment_of, free_port, serving

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}
YEAR = "2025-26"
PROFILED = """
import cProfile, signal
from shared.web.serve import main
signal.signal(signal.SIGTERM, lambda *_: None)
profiler = cProfile.Profile()
profiler.runcall(main, ["partners"])
profiler.dump_stats("/tmp/hamkor-commands.prof")
"""


class Connection:
    """One keep-alive HTTP/1.1 connection, without a client library's own cost on the core of the load."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def send(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        """A command under a new key; returns status and body."""
        content = body.encode()
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\n{self._head}Idempotency-Key: {uuid.uuid4()}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)


async def territory(connection: Connection) -> list[str]:
    """A hundred institutions to report for."""
    for soato in ("17", "1708", "1708201"):
        status, _ = await connection.send("PUT", f"/v1/territory/{soato}", json.dumps({"names": NAMES}))
        assert status == 200, status
    ids = []
    for number in range(100):
        body = {"code": f"C-{number}", "name": "A", "kind": "school", "district": "1708201", "opened_on": "2020-09-01"}
        status, answer = await connection.send("POST", "/v1/institutions", json.dumps(body))
        assert status == 201, answer
        ids.append(str(json.loads(answer)["id"]))
    return ids


async def load(
    port: int, token: str, institutions: list[str], workers: int, seconds: float
) -> tuple[float, list[float]]:
    """Commands a second of `workers` at once, and milliseconds of each."""
    numbers = itertools.count()
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    async def work() -> None:
        connection = Connection(port, token)
        await connection.open()
        while (began := time.perf_counter()) < until:
            number = next(numbers)
            path = f"/v1/institutions/{institutions[number % len(institutions)]}/enrolments/{YEAR}"
            status, answer = await connection.send(
                "PUT", path, f'{{"places":{number % 900},"first_choice":{number % 90}}}'
            )
            assert status == 200, answer
            latencies.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return len(latencies) / (time.perf_counter() - began), latencies


async def measure(seconds: float, workers: int, *, profile: bool) -> None:
    """Start everything, load it, print the figures."""
    cores = sorted(os.sched_getaffinity(0))
    service_core, other_core = {cores[-1]}, {cores[0]}
    os.sched_setaffinity(0, other_core)  # whatever is started from here on inherits it
    issuer, issuer_port = Issuer(), free_port()
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        Path(folder).chmod(0o755)
        async with (
            a_postgres(Path(folder) / "postgres") as postgres,
            a_broker(Path(folder) / "broker") as broker,
            serving(issuer.app(), issuer_port) as issuer.url,
        ):
            database = await postgres.database("partners")
            environment = {
                **os.environ,
                **environment_of(issuer.url, {"partners": database.url}, broker.setting, True),
            }
            program = ["-c", PROFILED] if profile else ["-m", "shared.web.serve", "partners"]
            process = await asyncio.create_subprocess_exec(sys.executable, *program, env=environment, cwd=ROOT)
            os.sched_setaffinity(process.pid, service_core)
            service = psutil.Process(process.pid)
            try:
                port = int(environment["PARTNERS_PORT"])
                token = issuer.token(Role.MINISTRY, "17")
                connection = Connection(port, token)
                for attempt in itertools.count():
                    try:
                        await connection.open()
                        break
                    except ConnectionRefusedError:
                        assert attempt < 300
                        await asyncio.sleep(0.1)
                for thread in service.threads():
                    os.sched_setaffinity(thread.id, service_core)
                institutions = await territory(connection)
                await load(port, token, institutions, workers, 2)  # warm
                _, single = await load(port, token, institutions, 1, max(3.0, seconds / 4))
                cpu = sum(service.cpu_times()[:2])
                rate, latencies = await load(port, token, institutions, workers, seconds)
                cpu_ms = (sum(service.cpu_times()[:2]) - cpu) * 1000 / len(latencies)
                memory = service.memory_info().rss / 1e6
            finally:
                process.terminate()
                await process.wait()
    figure("single_command_p95", percentile(single, 0.95), "ms", samples=len(single), target=40)
    figure(
        "commands",
        rate,
        "commands/s",
        target=300,
        workers=workers,
        p95_ms=round(percentile(latencies, 0.95), 1),
        cpu_ms=round(cpu_ms, 2),
        memory_mb=round(memory),
    )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--profile", action="store_true", help="leave a profile in /tmp/hamkor-commands.prof")
    options = parser.parse_args()
    asyncio.run(measure(options.seconds, options.workers, profile=options.profile))


if __name__ == "__main__":
    main()
