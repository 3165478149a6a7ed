"""Names of the nation, its regions and districts in the four languages, and the regions' outlines for the map."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.i18n import Lang
from shared.outlines import Outline, features_of, project

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


MAP_WIDTH = 1000
MAP_HEIGHT = 640
SMALL_AREA = 1000
"""Square pixels below which a region is hard to see and to click: Tashkent City."""


@cache
def outlines() -> tuple[Outline, ...]:
    """The regions' outlines in a box of MAP_WIDTH × MAP_HEIGHT, largest first, so that small ones lie on top."""
    return project(features_of(REFERENCE / "regions.geojson"), MAP_WIDTH, MAP_HEIGHT, SMALL_AREA)
