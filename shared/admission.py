"""Admission: so many at once to what is dear, and so many of one sender, so that nobody keeps all others out."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import HamkorError


class Admission:
    """Lets `most` in at once, of one sender `most_of_one`; whoever is one too many is told `refusal`."""

    def __init__(self, most: int, most_of_one: int, refusal: Callable[[], HamkorError]) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._refusal = refusal
        self._inside: Counter[str] = Counter()

    @property
    def senders(self) -> set[str]:
        """Those who have somebody inside."""
        return set(self._inside)

    @contextmanager
    def admitted(self, sender: str = "", spare: int = 0) -> Iterator[None]:
        """Inside for as long as it lasts; raises the refusal.

        So many others are kept `spare` for what matters more; without a `sender` nobody's share is counted.
        """
        crowded = self._inside.total() >= self._most - spare
        if crowded or (sender and self._inside[sender] >= self._most_of_one):
            raise self._refusal()
        self._inside[sender] += 1
        try:
            yield
        finally:
            self._inside[sender] -= 1
            self._inside += Counter()  # drops those who have none inside
