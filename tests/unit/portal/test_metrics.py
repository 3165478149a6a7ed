"""Metrics of the portal: on a port of their own, and not where the public is."""

import asyncio

import httpx

from services.portal.app import build
from tests.support.services import free_port
from tests.unit.portal.conftest import PORTAL, Upstream


async def test_metrics_have_a_port_of_their_own(environment: dict[str, str], upstream: Upstream) -> None:
    port = free_port()
    app = build(environment | {"PORTAL_METRICS_PORT": str(port)}, httpx.MockTransport(upstream))
    own = f"http://127.0.0.1:{port}/metrics"
    async with app.router.lifespan_context(app):
        public = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=public, base_url=PORTAL) as client:
            assert (await client.get("/live")).status_code == 200
            assert (await client.get("/metrics")).status_code == 404
        answer = await asyncio.to_thread(httpx.get, own, trust_env=False)
        assert "hamkor_http_request_seconds_count" in answer.text, answer.text[:500]
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            await client.get(own)
        except httpx.ConnectError:
            return
    raise AssertionError("the port is still open")


async def test_without_a_port_there_are_none(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/metrics")).status_code == 404
