"""Outlines of places on a flat map: GeoJSON features projected into a box, with borders that neighbours share."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outline:
    """A place on the map: its rings of points, and where its label stands; a `small` one needs a mark to be hit."""

    code: str
    rings: tuple[tuple[Point, ...], ...]
    x: float
    y: float
    small: bool

    @property
    def path(self) -> str:
        """The rings as an SVG path."""
        return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in ring) + "Z" for ring in self.rings)


def features_of(path: Path) -> dict[str, dict[str, Any]]:
    """The geometry of each feature of a GeoJSON file, by its SOATO code."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return {feature["properties"]["soato"]: feature["geometry"] for feature in features}


def project(geometries: dict[str, dict[str, Any]], width: int, height: int, small_area: float) -> tuple[Outline, ...]:
    """The outlines in a box of that size, the largest first, so that small ones lie on top.

    `small_area`: square pixels below which a place is hard to see and to click.
    """
    shapes = {code: _polygons(geometry) for code, geometry in geometries.items()}
    points = [_mercator(*point) for polygons in shapes.values() for ring in polygons for point in ring]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    scale = min((width - 20) / (right - left), (height - 20) / (bottom - top))
    dx, dy = (width - (right - left) * scale) / 2, (height - (bottom - top) * scale) / 2

    found: list[tuple[float, Outline]] = []
    for code, polygons in shapes.items():
        rings = [
            [((x - left) * scale + dx, (y - top) * scale + dy) for x, y in (_mercator(*point) for point in ring)]
            for ring in polygons
        ]
        largest = max(rings, key=lambda ring: abs(_area(ring)))
        x, y = _centroid(largest)
        area = abs(_area(largest))
        found.append((area, Outline(code, tuple(map(_drawn, rings)), round(x, 1), round(y, 1), area < small_area)))
    return tuple(outline for _, outline in sorted(found, key=lambda item: -item[0]))


def _polygons(geometry: dict[str, Any]) -> list[list[Point]]:
    """The outer rings of a Polygon or MultiPolygon; the regions have no holes that matter at this scale."""
    polygons = geometry["coordinates"] if str(geometry["type"]) == "MultiPolygon" else [geometry["coordinates"]]
    return [[(point[0], point[1]) for point in polygon[0]] for polygon in polygons]


def _mercator(longitude: float, latitude: float) -> Point:
    """Mercator, y downwards."""
    return math.radians(longitude), -math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))


def _area(ring: list[Point]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)) / 2


def _centroid(ring: list[Point]) -> Point:
    area = _area(ring)
    x = y = 0.0
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        cross = a[0] * b[1] - b[0] * a[1]
        x += (a[0] + b[0]) * cross
        y += (a[1] + b[1]) * cross
    return x / (6 * area), y / (6 * area)


def _drawn(ring: list[Point]) -> tuple[Point, ...]:
    """A ring on a grid of half pixels, the same for both neighbours of a border; points that fall together go."""
    grid = [(round(x * 2) / 2, round(y * 2) / 2) for x, y in ring]
    return tuple(point for at, point in enumerate(grid) if at == 0 or point != grid[at - 1])
