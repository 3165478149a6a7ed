"""How benchmarks say what they found: one JSON line per figure, with the machine it was found on."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_of(pid: int | None) -> float:
    """Seconds of processor that a server and its children have used, those that have ended too."""
    server = psutil.Process(pid)
    every = []
    for each in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            every.append(each.cpu_times())
    ended = server.cpu_times()
    return sum(each.user + each.system for each in every) + ended.children_user + ended.children_system


def figure(name: str, value: float, unit: str, **more: Any) -> None:
    """Print one figure."""
    line = {
        "figure": name,
        "value": round(value, 3),
        "unit": unit,
        **more,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load_before": round(os.getloadavg()[1], 1),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
