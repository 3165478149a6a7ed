"""Whether a target is met, and whether it is reached if all goes on as in the last periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FEWEST: Final = 4
"""Known values from which on a trend is drawn."""
CONFIDENCE: Final = 0.9


class Course(StrEnum):
    """How a value stands to its target.

    met · on_course: the trend leads there · possible: within what the trend may be, by its 90 % interval · off_course:
    beyond it · missed: the year is over · unknown: too few values for a trend · none: there is no value.
    """

    MET = "met"
    ON_COURSE = "on_course"
    POSSIBLE = "possible"
    OFF_COURSE = "off_course"
    MISSED = "missed"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The distance that is left (negative: more than reached), and where the trend leads, with its 90 % interval."""

    course: Course
    left: float | None
    projected: float | None = None
    low: float | None = None
    high: float | None = None


def outlook(
    value: float | None, target: float, series: Sequence[float | None], ahead: int | None, *, up: bool
) -> Outlook:
    """How `value` stands to `target`, `ahead` periods before its end (None: it is over), after a `series` of periods.

    The trend is Theil & Sen's: the median of the slopes between all pairs of values (Sen 1968, JASA 63:1379), which no
    single odd period bends. It is drawn on from the value now.
    """
    if value is None:
        return Outlook(Course.NONE, None)
    left = target - value if up else value - target
    if ahead is None:
        return Outlook(Course.MET if left <= 0 else Course.MISSED, left)
    known = [(at, each) for at, each in enumerate(series) if each is not None]
    projected = low = high = None
    if len(known) >= FEWEST:
        from scipy.stats import theilslopes  # heavy: loaded when first needed

        slope, _, least, most = theilslopes([each for _, each in known], [at for at, _ in known], CONFIDENCE)
        projected, low, high = (value + ahead * float(each) for each in (slope, least, most))
    if left <= 0:
        return Outlook(Course.MET, left, projected, low, high)
    if projected is None or low is None or high is None:
        return Outlook(Course.UNKNOWN, left)
    reached = [end >= target if up else end <= target for end in (projected, high if up else low)]
    course = Course.ON_COURSE if reached[0] else Course.POSSIBLE if reached[1] else Course.OFF_COURSE
    return Outlook(course, left, projected, low, high)
