"""`hamkor demo`: schools and enterprises of the real territory at work: to look at, or as a proof."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from deploy.api_client import DEMO_PASSWORD, Patience, Problem, Unreachable, api_client
from deploy.cli.console import err, out, problem
from deploy.cli.importer import running_url
from deploy.cli.simulation import headless as headless_run
from deploy.cli.simulation.country import Country, plan
from deploy.cli.simulation.execution import Pace, Performer
from deploy.cli.simulation.history import Progress, inhabitants, live_through, look_around, questionnaires
from deploy.cli.simulation.live import live
from deploy.cli.simulation.work import World
from deploy.local.stack import Engines
from shared import clock
from shared.ids import new_id

EXIT_FOUND, EXIT_PLATFORM = 1, 3
AT_ONCE = 10
CALM_RATE = 3.0
LINE_EVERY_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help="\n\n".join(" ".join(part.split()) for part in str(demo.__doc__).split("\n\n")))(demo)


def demo(
    institutions: Annotated[int, typer.Option(min=1, max=20_000, help="How many institutions there are.")] = 300,
    days: Annotated[int, typer.Option(min=1, max=300, help="Days of history, ending today.")] = 90,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same country.")] = 1,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Commands a second after the history (without it 3); with --headless all the time (no limit)."
        ),
    ] = None,
    forever: Annotated[bool, typer.Option(help="After the history go on until Ctrl-C.")] = True,
    url: Annotated[str, typer.Option(envvar="PORTAL_URL", help="The portal; without it, the stack running here.")] = "",
    headless: Annotated[
        bool, typer.Option("--headless", help="Prove it: a stack of its own, every disturbance, and the count.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="--headless: print one JSON object only.")] = False,
    kill: Annotated[
        str, typer.Option(metavar="NAME[,NAME…]", help="--headless: kill -9 these processes at random moments.")
    ] = "",
    engines: Annotated[Engines, typer.Option(help="--headless: embedded or real engines.")] = Engines.EMBEDDED,
    folder: Annotated[
        Path | None, typer.Option(help="--headless: keep the stack's data here instead of a temporary folder.")
    ] = None,
) -> None:
    """Let demo schools and enterprises work, through the public API alone.

    Against a running stack: at first a history of some months is filled in within minutes, then a few commands a
    second go on; a restart goes on with what is there.

    With --headless everything happens on a stack of its own: commands are repeated, sent twice at once and over cut
    connections, corrected and cancelled, institutions move, enterprises are merged. Then every acknowledged command is
    looked for in the logs and every indicator is computed again from them. Ends with 1 unless nothing is lost,
    doubled or different.
    """
    if headless:
        names = tuple(name.strip() for name in kill.split(",") if name.strip())
        options = headless_run.Options(institutions, days, seed, engines, names, rate, folder)
        raise typer.Exit(asyncio.run(_headless(options, as_json=as_json)))
    country = plan(seed, institutions)
    raise typer.Exit(asyncio.run(_demo(country, days, rate or CALM_RATE, url or running_url(), forever=forever)))


# -- on a stack of its own


async def _headless(options: headless_run.Options, *, as_json: bool) -> int:
    with _progress(options.institutions) as step:
        try:
            result = await headless_run.run(options, lambda line: err.print(line, style="dim"), step)
        except Unreachable as error:
            problem(f"The stack stopped answering: {error}")
            return EXIT_PLATFORM
    sound = not (result["lost"] or result["doubled"] or result["mismatches"])
    if as_json:
        out.print(json.dumps(result, ensure_ascii=False), markup=False)
        return 0 if sound else EXIT_FOUND
    out.print(
        f"{result['commands']} commands, {result['events']} events, {result['applied']} applied in "
        f"{result['wall_s']} s; event to visible {result['freshness_p50_ms']} ms, p99 {result['freshness_p99_ms']} ms."
    )
    colour = "green" if sound else "red"
    counts = ", ".join(f"{name} {result[name]}" for name in ("lost", "doubled", "mismatches"))
    out.print(f"[bold {colour}]{counts}[/]")
    for finding in result["findings"]:
        out.print(f"  {finding}", markup=False)
    return 0 if sound else EXIT_FOUND


# -- on a running stack


async def _demo(country: Country, days: int, rate: float, url: str, *, forever: bool) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(_work(country, days, rate, url, forever=forever))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        err.print("The demo rests. Start it again: it goes on with what is there.")
    except (Unreachable, Problem) as error:
        problem(f"{url} can't be used: {error}\nIs the stack up? hamkor status says.")
        return EXIT_PLATFORM
    return 0


async def _work(country: Country, days: int, rate: float, url: str, *, forever: bool) -> None:
    password = os.environ.get("PORTAL_DEMO_PASSWORD", DEMO_PASSWORD)
    async with api_client(url, password=password, connections=AT_ONCE * 2, patience=Patience(total_s=120)) as api:
        world = World(clock.local_day(clock.now()))
        await headless_run.import_territory(api)
        run = f"demo-{country.seed}-{len(country.institutions)}-{days}-{world.today}"
        performer = Performer(api, url, run)
        await questionnaires(performer, world)
        known = await look_around(performer, country)
        missing = len(country.institutions) - len(known.institutions)
        if missing:
            err.print(f"{missing} institutions live through {days} days …")
        with _progress(len(country.institutions)) as step:
            progress = Progress()
            progress.on_step = lambda: step(progress)
            await live_through(country, known, performer, world, days, AT_ONCE, progress)
        if missing:
            err.print(f"{performer.ledger.commands} commands are done.")
        _say_refusals(performer)
        if forever:
            err.print(f"Now {rate:g} commands a second, until Ctrl-C.")
            going_on = Performer(api, url, f"demo-live-{new_id()}", pace=Pace(rate))
            if present := await inhabitants(country, going_on):
                await live(present, world, going_on, new_id())


def _say_refusals(performer: Performer) -> None:
    for what, count in performer.ledger.refused.items():
        err.print(f"[yellow]refused {count} ×[/] {what}")


@contextlib.contextmanager
def _progress(institutions: int) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal; elsewhere (a log) a line now and then."""
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=err, transient=True) as bars:
            bar = bars.add_task("institutions", total=institutions)
            yield lambda progress: bars.update(bar, completed=progress.institutions)
        return
    said = time.monotonic()

    def line(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said > LINE_EVERY_S:
            said = time.monotonic()
            err.print(f"{progress.institutions} of {institutions} institutions")

    yield line
