"""/live by progress, /ready by what the service needs to answer, /metrics for Prometheus."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.telemetry.progress import Progress
from shared.web.edge import json_response

Check = Callable[[], Awaitable[None]]


def health_router(progress: Progress, checks: dict[str, Check], *, metrics: bool = True) -> APIRouter:
    """Unauthenticated routes on the service's own port; the portal passes none of them on.

    Without `metrics` where that port is the public's.
    """
    router = APIRouter(tags=["health"], include_in_schema=False)

    @router.get("/live")
    async def live() -> Response:
        """200 while every background loop moves; the supervisor restarts a process that answers 503."""
        stuck = progress.stuck()
        response = json_response({"live": not stuck, "stuck": stuck})
        response.status_code = 503 if stuck else 200
        return response

    @router.get("/ready")
    async def ready() -> Response:
        """200 when requests can be served. Kafka is not asked: HTTP serves without it, the streams catch up."""
        problems: dict[str, str] = {}
        for name, check in checks.items():
            try:
                async with asyncio.timeout(3):
                    await check()
            except Exception as problem:
                problems[name] = type(problem).__name__
        response = json_response({"ready": not problems, "problems": problems})
        response.status_code = 503 if problems else 200
        return response

    async def told() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    if metrics:
        router.add_api_route("/metrics", told)
    return router
