"""Liveness by progress: every background loop beats; a loop that stays silent too long means the process is stuck."""

import time
from dataclasses import dataclass, field


@dataclass
class Progress:
    """The beats of a process's loops: name -> (last beat on the monotonic clock, allowed silence in seconds)."""

    _beats: dict[str, tuple[float, float]] = field(default_factory=dict)

    def beat(self, loop: str, max_silence_s: float = 60.0) -> None:
        """Say that `loop` is getting on, and by when it will say so again."""
        self._beats[loop] = (time.monotonic(), max_silence_s)

    def forget(self, loop: str) -> None:
        """The loop has ended on purpose."""
        self._beats.pop(loop, None)

    def stuck(self) -> list[str]:
        """Names of the loops that have been silent for longer than they allowed themselves."""
        now = time.monotonic()
        return [loop for loop, (last, allowed) in self._beats.items() if now - last > allowed]
