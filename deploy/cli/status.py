"""`hamkor status`: what runs, where, since when, and how far behind it is."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from deploy.cli.console import out
from deploy.local.folder import Folder
from deploy.local.process import State

COLOURS: dict[str, str] = {
    State.READY: "green",
    State.STARTING: "yellow",
    State.BACKING_OFF: "yellow",
    State.FAILED: "red",
}
LAGS = {"hamkor_relay_lag_events": "out", "hamkor_inbox_lag_events": "in"}
TIMEOUT_S = 3


@dataclass(frozen=True)
class Seen:
    """What a process says of itself: whether it is ready, and how many events it has yet to do."""

    ready: bool
    behind: dict[str, int]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=status.__doc__)(status)


def status(
    folder: Annotated[Path, typer.Option(help="The stack's folder.")] = Path(".hamkor"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Say what runs, where, since when and how far behind it is.

    Ends with 1 when the stack, or a part of it, is not up.
    """
    place = Folder(folder)
    state = place.read_state() if place.is_held() else {}
    seen = {name: look(url) for name, url in state.get("urls", {}).items()}
    up = bool(state) and _all_up(state, seen)
    if as_json:
        behind = {name: each.behind for name, each in seen.items() if each.behind}
        out.print_json(json.dumps({"running": bool(state), "ready": up, "behind": behind, **state}))
    elif not state:
        out.print(f"Nothing runs on {place.path}. Start it with [bold]make up[/] (or [bold]hamkor up[/]).")
    else:
        _show(state, seen)
    raise typer.Exit(0 if up else 1)


def look(url: str) -> Seen:
    """Ask a process for /ready and its lags; one that gives no answer is not ready."""
    behind = dict.fromkeys(LAGS.values(), 0)
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            ready = client.get("/ready").status_code == 200
            metrics = client.get("/metrics")  # the portal's are on another port
            for family in text_string_to_metric_families(metrics.text if metrics.status_code == 200 else ""):
                if family.name in LAGS:
                    behind[LAGS[family.name]] += int(sum(sample.value for sample in family.samples))
    except (httpx.HTTPError, ValueError):
        return Seen(ready=False, behind={})
    return Seen(ready, {what: count for what, count in behind.items() if count})


def _all_up(state: dict[str, Any], seen: dict[str, Seen]) -> bool:
    lasting = [each for each in state["processes"].values() if each["state"] != State.STOPPED]
    return all(each["state"] == State.READY for each in lasting) and all(each.ready for each in seen.values())


def _show(state: dict[str, Any], seen: dict[str, Seen]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("process")
    table.add_column("state")
    table.add_column("pid", justify="right")
    table.add_column("memory", justify="right")
    table.add_column("since", justify="right")
    table.add_column("restarts")
    table.add_column("behind", no_wrap=True)
    table.add_column("address", min_width=21)
    for name, process in state["processes"].items():
        if process["state"] == State.STOPPED:
            continue  # a step of the start, done
        said = seen.get(name)
        shown = process["state"] if said is None or said.ready or process["state"] != State.READY else "not ready"
        detail = f" ({process['detail']})" if process["detail"] else ""
        table.add_row(
            name,
            f"[{COLOURS.get(shown, 'yellow')}]{shown}[/]{detail}",
            str(process["pid"] or ""),
            _memory(process["pid"]),
            _ago(time.time() - process["since"]),
            str(process["restarts"] or ""),
            ", ".join(f"{count} {what}" for what, count in said.behind.items()) if said else "",
            state["urls"].get(name, ""),
        )
    out.print(table)
    if any(each.behind for each in seen.values()):
        out.print("behind: events yet to be published (out) and to be applied (in)", style="dim")
    out.print(f"\nDashboard {state['urls'].get('portal', '')} · {state['engines']} engines · {state['folder']}")


def _memory(pid: int | None) -> str:
    """Memory of a process and its children; what several share counts once (PSS) where the kernel tells."""
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
    except psutil.Error:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.rss))


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
