"""Which port each process gets."""

import contextlib
import random
import socket
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from deploy.local.errors import PortTaken

HOST = "127.0.0.1"
PREFERRED: Mapping[str, int] = {
    "portal": 8100,
    "partners": 8101,
    "agreements": 8102,
    "surveys": 8103,
    "monitoring": 8104,
}
SEARCHED = 200
LOWEST_FREE = 10_000
CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
CLIENTS_FROM = 32_768
"""Linux's default, below that of others too."""


class Ports(StrEnum):
    """PREFERRED: the usual ports, or the next free ones. FREE: any (tests, demos beside a running stack)."""

    PREFERRED = "preferred"
    FREE = "free"


def choose(names: tuple[str, ...], wish: Ports, environ: Mapping[str, str]) -> dict[str, int]:
    """A free port for each name; one named in the environment (`PARTNERS_PORT`) is taken or refused, never replaced."""
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        for name in names:
            variable = f"{name.upper()}_PORT"
            if environ.get(variable):
                chosen[name] = _named(variable, environ[variable], held)
            elif wish is Ports.FREE:
                chosen[name] = _drawn(held)
            else:
                chosen[name] = next(_takeable(PREFERRED[name], held))
    return chosen


def free(count: int) -> list[int]:
    """So many different free ports."""
    with contextlib.ExitStack() as held:
        return [_drawn(held) for _ in range(count)]


def clients_from() -> int:
    """The lowest port that the kernel hands to a client or to whoever asks for any."""
    try:
        return int(CLIENTS.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return CLIENTS_FROM


def _drawn(held: contextlib.ExitStack) -> int:
    """Any free port below those of clients: until its process is there to take it, no connection gets it by chance."""
    end = max(clients_from(), LOWEST_FREE + SEARCHED)
    for _ in range(SEARCHED):
        with contextlib.suppress(OSError):
            return _take(random.randrange(LOWEST_FREE, end), held)  # noqa: S311 - not a secret
    raise PortTaken(f"No free port found on {HOST} from {LOWEST_FREE} to {end - 1} in {SEARCHED} draws.")


def _named(variable: str, text: str, held: contextlib.ExitStack) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise PortTaken(f"{variable}={text!r} is not a port: expected a number from 1 to 65535.")
    try:
        return _take(int(text), held)
    except OSError as error:
        raise PortTaken(
            f"{variable}={text} can't be used: {error.strerror}. Free the port, name another, or unset {variable}."
        ) from error


def _takeable(first: int, held: contextlib.ExitStack) -> Iterator[int]:
    for port in range(first, first + SEARCHED):
        with contextlib.suppress(OSError):
            yield _take(port, held)
    raise PortTaken(f"No port from {first} to {first + SEARCHED - 1} is free on {HOST}.")


def _take(port: int, held: contextlib.ExitStack) -> int:
    """Bind, and keep until all are chosen, so that no two names get the same one."""
    taken = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((HOST, port))
    taken.listen(1)  # bound alone, another socket with SO_REUSEADDR could take it too
    number: int = taken.getsockname()[1]
    return number
