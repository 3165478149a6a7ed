"""Files that the platform makes, fetched on behalf of a user and written whole or not at all."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from deploy.api_client import DEMO_PASSWORD, PasswordTokens, Problem, Tokens, Unreachable, fixed_token
from deploy.api_client.answers import problem_of
from deploy.cli.console import note
from deploy.cli.importer import Password, Token, Url, User, running_url
from deploy.local.errors import StackError

PATIENCE = httpx.Timeout(300, connect=5)
Target = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file; without it, to the output.")]
__all__ = ["DEMO_PASSWORD", "Door", "Password", "Target", "Token", "Url", "User", "download"]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the platform is, and whom the command acts for."""

    url: str
    user: str
    password: str
    token: str


def download(door: Door, path: str, asked: Mapping[str, Any], target: Path | None) -> None:
    """Fetch a file of monitoring's API; raises StackError that says why it can't be had."""
    url = (door.url or running_url()).rstrip("/")
    try:
        asyncio.run(_download(door, url, path, {name: value for name, value in asked.items() if value}, target))
    except Problem as refused:
        raise StackError(str(refused)) from None
    except (httpx.TransportError, Unreachable) as silent:
        raise StackError(f"{url} does not answer: {silent}\nIs the platform up? `hamkor up` starts one here.") from None
    except OSError as error:
        raise StackError(f"{target} can't be written: {error.strerror}.") from None


async def _download(door: Door, url: str, path: str, asked: Mapping[str, Any], target: Path | None) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        tokens: Tokens = (
            fixed_token(door.token) if door.token else PasswordTokens(http, f"{url}/oidc/token", door.password)
        )
        headers = {"Authorization": f"Bearer {await tokens(door.user)}", "Accept-Language": "en"}
        async with http.stream("GET", f"{url}/api/monitoring{path}", params=dict(asked), headers=headers) as answer:
            if not answer.is_success:
                await answer.aread()
                raise problem_of(answer)
            if target is None:
                async for chunk in answer.aiter_bytes():
                    sys.stdout.buffer.write(chunk)
                return
            await _write(answer, target)
    note(f"{target} is written.")


async def _write(answer: httpx.Response, target: Path) -> None:
    """Beside the target first: a download that breaks off leaves what was there."""
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            async for chunk in answer.aiter_bytes():
                file.write(chunk)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
