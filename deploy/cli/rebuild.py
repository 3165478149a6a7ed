"""`hamkor rebuild`: all indicators once more from the event log, beside those that serve, which they then replace."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.cli.console import err, out
from deploy.cli.token import environment_of
from deploy.local.errors import StackError
from services.monitoring.generation import Busy, Rebuild
from shared.persistence.engine import dsn_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rebuild", help=rebuild_command.__doc__)(rebuild_command)


def rebuild_command(
    folder: Annotated[Path, typer.Option(help="The running stack's folder.")] = Path(".hamkor"),
    database: Annotated[
        str, typer.Option(envvar="MONITORING_DATABASE_URL", help="Monitoring's database, where no stack runs here.")
    ] = "",
) -> None:
    """Compute all indicators again as a new generation, while the present one serves; then let them change places.

    Needed after a definition has changed. Events that come meanwhile are lost in neither. Killed or stopped, it goes on
    where it was when it is started again. The operators' page and the metrics show how far it is.
    """
    url = database or environment_of(folder)["MONITORING_DATABASE_URL"]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err) as bars:
        task = bars.add_task("events", total=None)
        rebuild = Rebuild(dsn_of(url), lambda done, total: bars.update(task, completed=done, total=total))
        try:
            asyncio.run(rebuild.run())
        except Busy:
            raise StackError("Another rebuild is at work on this database. Wait for it, or stop it first.") from None
    out.print("The new generation is the live one.")
