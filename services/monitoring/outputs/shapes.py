"""The regions' shapes: as GeoJSON, and as outlines on a map."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from shared.outlines import Outline, features_of, project

REGIONS: Final = Path(__file__).parents[3] / "shared" / "reference" / "regions.geojson"
MAP_WIDTH: Final = 1000
MAP_HEIGHT: Final = 640
SMALL_AREA: Final = 1000


@cache
def geometries() -> Mapping[str, dict[str, Any]]:
    """The regions' geometries by SOATO code."""
    return features_of(REGIONS)


@cache
def outlines() -> tuple[Outline, ...]:
    """The regions on a map of MAP_WIDTH × MAP_HEIGHT."""
    return project(dict(geometries()), MAP_WIDTH, MAP_HEIGHT, SMALL_AREA)
