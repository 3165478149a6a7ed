"""The whole stack for the end-to-end tests: every service a process of its own, on free ports."""

import os
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.ports import Ports
from deploy.local.stack import Engines, Stack
from tests.support.platform import Platform, load_territory


@pytest.fixture(scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """A running platform with the real territory loaded; HAMKOR_TEST_ENGINES=real runs it on Apache Kafka."""
    outer = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")}
    engines = Engines(os.environ.get("HAMKOR_TEST_ENGINES", Engines.EMBEDDED))
    folder = tmp_path_factory.mktemp("stack")
    async with (
        Stack(folder, engines=engines, ports=Ports.FREE, outer=outer) as stack,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        running = Platform(stack, http)
        await load_territory(running)
        yield running
