"""`hamkor archive`: old parts of monitoring's event log go into Parquet files, and are still read there."""

import asyncio
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from deploy.cli.console import err, out
from deploy.cli.token import environment_of
from deploy.local.errors import StackError
from services.monitoring import archive
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import month_of
from shared.clock import TASHKENT, local_day, now
from shared.persistence.engine import dsn_of

TRIES = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("archive", help=archive_command.__doc__)(archive_command)


def archive_command(
    to: Annotated[
        Path | None, typer.Option(help="The folder for the files; monitoring must find them there under the same name.")
    ] = None,
    months: Annotated[int, typer.Option(min=1, help="What is older than this many whole months is archived.")] = 24,
    check: Annotated[
        bool, typer.Option("--check", help="Only prove the files that are there: count and hash.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="The running stack's folder.")] = Path(".hamkor"),
    database: Annotated[
        str, typer.Option(envvar="MONITORING_DATABASE_URL", help="Monitoring's database, where no stack runs here.")
    ] = "",
) -> None:
    """Move old parts of monitoring's event log into Parquet files, one part a file.

    Each file is read again and compared with the log, by number of events and hash, before its part leaves the
    database. "Why this number", `hamkor rebuild` and what changed since a publication read on in the files: keep them,
    and back them up with the database. With --check every file is proven anew; it ends with 1 where one is not whole.
    """
    dsn = dsn_of(database or environment_of(folder)["MONITORING_DATABASE_URL"])
    if check:
        raise typer.Exit(asyncio.run(_check(dsn)))
    target = (to or folder / "archive").resolve()
    try:
        target.mkdir(parents=True, exist_ok=True)
        asyncio.run(_archive(dsn, target, _before(months)))
    except archive.Busy as problem:
        raise StackError(f"Not archived: {problem}. Wait for it, or stop it first.") from problem
    except (archive.Damaged, OSError) as problem:
        raise StackError(f"Not archived: {problem}. What was not told of above is in the database still.") from problem


def _before(months: int) -> datetime:
    """The first moment of the month that lies so many whole months back."""
    day = first_day(month_of(local_day(now())) - months)
    return datetime.combine(day, time(), TASHKENT)


async def _archive(dsn: str, target: Path, before: datetime) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "hamkor-archive"})
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            old = await archive.parts(connection, before)
        if not old:
            out.print(f"No part of the event log is wholly older than {before:%Y-%m-%d}: nothing to do.")
        for part in old:
            done = await _move(connection, part, target)
            out.print(f"{done.events} events moved to {done.path}", markup=False)
    finally:
        await connection.close()


async def _move(connection: Any, part: archive.Part, target: Path) -> archive.Archived:
    for left in reversed(range(TRIES)):
        try:
            with err.status(f"{part.name}") as status:
                return await archive.archive(
                    connection, part, target, lambda done: status.update(f"{part.name}: {done} events")
                )
        except asyncpg.LockNotAvailableError:
            if not left:
                raise StackError(f"{part.name} is in use all the time. Try again when less is going on.") from None
    raise AssertionError


async def _check(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "hamkor-archive"})
    try:
        known = await archive.files(connection)
    finally:
        await connection.close()
    broken = 0
    for each in known:
        try:
            await asyncio.to_thread(archive.check, each.path, each.sha256)
        except (archive.Damaged, OSError) as problem:
            broken += 1
            out.print(f"[bold red]not whole[/]: {problem}. Bring it back from the backup.")
    out.print(f"{len(known)} files, {sum(each.events for each in known)} events, {broken} not whole.")
    return 1 if broken else 0
