"""The national enterprise register at its size: import of 500,000 rows, commands meanwhile, search, and matching.

The file goes over HTTP to the service as `python -m shared.web.serve partners` starts it, which shares the machine with
PostgreSQL and with this client.
"""

import argparse
import asyncio
import csv
import io
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import psutil

from shared.persistence.engine import dsn_of
from shared.scope import Role
from tests.bench import enterprise_names as names
from tests.bench.report import cpu_of, figure, percentile
from tests.bench.serving import a_service
from tests.support.engines import a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import Client, environment_of, free_port, serving

PROFESSIONS = ("7212", "7411", "7115", "5120", "2512")
TERRITORY_NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}
Parts = dict[str, Callable[[], float]]
"""What takes part in an import, and how to ask for the seconds of processor it has used so far."""


def a_file(count: int) -> bytes:
    """So many enterprises as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("stir", "name", "size", "isic_section", "district"))
    writer.writerows(names.rows(count))
    return text.getvalue().encode()


async def territory(ministry: Client) -> None:
    """The nation, its regions and districts."""
    codes = names.districts()
    for code in ["17", *sorted({code[:4] for code in codes}), *codes]:
        (await ministry.put(f"/v1/territory/{code}", {"names": TERRITORY_NAMES})).raise_for_status()


async def import_all(ministry: Client, content: bytes, count: int, service: psutil.Process, parts: Parts) -> None:
    """Send the file, watch the job, and register single enterprises meanwhile."""
    headers = {"Authorization": f"Bearer {ministry.token}", "Content-Type": "text/csv", "Idempotency-Key": "all"}
    began, before = time.perf_counter(), {name: part() for name, part in parts.items()}
    answer = await ministry.http.post(
        f"{ministry.base}/v1/enterprises/import?commit=true", content=content, headers=headers, timeout=300
    )
    answer.raise_for_status()
    accepted_s = time.perf_counter() - began
    meanwhile: list[float] = []
    body = {"name": "Yakka korxona", "size": "small", "isic_section": "C", "district": "1708201"}
    while True:
        started = time.perf_counter()
        single = await ministry.post("/v1/enterprises", body | {"stir": f"9{len(meanwhile):08}"})
        single.raise_for_status()
        meanwhile.append((time.perf_counter() - started) * 1000)
        job = (await ministry.get(f"/v1/imports/{answer.json()['id']}")).json()
        if job["status"] == "done":
            break
        await asyncio.sleep(0.1)  # the pace of the commands beside the import
    took_s = time.perf_counter() - began
    used = {name: round((part() - before[name]) * 1e6 / count) for name, part in parts.items()}
    assert (job["new"], job["wrong"]) == (count, 0), job
    told = {"rows": count, "accepted_s": round(accepted_s, 1), "cpu_us_per_row": used}
    figure("import of enterprises", count / took_s, "rows/s", target=5000, **told)
    figure("single command beside the import", percentile(meanwhile, 0.95), "ms p95", commands=len(meanwhile))
    figure("service after the import", service.memory_info().rss / 2**20, "MiB", target=200)


async def timed(
    name: str, target: int, count: int, ask: Callable[[int], Awaitable[httpx.Response]], **more: Any
) -> None:
    """The p95 of so many requests, one after the other."""
    durations = []
    for number in range(count + 10):
        began = time.perf_counter()
        (await ask(number)).raise_for_status()
        if number >= 10:
            durations.append((time.perf_counter() - began) * 1000)
    p50 = round(percentile(durations, 0.5), 1)
    figure(
        name,
        percentile(durations, 0.95),
        "ms p95",
        target=target,
        p50_ms=p50,
        worst_ms=round(max(durations), 1),
        **more,
    )


async def search(client: Client, count: int, size: int) -> None:
    """Questions as people ask them, then the filters, then pages."""
    random = Random(3)
    known = random.sample(list(names.rows(size)), count + 10)
    asked = [names.question(random, row[1]) for row in known]
    found = 0

    async def by_name(number: int) -> httpx.Response:
        nonlocal found
        answer = await client.get("/v1/enterprises", q=asked[number], limit=20)
        words = set(asked[number].split())
        found += bool(answer.json()["items"]) or not words
        return answer

    await timed("search by name", 50, count, by_name)
    figure("questions answered", found / (count + 10), "share")

    async def narrowed(number: int) -> httpx.Response:
        row = known[number]
        return await client.get("/v1/enterprises", q=asked[number], district=row[4][:4], isic_section=row[3], limit=20)

    await timed("search by name within region and sector", 50, count, narrowed)

    async def by_stir(number: int) -> httpx.Response:
        return await client.get("/v1/enterprises", q=known[number][0][: 4 + number % 6], limit=20)

    await timed("search by the beginning of a STIR", 50, count, by_stir)

    async def listed(number: int) -> httpx.Response:
        row = known[number]
        return await client.get("/v1/enterprises", district=row[4], isic_section=row[3], size=row[2], limit=50)

    await timed("list of a district's sector and size", 50, count, listed)


async def listings(ministry: Client, institutions: list[str], enterprises: list[str]) -> None:
    """What institutions and enterprises need and offer: a few thousand open entries beside those that match."""
    random = Random(5)
    asked = {"form": "AF1", "since": "2026-01-01", "quantity": 5}
    for name in ("needs", "offers"):
        entries = [
            asked | {key: id_, "opportunity": f"O{random.randint(1, 7)}", "profession": random.choice(PROFESSIONS)}
            for key, owners, each in (("institution_id", institutions, 4), ("enterprise_id", enterprises, 1))
            for id_ in owners
            for _ in range(each)
        ]
        for start in range(0, len(entries), 500):
            items = [{"entry": entry} for entry in entries[start : start + 500]]
            answer = await ministry.http.post(
                f"{ministry.base}/v1/{name}/bulk",
                json={"items": items},
                headers={"Authorization": f"Bearer {ministry.token}", "Idempotency-Key": f"{name}-{start}"},
                timeout=300,
            )
            assert answer.json()["failed"] == 0, answer.text[:500]


async def matching(ministry: Client, count: int) -> None:
    """Partners for institutions all over the country, and institutions for enterprises."""
    places = names.districts()
    institutions = []
    for number, district in enumerate(places[:: max(1, len(places) // 40)]):
        body = {"code": f"B-{number}", "name": "Texnikum", "kind": "technikum", "district": district}
        answer = await ministry.post(
            "/v1/institutions", body | {"opened_on": "2020-09-01", "sector": "CFGA"[number % 4]}
        )
        answer.raise_for_status()
        id_ = answer.json()["id"]
        programme = {
            "code": "1",
            "title": "P",
            "isced_level": 3,
            "isced_field": "0715",
            "occupations": ["7212", "7411"],
        }
        (await ministry.put(f"/v1/institutions/{id_}/programmes", {"programmes": [programme]})).raise_for_status()
        institutions.append(id_)

    page = (await ministry.get("/v1/enterprises", limit=500)).json()["items"]
    await listings(ministry, institutions, [each["id"] for each in page])

    async def partners(number: int) -> httpx.Response:
        return await ministry.get(f"/v1/institutions/{institutions[number % len(institutions)]}/matches", limit=50)

    await timed("matching for an institution", 200, count, partners)

    async def schools(number: int) -> httpx.Response:
        return await ministry.get(f"/v1/enterprises/{page[number % len(page)]['id']}/matches", limit=50)

    await timed("matching for an enterprise", 200, count, schools)


async def run(size: int, count: int) -> None:
    """Fill, serve, measure."""
    content = a_file(size)
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder) / "postgres") as postgres, a_broker(Path(folder) / "broker") as broker:
            database = await postgres.database("partners")
            issuer = Issuer()
            async with (
                httpx.AsyncClient(timeout=60, trust_env=False) as http,
                serving(issuer.app(), free_port()) as url,
            ):
                issuer.url = url
                environment = environment_of(url, {"partners": database.url}, broker.setting, True)
                async with a_service("partners", environment | {"LOG_LEVEL": "error"}) as service:
                    ministry = Client(http, environment["PARTNERS_URL"], issuer.token(Role.MINISTRY, "17"))
                    await territory(ministry)
                    parts: Parts = {
                        "service": lambda: sum(service.cpu_times()[:2]),
                        "import process": lambda: cpu_of(service.pid) - sum(service.cpu_times()[:2]),
                        "postgres": lambda: cpu_of(postgres.process.pid),
                        "broker": lambda: cpu_of(broker.process.pid),
                        "client": time.process_time,
                    }
                    await import_all(ministry, content, size, service, parts)
                    owner = await asyncpg.connect(dsn_of(database.owner_url))
                    await owner.execute("vacuum analyze")
                    await owner.close()
                    await search(ministry, count, size)
                    await matching(ministry, count)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enterprises", type=int, default=500_000)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    asyncio.run(run(options.enterprises, options.requests))


if __name__ == "__main__":
    main()
