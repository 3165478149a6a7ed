"""Results of a campaign with 200,000 responses: the route, the page, the files, and what the service weighs.

    python -m tests.bench.survey_results [--responses 200000] [--requests 60] [--exports]

The whole stack runs; the campaign's responses are put into its database as the service itself would have stored them,
and tallied by its own code.
"""

import argparse
import asyncio
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil

from deploy.cli.token import fetch
from deploy.local.ports import Ports
from deploy.local.stack import Stack
from services.surveys.instruments import InstrumentLibrary
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from tests.bench.report import figure, percentile
from tests.support.surveys import SCHOOL, fill

TARGET_MS = 300


async def signed_in(base: str, username: str) -> httpx.AsyncClient:
    """A browser's session at the portal."""
    http = httpx.AsyncClient(base_url=base, follow_redirects=True, timeout=120, headers={"Accept": "text/html"})
    page = await http.get("/sign-in?next=/surveys")
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    fields = {name: value.replace("&amp;", "&") for name, value in fields.items()}
    sent = {**fields, "username": username, "password": "hamkor"}
    answer = await http.post("/oidc/authorize", data=sent, headers={"Origin": base})
    if not answer.url.path.startswith("/surveys"):
        raise SystemExit(f"not signed in: {answer.url}")
    return http


async def timed(work: Callable[[], Awaitable[httpx.Response]], times: int) -> list[float]:
    """Milliseconds of each of so many requests, one after another, after two to warm up."""
    found = []
    for number in range(times + 2):
        began = time.perf_counter()
        answer = await work()
        if answer.status_code != 200:
            raise SystemExit(f"{answer.status_code}: {answer.text[:500]}")
        if number > 1:
            found.append((time.perf_counter() - began) * 1000)
    return found


def pss_mib(stack: Stack, name: str) -> float:
    """Proportional set size of a service's own process."""
    pid = stack.process(name).pid
    if pid is None:
        raise SystemExit(f"{name} does not run")
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


async def measure(responses: int, requests: int, *, exporting: bool) -> None:
    """Fill, ask, export, weigh."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as place:
        async with Stack(Path(place), ports=Ports.FREE) as stack:
            engine = make_engine(stack.environment["SURVEYS_DATABASE_URL"], application="bench", pool_size=2)
            database = Database("surveys", engine)
            campaign = await fill(database, InstrumentLibrary.load(), "S3", responses, over=True)
            figure("survey_results_pss_before", pss_mib(stack, "surveys"), "MiB", target=250)
            token = await asyncio.to_thread(fetch, stack.environment, Role.INSTITUTION, SCHOOL)
            api = httpx.AsyncClient(
                base_url=stack.url("surveys"), headers={"Authorization": f"Bearer {token}"}, timeout=600
            )
            route = f"/v1/campaigns/{campaign}/results"
            times = await timed(lambda: api.get(route), requests)
            figure("survey_results_route_p50", percentile(times, 0.5), "ms", responses=responses)
            figure("survey_results_route_p95", percentile(times, 0.95), "ms", target=TARGET_MS)
            browser = await signed_in(stack.url("portal"), f"institution:{SCHOOL}")
            times = await timed(lambda: browser.get(f"/surveys/campaigns/{campaign}/results"), requests)
            figure("survey_results_page_p50", percentile(times, 0.5), "ms", responses=responses)
            figure("survey_results_page_p95", percentile(times, 0.95), "ms", target=TARGET_MS)
            for form in ("csv", "parquet", "sav") if exporting else ():
                began = time.perf_counter()
                answer = await api.get(f"/v1/campaigns/{campaign}/export", params={"format": form})
                if answer.status_code != 200:
                    raise SystemExit(f"{form}: {answer.status_code} {answer.text[:300]}")
                size = round(len(answer.content) / 2**20, 1)
                figure(f"survey_export_{form}", time.perf_counter() - began, "s", mib=size, responses=responses)
            figure("survey_results_pss_after", pss_mib(stack, "surveys"), "MiB", target=250)
            await api.aclose()
            await browser.aclose()
            await engine.dispose()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--exports", action="store_true", help="make the files of all responses too")
    given = parser.parse_args()
    asyncio.run(measure(given.responses, given.requests, exporting=given.exports))


if __name__ == "__main__":
    main()
