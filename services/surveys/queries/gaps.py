"""The competence gap: what employers require (S1, importance) against what was acquired (S2, S3, S4, level).

Of a territory and the places below it, from pools; a profession's, and of professions by places, from years that are
over (queries/crossings.py).
"""

from datetime import date
from typing import Any

from sqlalchemy import text

from services.surveys.domain.crossing import ALL, Table
from services.surveys.domain.gaps import ACQUIRED, REQUIRED, Answered, gaps
from services.surveys.domain.instruments import CompetencePair, PairPart
from services.surveys.domain.results import Sums
from services.surveys.domain.scoring import competence_measure
from services.surveys.instruments import InstrumentLibrary
from services.surveys.instruments.professions import title_of
from services.surveys.queries.crossings import Crossings
from services.surveys.queries.territories import by_place
from shared.i18n import Lang
from shared.persistence.unit_of_work import Database
from shared.scope import Principal

_POOLS = (
    "from released_result r join pool c on c.id = r.campaign_id "
    "where starts_with(c.org_path, :path) and c.instrument = any(:instruments) "
    "and (cast(:first as date) is null or c.last_day >= :first) "
    "and (cast(:last as date) is null or c.first_day <= :last) and r.measure = any(:topics)"
)
_GAPS = text(f"select c.instrument, r.measure, sum(r.count), sum(r.total), sum(r.squares) {_POOLS} group by 1, 2")
_GAPS_BY_PLACE = text(
    "select split_part(substr(c.org_path, length(:path) + 1), '/', 1) || ':' || c.instrument, r.measure, "
    f"sum(r.count), sum(r.total), sum(r.squares) {_POOLS} and c.org_path <> :path group by 1, 2 order by 1"
)


def competences(library: InstrumentLibrary) -> list[CompetencePair]:
    """The competences that the standard questionnaires share, as S1 names them first."""
    found: dict[str, CompetencePair] = {}
    for code in (REQUIRED, *ACQUIRED):
        for pair in library.get(code).competences:
            found.setdefault(pair.code, pair)
    return list(found.values())


async def competence_gaps(
    database: Database,
    principal: Principal,
    library: InstrumentLibrary,
    path: str,
    first: date | None,
    last: date | None,
    step: int,
    lang: Lang,
) -> dict[str, Any]:
    """The gap of each competence in a territory and in the places right below it, from what is released."""
    pairs = competences(library)
    parameters = {
        "path": path,
        "instruments": [REQUIRED, *ACQUIRED],
        "first": first,
        "last": last,
        "topics": [competence_measure(pair.code, part) for pair in pairs for part in PairPart],
    }
    async with database.reading(principal) as session:
        whole = await by_place(session, _GAPS, parameters)
        places: dict[str, dict[str, dict[str, Sums]]] = {}
        for key, sums in (await by_place(session, _GAPS_BY_PLACE, parameters)).items():
            place, _, group = key.partition(":")
            places.setdefault(place, {})[group] = sums
    return {
        "required_by": REQUIRED,
        "acquired_by": list(ACQUIRED),
        "released_in_steps_of": step,
        "competences": gaps(pairs, whole, ACQUIRED, step, lang),
        "places": [
            {"place": place, "competences": gaps(pairs, found, ACQUIRED, step, lang)} for place, found in places.items()
        ],
    }


# -- by profession


async def of_professions(
    crossings: Crossings, library: InstrumentLibrary, path: str, year: str, lang: Lang
) -> dict[str, Any]:
    """The gap of each competence by profession (ISCO-08) in a territory, of a year that is over."""
    tables = await crossings.of(path, year)
    pairs = competences(library)
    professions = sorted(
        {profession for table in tables.values() for profession, place in table.cells() if place == ALL}
    )
    return {
        "required_by": REQUIRED,
        "acquired_by": list(ACQUIRED),
        "professions": [
            {
                "profession": profession,
                "name": title_of(profession, lang),
                "competences": gaps(pairs, _cell(tables, profession, ALL), ACQUIRED, crossings.k, lang),
            }
            for profession in professions
        ],
    }


async def of_profession(
    crossings: Crossings, library: InstrumentLibrary, path: str, year: str, profession: str, lang: Lang
) -> dict[str, Any]:
    """The gap of each competence of one profession in a territory and in the places right below it."""
    tables = await crossings.of(path, year)
    pairs = competences(library)
    places = sorted({place for table in tables.values() for one, place in table.cells() if one == profession} - {ALL})
    return {
        "profession": profession,
        "name": title_of(profession, lang),
        "competences": gaps(pairs, _cell(tables, profession, ALL), ACQUIRED, crossings.k, lang),
        "places": [
            {"place": place, "competences": gaps(pairs, _cell(tables, profession, place), ACQUIRED, crossings.k, lang)}
            for place in places
        ],
    }


async def crossed(
    crossings: Crossings, library: InstrumentLibrary, path: str, year: str, competence: str | None, lang: Lang
) -> dict[str, Any]:
    """Professions by places: of a competence, or of each, the gap in every cell and margin that may be shown."""
    tables = await crossings.of(path, year)
    pairs = [pair for pair in competences(library) if competence in (None, pair.code)]
    cells = sorted({cell for table in tables.values() for cell in table.cells()})
    return {
        "competences": [{"competence": pair.code, "name": pair.text[lang]} for pair in pairs],
        "professions": [
            {"profession": code, "name": title_of(code, lang)}
            for code in sorted({profession for profession, _ in cells})
        ],
        "places": sorted({place for _, place in cells} - {ALL}),
        "cells": [
            {
                "profession": profession,
                "place": None if place == ALL else place,
                "competences": gaps(pairs, _cell(tables, profession, place), ACQUIRED, crossings.k, lang),
            }
            for profession, place in cells
        ],
    }


def _cell(tables: dict[str, Table], profession: str, place: str) -> Answered:
    return {
        group: {topic: cells[profession, place] for topic, cells in table.shown.items() if (profession, place) in cells}
        for group, table in tables.items()
    }
