"""Guessing is slowed for all alike, and recovers."""

from shared.web.guesses import WrongGuesses


class Watch:
    """A clock that the test turns."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_is_let_through_then_one_a_second() -> None:
    watch = Watch()
    brake = WrongGuesses(burst=3, per_second=1, clock=watch)
    assert [brake.count() for _ in range(5)] == [True, True, True, False, False]
    watch.seconds += 1.5
    assert [brake.count(), brake.count()] == [True, False]
    watch.seconds += 1000
    assert [brake.count() for _ in range(5)] == [True, True, True, False, False]
