"""The app factory: one FastAPI application with everything a service needs around its own routes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx
import structlog
from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from shared.i18n import SHARED_MESSAGES, Catalogue
from shared.messaging.consumer import Consumer, ConsumerSettings
from shared.messaging.feed import Feed, Source
from shared.messaging.inbox import Inbox, Projection
from shared.messaging.kafka import KafkaAddress
from shared.messaging.own_log import OwnLog
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.settings import Settings
from shared.telemetry.metrics import DEAD_LETTERS_OPEN
from shared.telemetry.progress import Progress
from shared.waiting import close, end
from shared.web.auth import ApiKeys, RemoteApiKeys, ServiceToken, Verifier
from shared.web.edge import Permissions
from shared.web.health import health_router
from shared.web.internal import internal_router
from shared.web.middleware import LimitBody, Observe
from shared.web.openapi import document
from shared.web.problems import Problems

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 1_000_000
MAX_MANY_BYTES = 10_000_000
ENDING_S = 7.0
CLOSING_S = 2.0
Job = Callable[[], Awaitable[None]]


@dataclass
class Chassis:
    """What a service's composition root gets to wire its rooms with; everything closes with the application."""

    settings: Settings
    database: Database
    catalogue: Catalogue
    progress: Progress
    client: httpx.AsyncClient
    service_token: ServiceToken
    jobs: dict[str, Job] = field(default_factory=dict)

    def log_of(self, source: str) -> Source:
        """The log of a service: its feed, or this service's own."""
        if source == self.settings.service:
            return OwnLog(self.database)
        return Feed(self.client, source, self.settings.urls[source], self.service_token)


def make_chassis(settings: Settings, package: Path, *, planned_once: bool = False) -> Chassis:
    """The parts of a service at `package` (its folder, for its messages); `planned_once` as of `make_engine`."""
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=20), trust_env=False)
    engine = make_engine(
        settings.database_url,
        application=f"hamkor-{settings.service}",
        pool_size=settings.database_pool,
        planned_once=planned_once,
    )
    return Chassis(
        settings=settings,
        database=Database(settings.service, engine),
        catalogue=Catalogue.load(SHARED_MESSAGES, package / "messages"),
        progress=Progress(),
        client=client,
        service_token=ServiceToken(settings, client),
    )


def create_app(
    chassis: Chassis,
    *,
    routers: Sequence[APIRouter],
    permissions: Permissions,
    projection: Projection | None = None,
    beside: Sequence[Projection] = (),
    listens_to: Sequence[str] = (),
    consumer_settings: ConsumerSettings | None = None,
    api_keys: ApiKeys | None = None,
    untraced: tuple[str, ...] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    spooled_bodies: Mapping[str, int] = MappingProxyType({}),
) -> FastAPI:
    """The application of a service.

    `projection` takes the events of the services in `listens_to`, those `beside` it parts of a backlog. Jobs in
    `chassis.jobs` run beside the relay and the consumer; one that ends or raises ends the process, so that its
    supervisor starts a sound one. `api_keys` knows API keys; without it partners is asked. `spooled_bodies`: addresses
    whose bodies go to a file as they come, with a limit of their own.
    """
    settings = chassis.settings
    kafka = KafkaAddress(settings.kafka_bootstrap_servers, settings.kafka_embedded, settings.kafka_security)
    jobs: dict[str, Job] = {"housekeeping": lambda: _keep_house(chassis)}
    inbox: Inbox | None = None
    consumer: Consumer | None = None
    if projection is not None:
        feeds = {source: chassis.log_of(source) for source in listens_to}
        inbox = Inbox(chassis.database, projection, feeds, beside)
        consumer = Consumer(inbox, feeds, kafka, chassis.progress, consumer_settings)
        jobs["consumer"] = consumer.run
    woken = consumer.look if consumer is not None else lambda: None
    jobs["relay"] = Relay(chassis.database, settings.database_url, kafka, chassis.progress, woken).run

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(lambda: close(chassis.database.engine.dispose(), CLOSING_S))
            stack.push_async_callback(lambda: close(chassis.client.aclose(), CLOSING_S))
            tasks = [asyncio.create_task(_guard(name, job), name=name) for name, job in (jobs | chassis.jobs).items()]
            log.info("service.started", port=settings.port)
            try:
                yield
            finally:
                await end(tasks, ENDING_S)
                log.info("service.stopped")

    app = FastAPI(
        # A slash too many is no such address: a redirect would name whatever host the request claims.
        redirect_slashes=False,
        title=f"Hamkor {settings.service}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.database = chassis.database
    app.state.verifier = Verifier(settings, chassis.client, api_keys or _asking_partners(chassis))
    app.state.permissions = permissions
    app.state.catalogue = chassis.catalogue
    app.state.chassis = chassis
    app.state.inbox = inbox
    Problems(settings.service, chassis.catalogue).install(app)
    app.include_router(health_router(chassis.progress, {"database": lambda: _ping(chassis.database)}))
    app.include_router(internal_router(settings.service, inbox))
    for router in routers:
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    app.add_middleware(LimitBody, limit_bytes=max_body_bytes, many_bytes=MAX_MANY_BYTES, spooled=spooled_bodies)
    app.add_middleware(Observe, service=settings.service, untraced=untraced)
    return app


def _asking_partners(chassis: Chassis) -> ApiKeys:
    return RemoteApiKeys(chassis.client, chassis.settings.urls.get("partners", ""), chassis.service_token)


async def _guard(name: str, job: Job) -> None:
    try:
        await job()
        log.error("job.ended", job=name)
    except asyncio.CancelledError:
        raise
    except BaseException:
        log.exception("job.died", job=name)
    os.kill(os.getpid(), signal.SIGTERM)


async def _ping(database: Database) -> None:
    async with database.reading(SYSTEM) as session:
        await session.execute(text("select 1"))


HOUSEKEEPING_S = 30.0


async def _keep_house(chassis: Chassis) -> None:
    """Count open dead letters, forget idempotency keys nobody will send again."""
    while True:
        chassis.progress.beat("housekeeping", 300)
        try:
            async with chassis.database.unit_of_work() as uow:
                await uow.session.execute(text("delete from idempotency where created_at < now() - interval '7 days'"))
                opened = await uow.session.execute(text("select count(*) from dead_letter where settled_at is null"))
                DEAD_LETTERS_OPEN.labels(chassis.settings.service).set(opened.scalar_one())
        except Exception as problem:
            log.warning("housekeeping.failed", error=repr(problem)[:300])
        await asyncio.sleep(HOUSEKEEPING_S)
