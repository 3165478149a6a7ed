"""`hamkor verify`: every cell of monitoring once more, by brute force from the services' event logs, and compared."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from deploy.cli.console import err, out
from deploy.cli.token import environment_of
from deploy.cli.verifying.run import Step, Verdict, verify


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help=verify_command.__doc__)(verify_command)


def verify_command(
    folder: Annotated[Path, typer.Option(help="The running stack's folder.")] = Path(".hamkor"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to let monitoring catch up first.")] = 30.0,
) -> None:
    """Prove the indicators: compute every cell again from the event logs, and compare to the last digit.

    Reads all events of partners, agreements and surveys, computes every value by brute force with code that shares
    only the definitions with monitoring, and compares. Also counts events that were lost or applied twice. Works
    while the platform is at work, shard by shard: a country's years need little memory, and in the folder of temporary
    files (TMPDIR) about 50 bytes an event. Ends with 1 unless lost = doubled = mismatches = 0.
    """
    environment = environment_of(folder)
    with _bars() as step:
        verdict = asyncio.run(verify(environment, wait_s=wait, step=step))
    if as_json:
        out.print(json.dumps(verdict.as_dict(), ensure_ascii=False), markup=False)
    else:
        _say(verdict)
    raise typer.Exit(0 if verdict.sound else 1)


def _say(verdict: Verdict) -> None:
    out.print(
        f"{verdict.events} events in the logs, {verdict.applied} applied; {verdict.values} values recomputed and "
        f"compared in {verdict.seconds:.1f} s."
    )
    colour = "green" if verdict.sound else "red"
    out.print(f"[bold {colour}]lost {verdict.lost}, doubled {verdict.doubled}, mismatches {verdict.mismatches}[/]")
    for finding in verdict.named:
        out.print(f"  {finding}", markup=False)


@contextmanager
def _bars() -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = defaultdict(lambda: None)

        def step(what: str, done: int, total: int | None) -> None:
            if tasks[what] is None:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield step
