"""Intake: how many survey responses a second are acknowledged and stored, how long each takes, and that none is lost.

The whole service as `python -m shared.web.serve surveys` starts it, with PostgreSQL and the embedded broker beside it
on the same cores, and the load in a process of its own. A response has its time: it is sent then, however slow the
one before was, and its latency counts from then. One that is not acknowledged – a cut, a refusal for the moment – is
sent again with the same code until it is. With --kill PostgreSQL and the broker are killed in mid-run. At the end the
campaigns are closed, and what was acknowledged is held against what is stored, answer by answer.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx

from deploy.cli.simulation.answers import answer
from services.surveys.commands.institutions import take_over
from services.surveys.domain.documents import document_of
from services.surveys.instruments import InstrumentLibrary
from shared.clock import local_day
from shared.contracts.partners import InstitutionState, InstitutionStatus, Membership
from shared.contracts.vocabulary import InstitutionKind
from shared.ids import new_id
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.migrate import ROOT
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from tests.bench.report import cpu_of, figure, percentile
from tests.bench.serving import a_service
from tests.support.engines import EmbeddedBroker, Postgres, TestDatabase, a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import Client, environment_of, free_port, serving

INSTRUMENT = "S3"
NUMBERED = "comment"
"""The free text of the instrument that carries each response's number."""
CAMPAIGNS = 20
CODES_AT_ONCE = 5000
CONNECTIONS = 100
RETRY_S = 0.25
GIVE_UP_S = 90.0
PROFILED = """
import collections, itertools, signal
from shared.web.serve import main
seen = collections.Counter()
def look(_, frame):
    names = set()
    while frame is not None:
        code = frame.f_code
        names.add(f"{code.co_filename[-48:]}:{code.co_name}")
        frame = frame.f_back
    seen.update(names)
    seen["all"] += 1
signal.signal(signal.SIGPROF, look)
signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)
signal.signal(signal.SIGTERM, lambda *_: None)
main(["surveys"])
with open("/tmp/hamkor-intake.prof", "w") as file:
    file.writelines(f"{count / seen['all']:.3f} {name}\\n" for name, count in seen.most_common(400))
"""


# -- the load, in a process of its own


class Connection:
    """One keep-alive HTTP/1.1 connection without a client library's cost, opened anew where it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, code: str, body: bytes) -> int:
        """The status of one submission; raises OSError or EOFError where the connection breaks."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write(
                f"POST /s/{code}?lang=uz HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            await self._reader.readexactly(length)
            return int(head[9:12])
        except BaseException:
            self._writer.close()
            self._writer = None
            raise


async def load(port: int, codes: list[str], rate: float) -> dict[str, Any]:
    """Send one response for each code at a steady rate; what became of them."""
    document = document_of(InstrumentLibrary.load().get(INSTRUMENT))
    chance = random.Random(7)
    fields = [answer(chance, document, 0.3) for _ in range(200)]
    idle = [Connection(port) for _ in range(CONNECTIONS)]
    latencies: list[float] = []
    repeated = 0
    acknowledged: list[int] = []
    statuses: Counter[int] = Counter()

    async def send(number: int, due: float) -> None:
        nonlocal repeated
        body = urlencode({**fields[number % len(fields)], NUMBERED: f"bench {number}"}, doseq=True).encode()
        tries = 0
        while time.perf_counter() < due + GIVE_UP_S:
            connection = idle.pop() if idle else Connection(port)
            status = 0
            with contextlib.suppress(OSError, EOFError, ValueError):
                status = await connection.post(codes[number], body)
            idle.append(connection)
            statuses[status] += 1
            if status == 303 or (status == 200 and tries):
                acknowledged.append(number)
                if tries:
                    repeated += 1
                else:
                    latencies.append((time.perf_counter() - due) * 1000)
                return
            if status not in (0, 503):
                return
            tries += 1
            await asyncio.sleep(RETRY_S)

    began = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as group:
        for number in range(len(codes)):
            due = began + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            group.create_task(send(number, due))
    took = time.perf_counter() - began
    return {
        "acknowledged": acknowledged,
        "rate": len(acknowledged) / took,
        "latencies": [round(each, 2) for each in latencies],
        "repeated": repeated,
        "statuses": dict(statuses),
        "cpu_s": time.process_time(),
    }


# -- the service and what is prepared in it


def an_institution(number: int) -> InstitutionState:
    """An institution as partners tell of it."""
    id_ = new_id()
    return InstitutionState(
        id=id_,
        version=1,
        code=f"B-{number}",
        kind=InstitutionKind.TECHNIKUM,
        name=f"Texnikum {number}",
        status=InstitutionStatus.ACTIVE,
        path=f"/17/1708/1708201/{id_}/",
        membership=(Membership(district="1708201", since=date(2020, 9, 1)),),
    )


