"""`hamkor up`: everything at once, until Ctrl-C."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import activity
from deploy.cli.console import note, out
from deploy.local.process import Process, State
from deploy.local.stack import Engines, Stack

SIGNS = {
    State.READY: "[green]✓[/]",
    State.BACKING_OFF: "[yellow]↻[/]",
    State.FAILED: "[red]✗[/]",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up", help=up.__doc__)(up)


def up(
    engines: Annotated[
        Engines,
        typer.Option(
            help="embedded: all from Python packages. real: Apache Kafka (3 brokers) and PostgreSQL over TCP."
        ),
    ] = Engines.EMBEDDED,
    folder: Annotated[Path, typer.Option(help="Where data, logs and secrets are kept.")] = Path(".hamkor"),
    demo: Annotated[bool, typer.Option(help="Let demo schools and enterprises work on the real territory.")] = True,
) -> None:
    """Start all of Hamkor on this machine and print the dashboard's address.

    Ctrl-C ends it within ten seconds; a second start goes on with the data that is there.
    """
    asyncio.run(_up(engines, folder, demo))


async def _up(engines: Engines, folder: Path, demo: bool) -> None:
    began = time.monotonic()
    stack = Stack(folder, engines=engines, on_change=_Announcer(), say=lambda text: note(f"  [dim]·[/] {text} …"))
    note(f"[bold]Hamkor[/] on {engines} engines, data in {stack.folder.path}")
    ended = _end_on_signals(stack)
    starting = asyncio.create_task(stack.start())
    await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        note("Stopped before it was up.")
        return
    starting.result()
    try:
        going = asyncio.create_task(_go_on(stack, demo, began))
        await asyncio.wait([going, ended], return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            going.result()
        going.cancel()
        await asyncio.wait([ended])
    finally:
        note("Stopping …")
        stopping = time.monotonic()
        await stack.stop()
        note(f"Stopped in {time.monotonic() - stopping:.1f} s. Nothing is lost; `make up` goes on from here.")


async def _go_on(stack: Stack, demo: bool, began: float) -> None:
    await activity.load_reference(stack)
    if demo:
        await activity.start(stack)
    with contextlib.suppress(OSError):
        out.print(f"\n  Dashboard   [bold link={stack.url()}]{stack.url()}[/]   ({time.monotonic() - began:.1f} s)")
        for line in activity.sign_in_lines():
            out.print(f"  {line}")
        out.print(f"  Logs        {stack.folder.logs}")
        out.print("  End         Ctrl-C\n")


def _end_on_signals(stack: Stack) -> "asyncio.Task[None]":
    """A task that ends at the first Ctrl-C, SIGTERM or closed terminal; a second one ends everything at once."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        if asked.is_set():
            stack.kill()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)

    async def wait() -> None:
        await asked.wait()

    return asyncio.create_task(wait())


class _Announcer:
    """One calm line per change that a person wants to know."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def __call__(self, process: Process) -> None:
        if process.state is State.STARTING:
            self._began[process.name] = time.monotonic()
        elif process.state in SIGNS and not process.program.ends_by_itself:
            took_s = time.monotonic() - self._began.get(process.name, time.monotonic())
            detail = process.detail or f"[dim]{took_s:.1f} s[/]"
            note(f"  {SIGNS[process.state]} {process.name:<12}{detail}")
