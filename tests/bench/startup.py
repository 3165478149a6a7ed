"""Start and rest: from a warm `hamkor up` to the first page, and what the whole embedded stack keeps resident idle.

Memory is the proportional set size of the whole process tree: pages shared between processes count once in all.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from deploy.local.environment import ROOT
from tests.bench.report import figure

PORTS = {
    f"{name}_PORT": str(port)
    for name, port in zip(
        ("PORTAL", "PARTNERS", "AGREEMENTS", "SURVEYS", "MONITORING"), range(18100, 18105), strict=True
    )
}


async def start(folder: Path, page: str) -> tuple[asyncio.subprocess.Process, float]:
    """Run `hamkor up` and wait for the page; returns the process and the seconds until then."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "hamkor"),
        "up",
        "--no-demo",
        "--folder",
        str(folder),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home()), **PORTS},
    )
    try:
        async with httpx.AsyncClient(timeout=5, follow_redirects=True) as http, asyncio.timeout(180):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(page, headers={"Accept": "text/html"})).status_code == 200:
                        return process, time.perf_counter() - began
                if process.returncode is not None:
                    raise SystemExit(f"hamkor up ended with {process.returncode}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        await stop(process)
        raise SystemExit(f"no page at {page} within 180 s") from None


async def measure(idle_s: float) -> None:
    """Cold start, stop, warm start, rest, stop."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as place:
        folder, page = Path(place) / "stack", f"http://127.0.0.1:{PORTS['PORTAL_PORT']}/"
        process, cold_s = await start(folder, page)
        await loaded(folder)
        figure("start_cold", cold_s, "s")
        figure("stop", await stop(process), "s", target=10)
        process, warm_s = await start(folder, page)
        figure("start_warm", warm_s, "s", target=15)
        await asyncio.sleep(idle_s)  # the figure is about rest: nothing happens meanwhile
        parts = resident(process.pid)
        figure("resident_idle", sum(parts.values()), "MiB", target=1229, parts=parts)
        await stop(process)


async def loaded(folder: Path) -> None:
    """Wait until the first start has said that everything is ready."""
    async with asyncio.timeout(180):
        while True:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                if json.loads((folder / "stack.json").read_text())["state"] == "ready":
                    return
            await asyncio.sleep(0.1)


async def stop(process: asyncio.subprocess.Process) -> float:
    """Ctrl-C; returns the seconds until all has ended."""
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    await process.wait()
    return time.perf_counter() - began


def resident(pid: int) -> dict[str, float]:
    """Proportional set size in MiB, by program."""
    root = psutil.Process(pid)
    found: dict[str, float] = {}
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = process.cmdline()
            name = "postgres" if process.name() == "postgres" else command[-1] if "-m" in command else process.name()
            name = "broker" if "deploy.local.broker" in command else name
            found[name] = round(found.get(name, 0.0) + process.memory_full_info().pss / 2**20, 1)
    return found


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of rest before memory is read")
    asyncio.run(measure(parser.parse_args().idle))


if __name__ == "__main__":
    main()