async def prepare(
    database: TestDatabase, client: Callable[[Role, str], Client], responses: int
) -> tuple[list[str], list[str]]:
    """Open campaigns with a code for each response; returns the campaigns, and the codes in turn of campaigns."""
    institutions = [an_institution(number) for number in range(CAMPAIGNS)]
    ministry = client(Role.MINISTRY, "17")
    own = Database("surveys", make_engine(database.url, application="bench"))
    async with own.unit_of_work() as uow:
        await take_over(uow, {each.id: each for each in institutions})
    await own.engine.dispose()
    first = local_day(datetime.now(UTC))
    period = {"from": first.isoformat(), "to": (first + timedelta(days=9)).isoformat()}
    campaigns: list[str] = []
    codes: list[list[str]] = []
    each = -(-responses // CAMPAIGNS)
    for institution in institutions:
        plan = {"instrument": INSTRUMENT, "institution": institution.id, "period": period}
        campaign = (await ministry.post("/v1/campaigns", plan)).json()["id"]
        (await ministry.post(f"/v1/campaigns/{campaign}/open")).raise_for_status()
        campaigns.append(campaign)
        codes.append([])
        school = client(Role.INSTITUTION, institution.id)
        for start in range(0, each, CODES_AT_ONCE):
            count = min(CODES_AT_ONCE, each - start)
            issued = await school.post(f"/v1/campaigns/{campaign}/codes", {"count": count})
            codes[-1] += [item["code"] for item in issued.json()["items"]]
    return campaigns, [code for turn in zip(*codes, strict=True) for code in turn][:responses]


async def kill(postgres: Postgres, broker: EmbeddedBroker, seconds: float) -> None:
    """Kill PostgreSQL after a third of the time and the broker after another; their supervisors start them again."""
    await asyncio.sleep(seconds / 3)
    postgres.process.kill()
    await asyncio.sleep(seconds / 3)
    broker.process.kill()


async def stored(database: TestDatabase, expected: int) -> tuple[Counter[int], int]:
    """The numbers of all responses once all expected are there, or nothing moves any more; and what is still staged."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn_of(database.owner_url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        last, still, staged = -1, 0, 0
        while still < 40:
            count = await connection.fetchval("select count(*) from response")
            staged = await connection.fetchval("select count(*) from staged_answer")
            if count >= expected and not staged:
                break
            still = still + 1 if count == last else 0
            last = count
            await asyncio.sleep(0.5)
        rows = await connection.fetch(f"select answers->>'{NUMBERED}' as said from response")
        return Counter(int(row["said"].split()[1]) for row in rows), int(staged)
    finally:
        await connection.close()


async def measure(rate: float, seconds: float, *, killing: bool, profile: bool) -> None:
    """Start everything, send the load, hold what was acknowledged against what is stored, print the figures."""
    issuer, issuer_port = Issuer(), free_port()
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with (
            a_postgres(folder / "postgres") as postgres,
            a_broker(folder / "broker") as broker,
            serving(issuer.app(), issuer_port) as issuer.url,
            httpx.AsyncClient(timeout=60) as http,
        ):
            database = await postgres.database("surveys")
            environment = environment_of(issuer.url, {"surveys": database.url}, broker.setting, True)
            environment["LOG_LEVEL"] = "error"  # its neighbours are missing, which it would say all the time
            program = ("-c", PROFILED) if profile else ()
            async with a_service("surveys", environment, program) as service:

                def client(role: Role, org: str) -> Client:
                    return Client(http, environment["SURVEYS_URL"], issuer.token(role, org))

                campaigns, codes = await prepare(database, client, round(rate * seconds))
                task = folder / "load.json"
                task.write_text(json.dumps({"port": environment["SURVEYS_PORT"], "codes": codes, "rate": rate}))
                sides = {"service": service.pid, "postgres": postgres.process.pid, "broker": broker.process.pid}
                before = {side: cpu_of(pid) for side, pid in sides.items()}
                loading = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.bench.survey_intake", "--load", str(task)),
                    cwd=ROOT,
                    stdout=asyncio.subprocess.PIPE,
                )
                killer = asyncio.create_task(kill(postgres, broker, seconds)) if killing else None
                said, _ = await loading.communicate()
                found = json.loads(said)
                sides = {} if killing else sides  # what was killed took its times with it
                cpu = {side: cpu_of(pid) - before[side] for side, pid in sides.items()} | {"load": found["cpu_s"]}
                memory = service.memory_full_info().pss / 2**20
                if killer:
                    await killer
                    await postgres.process.until_ready()
                for campaign in campaigns:
                    (await client(Role.MINISTRY, "17").post(f"/v1/campaigns/{campaign}/close")).raise_for_status()
                numbers, staged = await stored(database, len(found["acknowledged"]))
    acknowledged = Counter(found["acknowledged"])
    figure(
        "survey_responses",
        found["rate"],
        "responses/s",
        target=500,
        wanted=rate,
        acknowledged=len(found["acknowledged"]),
        p50_ms=round(percentile(found["latencies"], 0.50), 1),
        p95_ms=round(percentile(found["latencies"], 0.95), 1),
        p99_ms=round(percentile(found["latencies"], 0.99), 1),
        sent_again=found["repeated"],
        statuses=found["statuses"],
        lost=len(acknowledged.keys() - numbers.keys()),
        doubled=sum(count - 1 for count in numbers.values()),
        left_staged=staged,
        killed=["postgres", "broker"] if killing else [],
        cpu_ms={side: round(used * 1000 / max(1, len(found["acknowledged"])), 2) for side, used in cpu.items()},
        memory_pss_mib=round(memory),
    )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="responses a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kill", action="store_true", help="kill PostgreSQL and the broker in mid-run")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="leave what share of its time each function took in /tmp/hamkor-intake.prof",
    )
    parser.add_argument("--load", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        task = json.loads(options.load.read_text())
        sys.stdout.write(json.dumps(asyncio.run(load(int(task["port"]), task["codes"], task["rate"]))))
    else:
        asyncio.run(measure(options.rate, options.seconds, killing=options.kill, profile=options.profile))


if __name__ == "__main__":
    main()
