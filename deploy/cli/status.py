"""`hamkor status`: what runs, where, and since when."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.table import Table

from deploy.cli.console import out
from deploy.local.folder import Folder

COLOURS = {"ready": "green", "starting": "yellow", "backing off": "yellow", "failed": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=status.__doc__)(status)


def status(
    folder: Annotated[Path, typer.Option(help="The stack's folder.")] = Path(".hamkor"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Say what runs, where and since when. Ends with 1 when the stack, or a part of it, is not up."""
    place = Folder(folder)
    state = place.read_state() if place.is_held() else {}
    up = bool(state) and all(each["state"] in ("ready", "stopped") for each in state["processes"].values())
    if as_json:
        out.print_json(json.dumps({"running": bool(state), "ready": up, **state}))
    elif not state:
        out.print(f"Nothing runs on {place.path}. Start it with [bold]make up[/] (or [bold]hamkor up[/]).")
    else:
        _show(state)
    raise typer.Exit(0 if up else 1)


def _show(state: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, justify in (("process", "left"), ("state", "left"), ("pid", "right"), ("memory", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]  # a literal type, lost in the tuple
    for title in ("since", "restarts", "address"):
        table.add_column(title)
    for name, process in state["processes"].items():
        colour = COLOURS.get(process["state"], "dim")
        table.add_row(
            name,
            f"[{colour}]{process['state']}[/]" + (f" ({process['detail']})" if process["detail"] else ""),
            str(process["pid"] or ""),
            _memory(process["pid"]),
            _ago(time.time() - process["since"]),
            str(process["restarts"] or ""),
            state["urls"].get(name, ""),
        )
    out.print(table)
    out.print(f"\nDashboard {state['urls'].get('portal', '')} · {state['engines']} engines · {state['folder']}")


def _memory(pid: int | None) -> str:
    """Resident memory of a process and its children, what they share counted once (PSS) where the kernel says so."""
    if pid is None:
        return ""
    try:
        root = psutil.Process(pid)
        total = sum(_own_memory(each) for each in (root, *root.children(recursive=True)))
    except psutil.Error:
        return ""
    return f"{total / 1_000_000:.0f} MB"


def _own_memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return int(process.memory_info().rss)


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
