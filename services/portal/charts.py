"""What is drawn on the server: the map of regions with its classes, sparklines, bars: SVG that needs no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.portal.territory import MAP_HEIGHT, MAP_WIDTH, outlines
from shared.outlines import Outline

CLASSES = 6
"""Shades of the map, from the lowest to the highest values."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Equal steps between the lowest and the highest value of the places compared."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Scale | None":
        """The scale of the known values; None where none is known."""
        known = [value for value in values if value is not None]
        return cls(min(known), max(known)) if known else None

    def shade(self, value: float | None) -> int | None:
        """The class 0…CLASSES-1 of a value; None for an unknown one."""
        if value is None:
            return None
        if self.high == self.low:
            return CLASSES // 2
        return min(CLASSES - 1, int((value - self.low) / (self.high - self.low) * CLASSES))

    def steps(self) -> list[tuple[int, float, float]]:
        """The classes with their lower and upper bounds; a single one where all values are equal."""
        if self.high == self.low:
            return [(CLASSES // 2, self.low, self.high)]
        width = (self.high - self.low) / CLASSES
        return [(shade, self.low + shade * width, self.low + (shade + 1) * width) for shade in range(CLASSES)]

    def percent_of_high(self, value: float | None) -> float:
        """How long a bar is, 0…100, when the highest value's is 100."""
        if value is None or self.high <= 0:
            return 0.0
        return round(max(0.0, min(1.0, value / self.high)) * 100, 1)


@dataclass(frozen=True, slots=True)
class Region:
    """A region on the map: its outline and its shade."""

    outline: Outline
    shade: int | None


def region_map(values: Mapping[str, float | None], scale: Scale | None) -> list[Region]:
    """The regions of the map in drawing order, shaded by `values`."""
    return [
        Region(outline, scale.shade(values.get(outline.code)) if scale is not None else None) for outline in outlines()
    ]


def view_box() -> str:
    """The map's viewBox."""
    return f"0 0 {MAP_WIDTH} {MAP_HEIGHT}"


SPARK_WIDTH = 120
SPARK_HEIGHT = 32


def sparkline(values: Sequence[float | None]) -> list[str]:
    """The `points` of the polylines of a sparkline: one per run of known values, gaps stay gaps."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return []
    low, high = min(known), max(known)
    step = (SPARK_WIDTH - 8) / (len(values) - 1)

    def point(at: int, value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{4 + at * step:.1f},{SPARK_HEIGHT - 4 - share * (SPARK_HEIGHT - 8):.1f}"

    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is not None:
            runs[-1].append(point(at, value))
        elif runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if run]
