"""Refresh tokens that were given back before their time (RFC 7009), as long as they would still count."""

import contextlib
import os
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

MOST: Final = 20_000
"""So many are remembered; of more, those that end first are forgotten."""


class Revoked:
    """Ids of revoked tokens, kept in a file beside the key: other processes know of them, and the next start.

    Where the file can't be written they are known to this process alone.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path = path
        self._most = most
        self._ends: dict[str, float] = {}
        self._read: tuple[int, int] = (0, 0)

    def add(self, id_: str, ends: float, now: float) -> None:
        """Remember a token until the moment when it ends anyway; both in seconds since the epoch."""
        self._catch_up()
        if id_ in self._ends:
            return
        self._ends[id_] = ends
        try:
            if len(self._ends) > self._most:
                self._tidy(now)
            else:
                with self._path.open("a", encoding="ascii") as file:
                    file.write(f"{id_} {ends:.0f}\n")
        except OSError as problem:
            log.warning("issuer.revoked_not_kept", reason=repr(problem))

    def __contains__(self, id_: str) -> bool:
        self._catch_up()
        return id_ in self._ends

    def _catch_up(self) -> None:
        """Read the file where another process wrote it."""
        with contextlib.suppress(OSError):
            found = self._path.stat()
            if (found.st_ino, found.st_size) != self._read:
                for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
                    id_, _, ends = line.partition(" ")
                    if ends.isascii() and ends.isdecimal():
                        self._ends[id_] = float(ends)
                self._read = (found.st_ino, found.st_size)

    def _tidy(self, now: float) -> None:
        """Forget what has ended, and with it a tenth at least, so that the file isn't written at every turn."""
        left = sorted(((ends, id_) for id_, ends in self._ends.items() if ends > now), reverse=True)
        self._ends = {id_: ends for ends, id_ in left[: self._most * 9 // 10]}
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        beside.write_text("".join(f"{id_} {ends:.0f}\n" for id_, ends in self._ends.items()), encoding="ascii")
        beside.replace(self._path)
