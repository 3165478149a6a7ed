"""Names of the nation, its regions and districts in the four languages, and the regions' outlines for the map."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.i18n import Lang

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
NATION = "17"
COLUMNS = {Lang.UZ: "name_uz_latn", Lang.UZ_CYRL: "name_uz_cyrl", Lang.RU: "name_ru", Lang.EN: "name_en"}


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the territory: `code` is its SOATO code."""

    code: str
    level: str
    parent: str
    names: Mapping[Lang, str]

    def name(self, lang: Lang) -> str:
        """Its official name."""
        return self.names[lang]


@cache
def territory() -> Mapping[str, Place]:
    """All places above the institutions, by code."""
    with (REFERENCE / "territory.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["soato"]: Place(
                row["soato"], row["level"], row["parent"], {lang: row[column] for lang, column in COLUMNS.items()}
            )
            for row in csv.DictReader(file)
        }


@dataclass(frozen=True, slots=True)
class Outline:
    """A region on the map: an SVG path, and where its label stands; a `small` one needs a mark to be hit."""

    code: str
    path: str
    x: float
    y: float
    small: bool


MAP_WIDTH = 1000
MAP_HEIGHT = 640
SMALL_AREA = 1000
"""Square pixels below which a region is hard to see and to click: Tashkent City."""


@cache
def outlines() -> tuple[Outline, ...]:
    """The regions' outlines in a box of MAP_WIDTH × MAP_HEIGHT, largest first, so that small ones lie on top."""
    features = json.loads((REFERENCE / "regions.geojson").read_text(encoding="utf-8"))["features"]
    shapes = {feature["properties"]["soato"]: _polygons(feature["geometry"]) for feature in features}
    points = [_project(*point) for polygons in shapes.values() for ring in polygons for point in ring]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    scale = min((MAP_WIDTH - 20) / (right - left), (MAP_HEIGHT - 20) / (bottom - top))
    dx, dy = (MAP_WIDTH - (right - left) * scale) / 2, (MAP_HEIGHT - (bottom - top) * scale) / 2

    found: list[tuple[float, Outline]] = []
    for code, polygons in shapes.items():
        rings = [
            [((x - left) * scale + dx, (y - top) * scale + dy) for x, y in (_project(*point) for point in ring)]
            for ring in polygons
        ]
        largest = max(rings, key=lambda ring: abs(_area(ring)))
        x, y = _centroid(largest)
        area = abs(_area(largest))
        path = "".join(map(_path, rings))
        found.append((area, Outline(code, path, round(x, 1), round(y, 1), area < SMALL_AREA)))
    return tuple(outline for _, outline in sorted(found, key=lambda item: -item[0]))


Point = tuple[float, float]


def _polygons(geometry: dict[str, list[list[list[list[float]]]]]) -> list[list[Point]]:
    """The outer rings of a Polygon or MultiPolygon; the regions have no holes that matter at this scale."""
    polygons = geometry["coordinates"] if str(geometry["type"]) == "MultiPolygon" else [geometry["coordinates"]]
    return [[(point[0], point[1]) for point in polygon[0]] for polygon in polygons]  # type: ignore[misc]


def _project(longitude: float, latitude: float) -> Point:
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


def _path(ring: list[Point]) -> str:
    """An SVG path on a grid of half pixels, the same for both neighbours of a border; points that fall together go."""
    grid = [(round(x * 2) / 2, round(y * 2) / 2) for x, y in ring]
    kept = [point for at, point in enumerate(grid) if at == 0 or point != grid[at - 1]]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept) + "Z"
