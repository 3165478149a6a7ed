"""The competence gap: what employers require (S1, importance) against what was acquired (S2, S3, S4, level)."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import text

from services.surveys.domain import hiding
from services.surveys.domain.gaps import Answered, Moments, gaps, profession_slice
from services.surveys.domain.instruments import CompetencePair, PairPart
from services.surveys.domain.results import Sums
from services.surveys.domain.scoring import competence_measure
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.territories import by_place
from shared.i18n import Lang
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal

REQUIRED: Final = "S1"
ACQUIRED: Final = ("S2", "S3", "S4")

_CHOSEN = (
    "starts_with(c.org_path, :path) and c.instrument = any(:instruments) "
    "and (cast(:first as date) is null or c.last_day >= :first) "
    "and (cast(:last as date) is null or c.first_day <= :last)"
)
_GAPS = text(
    "select c.instrument, r.measure, sum(r.count), sum(r.total), sum(r.squares) from released_result r "  # noqa: S608
    f"join campaign c on c.id = r.campaign_id where {_CHOSEN} and r.measure = any(:topics) group by 1, 2"
)
_GAPS_BY_PLACE = text(
    "select split_part(substr(c.org_path, length(:path) + 1), '/', 1) || ':' || c.instrument, r.measure, "  # noqa: S608
    "sum(r.count), sum(r.total), sum(r.squares) from released_result r join campaign c on c.id = r.campaign_id "
    f"where {_CHOSEN} and r.measure = any(:topics) group by 1, 2 order by 1"
)
_COUNTS_BY_PLACE = text(
    "select split_part(substr(c.org_path, length(:path) + 1), '/', 1) || ':' || c.instrument, r.measure, "  # noqa: S608
    "r.option, sum(r.count) from released_choice r join campaign c on c.id = r.campaign_id "
    f"where {_CHOSEN} and r.measure = any(:topics) group by 1, 2, 3"
)
# All answers of campaigns that are over, for the year that has ended: a table that never changes again.
_BY_PROFESSION = text(
    "select c.instrument, t.measure, sum(t.count), sum(t.total), sum(t.squares) from tally t "
    "join campaign c on c.id = t.campaign_id join intake i on i.campaign_id = c.id and i.over "
    "where starts_with(c.org_path, :path) and c.instrument = any(:instruments) and c.last_day between :first and :last "
    "and split_part(t.measure, '@', 1) = any(:topics) group by 1, 2"
)


def competences(library: InstrumentLibrary) -> list[CompetencePair]:
    """The competences that the standard questionnaires share, as S1 names them first."""
    found: dict[str, CompetencePair] = {}
    for code in (REQUIRED, *ACQUIRED):
        for pair in library.get(code).competences:
            found.setdefault(pair.code, pair)
    return list(found.values())


def _asked(
    library: InstrumentLibrary, path: str, first: date | None, last: date | None
) -> tuple[list[CompetencePair], dict[str, Any]]:
    """The competences, and what the statements above are asked with."""
    pairs = competences(library)
    return pairs, {
        "path": path,
        "instruments": [REQUIRED, *ACQUIRED],
        "first": first,
        "last": last,
        "topics": [competence_measure(pair.code, part) for pair in pairs for part in PairPart],
    }


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
    pairs, parameters = _asked(library, path, first, last)
    async with database.reading(principal) as session:
        whole = await by_place(session, _GAPS, parameters)
        places: dict[str, dict[str, dict[str, Sums]]] = {}
        for key, sums in (await by_place(session, _GAPS_BY_PLACE, parameters)).items():
            place, _, group = key.partition(":")
            places.setdefault(place, {})[group] = sums
    of_whole, of_places = await _moments(database, library, parameters, step)
    return {
        "required_by": REQUIRED,
        "acquired_by": list(ACQUIRED),
        "released_in_steps_of": step,
        "competences": gaps(pairs, Answered(whole, of_whole), ACQUIRED, step, lang),
        "places": [
            {"place": place, "competences": gaps(pairs, Answered(found, of_places), ACQUIRED, step, lang)}
            for place, found in places.items()
        ],
    }


async def _moments(
    database: Database, library: InstrumentLibrary, parameters: dict[str, Any], step: int
) -> tuple[Moments, Moments]:
    """How many moments of each topic may be shown of the whole, and of every place: the fewest that any of them allows.

    Where one place's mean would tell too much it is shown of none: it could be taken from the others and the whole.
    """
    by_place: dict[tuple[str, str, str], dict[str, int]] = {}
    async with database.reading(SYSTEM) as session:
        for key, measure, option, count in await session.execute(_COUNTS_BY_PLACE, parameters):
            place, _, group = key.partition(":")
            by_place.setdefault((place, group, measure), {})[option] = int(count)
    whole: dict[tuple[str, str], dict[str, int]] = {}
    places: dict[tuple[str, str], int] = {}
    tops = {
        (code, competence_measure(pair.code, part)): pair.terms.scales[part].top
        for code in (REQUIRED, *ACQUIRED)
        for pair in library.get(code).competences
        for part in PairPart
    }
    for (_, group, measure), counts in by_place.items():
        topic = (group, measure)
        total = whole.setdefault(topic, {})
        for option, count in counts.items():
            total[option] = total.get(option, 0) + count
        if sum(counts.values()) >= step and topic in tops:
            found = hiding.moments(_in_order(counts, tops[topic]), step)
            places[topic] = min(places.get(topic, found), found)
    return {
        topic: hiding.moments(_in_order(counts, tops[topic]), step) for topic, counts in whole.items() if topic in tops
    }, places


def _in_order(counts: Mapping[str, int], top: int) -> list[int]:
    return [counts.get(str(rating), 0) for rating in range(1, top + 1)]


async def gaps_by_profession(
    database: Database,
    library: InstrumentLibrary,
    path: str,
    first: date,
    last: date,
    step: int,
    lang: Lang,
) -> dict[str, Any]:
    """The gap of each competence by profession (ISCO-08), of an academic year that has ended, in `path`."""
    pairs, parameters = _asked(library, path, first, last)
    async with database.reading(SYSTEM) as session:
        found = await by_place(session, _BY_PROFESSION, parameters)
    professions = profession_slice(found, parameters["topics"], step)
    return {
        "required_by": REQUIRED,
        "acquired_by": list(ACQUIRED),
        "professions": [
            {"profession": profession, "competences": gaps(pairs, Answered(sums), ACQUIRED, step, lang)}
            for profession, sums in sorted(professions.items())
        ],
    }
