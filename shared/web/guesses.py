"""A brake on guessing secrets in addresses that needs no memory of who guesses."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class WrongGuesses:
    """A bucket of wrong guesses for the whole process: `burst` at once, refilled with `per_second`.

    Addresses are neither known here nor stored, so the brake is common to all. It slows the answer to a wrong guess and
    never shuts out a right one: what keeps secrets from being guessed is their random bits.
    """

    burst: float = 60.0
    per_second: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.burst
        self._at = self.clock()

    def count(self) -> bool:
        """Count one wrong guess; False if there were too many of late."""
        now = self.clock()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
