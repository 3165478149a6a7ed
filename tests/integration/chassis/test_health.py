"""Health tells the truth, metrics move, and a service ends in time whatever is down."""

import time
from pathlib import Path

import httpx
from fastapi import APIRouter

from shared.scope import Role
from shared.web.app import create_app, make_chassis
from tests.integration.chassis.conftest import settings_of
from tests.support.engines import Postgres, TestDatabase
from tests.support.issuer import Issuer
from tests.support.services import Running, eventually, free_port, serving

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


async def test_live_fails_while_a_loop_is_stuck(service: Running) -> None:
    progress = service.app.state.chassis.progress
    assert (await service.http.get(service.base + "/live")).json() == {"live": True, "stuck": []}
    progress.beat("stuck-loop", max_silence_s=-1)
    answer = await service.http.get(service.base + "/live")
    assert (answer.status_code, answer.json()) == (503, {"live": False, "stuck": ["stuck-loop"]})
    progress.forget("stuck-loop")
    assert (await service.http.get(service.base + "/live")).status_code == 200


async def test_every_loop_beats(service: Running) -> None:
    assert {"relay", "housekeeping"} <= set(service.app.state.chassis.progress._beats)


async def test_metrics_move_with_the_work(service: Running) -> None:
    async def published() -> float:
        text = (await service.http.get(service.base + "/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith("hamkor_relay_published_events_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'service="partners"' in line)

    before = await published()
    await service.as_(Role.MINISTRY, "17").put("/v1/territory/1709", {"names": NAMES})
    changed = await service.as_(Role.MINISTRY, "17").put(
        "/v1/territory/17", {"names": NAMES | {"en": str(time.time())}}
    )
    assert changed.status_code == 200

    async def more() -> bool:
        return await published() > before

    await eventually(more, "the relay's counter moves")

    async def caught_up() -> bool:
        text = (await service.http.get(service.base + "/metrics")).text
        return 'route="/v1/territory/{soato}"' in text and 'hamkor_relay_lag_events{service="partners"} 0.0' in text

    await eventually(caught_up, "the relay has nothing left")


async def test_http_serves_and_ends_in_time_without_kafka(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient
) -> None:
    port = free_port()
    database = await postgres.database("partners")
    settings = settings_of("lonely", database, f"127.0.0.1:{free_port()}", issuer.url, port)
    app = create_app(make_chassis(settings, Path("nowhere")), routers=[APIRouter()], permissions={})
    async with serving(app, port) as base:
        assert (await http.get(base + "/live")).status_code == 200
        assert (await http.get(base + "/ready")).status_code == 200
        operator = {"Authorization": f"Bearer {issuer.token(Role.OPERATOR)}"}
        assert (await http.get(base + "/internal/heads", headers=operator)).json()["heads"] == [0] * 64
        ending = time.monotonic()
    assert time.monotonic() - ending < 10


async def test_ready_fails_without_the_database(issuer: Issuer, http: httpx.AsyncClient) -> None:
    port = free_port()
    nowhere = f"postgresql+asyncpg://u:p@127.0.0.1:{free_port()}/d"
    settings = settings_of("lonely", TestDatabase("d", nowhere, nowhere), "127.0.0.1:1", issuer.url, port)
    app = create_app(make_chassis(settings, Path("nowhere")), routers=[], permissions={})
    async with serving(app, port) as base:
        answer = await http.get(base + "/ready")
        assert answer.status_code == 503
        assert list(answer.json()["problems"]) == ["database"]
        assert (await http.get(base + "/live")).status_code == 200
        ending = time.monotonic()
    assert time.monotonic() - ending < 10
