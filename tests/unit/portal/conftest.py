"""The portal as the tests meet it: built from an environment, its upstreams replaced by a recording stand-in."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.portal.app import build
from services.portal.issuer.keys import load_or_make_key

PORTAL = "http://portal.test"
SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class Upstream:
    """What a service would see, and what it answers."""

    requests: list[httpx.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json={"items": [], "next": None})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        answer = self.answer(request)
        # as from the network: not read yet
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    @property
    def last(self) -> httpx.Request:
        """The latest request."""
        return self.requests[-1]


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The issuer's key, made once: making one is slow."""
    path = tmp_path_factory.mktemp("issuer") / "issuer.pem"
    load_or_make_key(path)
    return path


@pytest.fixture
def environment(key_file: Path) -> dict[str, str]:
    """A portal with its embedded issuer."""
    return {
        "PORTAL_URL": PORTAL,
        "PORTAL_EMBEDDED_ISSUER": "true",
        "PORTAL_ISSUER_KEY_FILE": str(key_file),
        "PORTAL_SESSION_SECRET": SECRET,
        "SERVICE_CLIENT_SECRET": SECRET,
        "PARTNERS_URL": "http://partners.test",
        "AGREEMENTS_URL": "http://agreements.test",
        "SURVEYS_URL": "http://surveys.test",
        "MONITORING_URL": "http://monitoring.test",
        "LOG_LEVEL": "error",
    }


@pytest.fixture
def upstream() -> Upstream:
    """The services behind the portal."""
    return Upstream()


@pytest.fixture
async def browser(environment: dict[str, str], upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    """A browser-like client on the portal: keeps cookies, follows no redirect by itself."""
    app = build(environment, httpx.MockTransport(upstream))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PORTAL) as client:
        yield client


SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


async def sign_in(browser: httpx.AsyncClient, username: str = "ministry", target: str = "/") -> httpx.Response:
    """Go through the whole sign-in as a person would; the answer is the last redirect, back to `target`."""
    started = await browser.get("/sign-in", params={"next": target})
    address = started.headers["location"]
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    chosen = await browser.post("/oidc/authorize", data={**fields, "chosen": username}, headers=SAME_ORIGIN)
    assert chosen.status_code == 303, chosen.text
    return await browser.get(chosen.headers["location"])
