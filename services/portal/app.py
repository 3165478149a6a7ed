"""Composition root of the portal: builds the ASGI app from the environment."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import start_http_server
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from services.portal.advice.routes import advice_routes
from services.portal.comparison.routes import comparison_routes
from services.portal.guard import SameOriginMiddleware, SecurityHeadersMiddleware, security_headers
from services.portal.issuer.keys import load_or_make_key
from services.portal.issuer.people import People
from services.portal.issuer.revoked import Revoked
from services.portal.issuer.routes import issuer_routes
from services.portal.issuer.tokens import Clients, Tokens
from services.portal.operations import Operations, operations_routes
from services.portal.outputs.routes import outputs_routes
from services.portal.pages import page_routes, sign_in_address
from services.portal.problems import Problems, code_of, wants_page
from services.portal.proxy import Proxy, Upstreams, proxy_routes
from services.portal.rendering import Compress, Pages, asset_mounts
from services.portal.reporting.routes import reporting_routes
from services.portal.sessions import SessionCookies, SessionMiddleware
from services.portal.settings import PROXIED, PortalSettings, load_portal_settings
from services.portal.sign_in import (
    CALLBACK,
    Provider,
    ProviderUnavailable,
    ServiceToken,
    SessionEnded,
    SignIn,
    sign_in_routes,
)
from services.portal.surveys.pages import survey_routes
from services.portal.work.confirmations import confirmation_routes
from services.portal.work.pages import work_routes
from shared import clock
from shared.errors import HamkorError
from shared.i18n import SHARED_MESSAGES, Catalogue
from shared.telemetry.logs import configure_logs
from shared.telemetry.progress import Progress
from shared.web.health import health_router
from shared.web.middleware import Observe

log = structlog.get_logger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts on which a sign-in page without passwords is nobody else's business."""
MESSAGES = Path(__file__).parent / "messages"


def build(
    environment: Mapping[str, str] = os.environ,
    upstream_transport: httpx.AsyncBaseTransport | None = None,
    provider_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """The portal's ASGI app; raises WrongSettings on a wrong environment. Transports replace the network in tests."""
    settings = load_portal_settings(environment)
    configure_logs("portal", settings.log_level, settings.log_format)
    catalogue = Catalogue.load(SHARED_MESSAGES, MESSAGES)
    mounts, asset = asset_mounts()
    pages = Pages(catalogue, asset, {"embedded": settings.embedded_issuer})
    problems = Problems(catalogue)
    upstreams = Upstreams(settings.urls, upstream_transport)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with _metrics(settings):
            yield
        await upstreams.aclose()
        await provider_client.aclose()

    app = FastAPI(
        title="Hamkor portal",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect for a slash too many would name whatever host the request claims.
        redirect_slashes=False,
    )
    own_issuer = httpx.ASGITransport(app=app) if settings.embedded_issuer else provider_transport
    provider_client = httpx.AsyncClient(transport=own_issuer, timeout=httpx.Timeout(10, connect=3), trust_env=False)
    provider = Provider(settings, provider_client)
    sign_in = SignIn(settings, provider)

    if settings.embedded_issuer:
        app.include_router(_embedded_issuer(settings, upstreams, pages))
    app.include_router(
        sign_in_routes(settings, sign_in, problems, lambda request: pages.page(request, "signed_out.html"))
    )
    app.include_router(proxy_routes(Proxy(upstreams, sign_in, problems), problems, PROXIED))
    app.include_router(survey_routes(pages, upstreams, sign_in))
    app.include_router(work_routes(pages, upstreams, sign_in, catalogue, settings.url))
    app.include_router(confirmation_routes(pages, upstreams, catalogue))
    app.include_router(reporting_routes(pages, upstreams, sign_in, catalogue))
    app.include_router(advice_routes(pages, upstreams, sign_in, catalogue))
    app.include_router(outputs_routes(pages, upstreams, sign_in))
    app.include_router(comparison_routes(pages, upstreams, sign_in, catalogue))
    app.include_router(page_routes(pages, upstreams, sign_in, settings.secure))
    service_token = ServiceToken(settings, provider, provider_client)
    app.include_router(operations_routes(pages, Operations(upstreams, service_token)))
    app.include_router(health_router(Progress(), {}, metrics=False))
    app.router.routes.extend(mounts)

    _install_errors(app, pages, problems)
    issuer = httpx.URL(settings.auth_issuer)
    targets = () if settings.embedded_issuer else (f"{issuer.scheme}://{issuer.netloc.decode()}",)
    app.add_middleware(Compress)
    app.add_middleware(SameOriginMiddleware, origin=settings.origin, problems=problems)
    app.add_middleware(SessionMiddleware, cookies=SessionCookies(settings.session_secret, secure=settings.secure))
    app.add_middleware(
        SecurityHeadersMiddleware, headers=security_headers(secure=settings.secure, form_targets=targets)
    )
    app.add_middleware(Observe, service="portal", untraced=("/s/", "/c/"))
    return app


@contextmanager
def _metrics(settings: PortalSettings) -> Iterator[None]:
    """Serve /metrics on a port of its own, where one is named."""
    if settings.metrics_port is None:
        yield
        return
    server, thread = start_http_server(settings.metrics_port, settings.host)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _embedded_issuer(settings: PortalSettings, upstreams: Upstreams, pages: Pages) -> APIRouter:
    if settings.host not in LOOPBACK:
        log.warning("issuer.open_to_the_network", host=settings.host, remedy="PORTAL_EMBEDDED_ISSUER=false")
    key = load_or_make_key(settings.issuer_key_file)
    clients = Clients(
        portal_id=settings.client_id,
        portal_secret=settings.client_secret,
        redirect_uri=settings.url + CALLBACK,
        service_id=settings.service_client_id,
        service_secret=settings.service_client_secret,
    )
    issuer = settings.auth_issuer
    revoked = Revoked(settings.issuer_key_file.with_suffix(".revoked"))
    tokens = Tokens(issuer, settings.auth_audience, key, clients, settings.demo_password, revoked, clock.now)
    people = People(upstreams, tokens.service_token)
    return issuer_routes(issuer, key, tokens, people, pages, settings.url + "/signed-out")


def _install_errors(app: FastAPI, pages: Pages, problems: Problems) -> None:
    def error_page(scope: Scope, status: int, texts: dict[str, str]) -> Response:
        return pages.page(Request(scope), "error.html", status=status, texts=texts)

    problems.page = error_page

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problems.response(request.scope, error.status_code, code_of(error.status_code))

    async def on_invalid(request: Request, _: Exception) -> Response:
        return problems.response(request.scope, 422, "invalid-input")

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, HamkorError)
        return problems.response(request.scope, error.status, error.code, error.params)

    async def on_ended(request: Request, _: Exception) -> Response:
        request.state.new_session = None
        if wants_page(request.scope):
            return RedirectResponse(sign_in_address(request), 303)
        return problems.response(request.scope, 401, "unauthenticated")

    async def on_provider(request: Request, error: Exception) -> Response:
        log.warning("provider.unavailable", reason=str(error))
        return problems.response(request.scope, 503, "sign-in-unavailable", headers={"retry-after": "5"})

    async def on_crash(request: Request, error: Exception) -> Response:
        # the route, not the path: an access code of a survey stands in it
        log.error("request.crashed", route=getattr(request.scope.get("route"), "path", "unmatched"), exc_info=error)
        return problems.response(request.scope, 500, "internal")

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HamkorError, on_problem)
    app.add_exception_handler(SessionEnded, on_ended)
    app.add_exception_handler(ProviderUnavailable, on_provider)
    app.add_exception_handler(Exception, on_crash)
