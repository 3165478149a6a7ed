"""`hamkor demo` as a person runs it: the proof on a stack of its own, and activity on a running stack."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.api_client import api_client
from deploy.local.environment import ROOT
from deploy.local.ports import Ports
from deploy.local.stack import Stack
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


async def hamkor(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli.main", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def outcome(*arguments: str) -> dict[str, Any]:
    process = await hamkor("demo", "--headless", "--json", *arguments)
    said, problems = await process.communicate()
    assert process.returncode == 0, said.decode() + problems.decode()
    result: dict[str, Any] = json.loads(said)
    return result


def assert_sound(result: dict[str, Any]) -> None:
    assert (result["lost"], result["doubled"], result["mismatches"], result["findings"]) == (0, 0, 0, [])
    assert result["events"] == result["applied"] > 300
    assert result["commands"] > 200
    assert 0 < result["freshness_p50_ms"] <= result["freshness_p99_ms"]
    assert set(result["disturbed"]) == {"repeated", "at_once", "cut"}
    # the history's duplicate and its move, and the tour's, of which the merge is undone
    assert result["events_by_type"]["hamkor.partners.enterprise.merged.v1"] == 2
    assert result["events_by_type"]["hamkor.partners.enterprise.unmerged.v1"] == 1
    assert result["events_by_type"]["hamkor.partners.institution.moved.v1"] == 3
    assert result["wall_s"] > 0


async def test_headless_demo_loses_and_doubles_nothing() -> None:
    assert_sound(await outcome("--institutions", "20", "--days", "10", "--seed", "1"))


async def test_headless_demo_survives_kill_9() -> None:
    result = await outcome(
        "--institutions",
        "20",
        "--days",
        "20",
        "--seed",
        "2",
        "--rate",
        "25",
        "--kill",
        "monitoring,postgres,agreements",
    )
    assert_sound(result)
    assert set(result["killed"]) == {"monitoring", "postgres", "agreements"}


async def test_unknown_process_to_kill_is_named(tmp_path: Path) -> None:
    process = await hamkor("demo", "--headless", "--institutions", "1", "--kill", "nobody")
    _, problems = await process.communicate()
    assert process.returncode == 1
    assert "there is no such process" in problems.decode()


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack without any data."""
    async with Stack(tmp_path_factory.mktemp("stack"), ports=Ports.FREE) as running:
        yield running


async def said_by(process: asyncio.subprocess.Process) -> str:
    out, problems = await process.communicate()
    return out.decode() + problems.decode()


async def test_import_command_on_a_running_stack(stack: Stack, tmp_path: Path) -> None:
    territory = str(ROOT / "shared" / "reference" / "territory.csv")
    for said, arguments in (
        ("221 new and 0 changed would be imported", ()),
        ("221 new and 0 changed imported", ("--commit",)),
        ("0 new and 0 changed imported, 221 unchanged, no faults", ("--commit",)),
    ):
        process = await hamkor("import", "territory", territory, "--url", stack.url(), *arguments)
        output = await said_by(process)
        assert process.returncode == 0, output
        assert said in output
    path = tmp_path / "enterprises.csv"
    path.write_text("stir,name,size,isic_section,district\n301234567,A,small,C,1708401\n7,B,small,C,1708401\n")
    foreign = await hamkor(
        "import", "enterprises", str(path), "--commit", "--url", stack.url(), "--user", "region:1703"
    )
    output = await said_by(foreign)
    assert foreign.returncode == 1, output
    refused = await hamkor("import", "territory", territory, "--commit", "--url", stack.url(), "--user", "nobody")
    output = await said_by(refused)
    assert refused.returncode == 3, output
    assert "nobody can't sign in" in output


async def test_demo_fills_a_running_stack_and_a_restart_goes_on(stack: Stack) -> None:
    async with api_client(stack.url()) as api:
        common = ("demo", "--url", stack.url(), "--institutions", "15", "--days", "5")
        filled = await hamkor(*common, "--no-forever")
        _, said = await filled.communicate()
        assert filled.returncode == 0, said.decode()
        listed = await api.get("ministry", "partners", "/v1/institutions", limit=100)
        assert len(listed.body["items"]) == 15

        before = len((await api.get("ministry", "agreements", "/v1/agreements", limit=500)).body["items"])
        again = await hamkor(*common, "--rate", "20")

        async def goes_on() -> bool:
            listed = await api.get("ministry", "agreements", "/v1/agreements", limit=500)
            return len(listed.body["items"]) > before

        await eventually(goes_on, "the demo drafts new agreements", timeout_s=120)
        again.send_signal(signal.SIGTERM)
        _, said = await again.communicate()
        assert again.returncode == 0, said.decode()
        assert "live through" not in said.decode()
        listed = await api.get("ministry", "partners", "/v1/institutions", limit=100)
        assert len(listed.body["items"]) == 15
