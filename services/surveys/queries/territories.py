"""What many campaigns found together: a territory's results of an instrument, by place below it, and over time.

Index and dimensions add up what single campaigns released, in steps of at least k responses, and the pools of those
that are over; single questions add up pools alone (domain/pooling.py). So whatever is shown of any places, periods and
waves, now or later, adds up from parts of at least k responses each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.domain.instruments import Instrument
from services.surveys.domain.pooling import bundles, whole_topics
from services.surveys.domain.results import Released, Sums, results, summary
from services.surveys.domain.scoring import INDEX
from services.surveys.domain.tallies import reliable_items
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.results import released_counts
from shared.errors import NotFound
from shared.i18n import Lang
from shared.persistence.unit_of_work import Database
from shared.scope import TERRITORIAL, Principal, Scope

MOST_POINTS: Final = 24

_CHOSEN = """
    from {of} c
    where starts_with(c.org_path, :path) and c.instrument = :instrument and c.instrument_version = :version
    and (cast(:wave as text) is null or c.wave_id = :wave)
    and (cast(:first as date) is null or c.last_day >= :first) and (cast(:last as date) is null or c.first_day <= :last)
"""
_CAMPAIGNS = _CHOSEN.format(of="campaign")
_RELEASED = _CHOSEN.format(of="released_of")
SHOWN: Final = "(c.pooled or r.measure = any(:whole))"
"""Single questions are shown of pools alone: `whole` are the other topics."""
_SUMS = text(
    "select r.measure, sum(r.count), sum(r.total), sum(r.squares) from released_result r "  # noqa: S608 - our own text
    f"join (select c.id, c.pooled {_RELEASED}) c on c.id = r.campaign_id "
    f"where r.measure = any(:topics) and {SHOWN} group by r.measure"
)
_BY_PLACE = text(
    "select split_part(substr(c.org_path, length(:path) + 1), '/', 1) as place, r.measure, sum(r.count), "  # noqa: S608
    "sum(r.total), sum(r.squares) from released_result r "
    f"join (select c.id, c.org_path, c.pooled {_RELEASED}) c on c.id = r.campaign_id "
    f"where r.measure = any(:topics) and {SHOWN} and c.org_path <> :path group by 1, 2 order by 1"
)
_COUNTS = text(
    "select r.measure, r.option, sum(r.count) from released_choice r "  # noqa: S608 - our own text
    f"where r.campaign_id in (select c.id {_RELEASED} and c.pooled) group by r.measure, r.option"
)
_STATE = text(
    "select count(*), count(*) filter (where exists (select 1 from released_result r where r.campaign_id = s.id)), "  # noqa: S608
    "bool_and(coalesce((select over from intake i where i.campaign_id = s.id), false)) "
    f"from (select c.id {_CAMPAIGNS}) s"
)
_TREND = text(
    "select c.instrument_version, c.wave_id, "  # noqa: S608 - our own text
    "case when :by = 'campaign' then c.id when :by = 'wave' then c.wave_id "
    "else to_char(date_trunc('quarter', c.last_day), 'YYYY-\"Q\"Q') end as point, min(c.first_day), max(c.last_day), "
    "max(c.title), sum(r.count), sum(r.total), sum(r.squares), r.measure from released_result r "
    "join released_of c on c.id = r.campaign_id where starts_with(c.org_path, :path) and c.instrument = :instrument "
    "and (:by <> 'wave' or c.wave_id is not null) and (:by <> 'campaign' or not c.pooled) "
    f"and r.measure = any(:topics) and {SHOWN} "
    "group by 1, 2, 3, r.measure order by 4, 3"
)
_NAMES = text("select id, name from institution where id = any(:ids)")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which campaigns: of an instrument's version, in a territory, of a wave, or with days in a period."""

    path: str
    instrument: str
    version: int
    wave: str | None = None
    first: date | None = None
    last: date | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """For the statements above."""
        return {
            "path": self.path,
            "instrument": self.instrument,
            "version": self.version,
            "wave": self.wave,
            "first": self.first,
            "last": self.last,
        }


def own_path(principal: Principal) -> str:
    """The whole territory of an office; raises NotFound for anybody else."""
    if principal.role not in TERRITORIAL:
        raise NotFound(what="results", id="territory")
    return principal.scope.value


async def territory_results(
    database: Database,
    principal: Principal,
    library: InstrumentLibrary,
    chosen: Chosen,
    step: int,
    lang: Lang,
    *,
    wave_over: bool = False,
) -> dict[str, Any]:
    """What the chosen campaigns found together, with the places below beside each other.

    How often options were chosen is shown of a wave that is over, and of the caller's whole territory alone.
    """
    async with database.reading(principal) as session:
        instrument = await library.ensure(session, chosen.instrument, chosen.version)
        whole = whole_topics(instrument)
        found = await session.execute(_SUMS, {**chosen.parameters, "topics": topics_in(instrument), "whole": whole})
        sums = {measure: Sums(int(count), int(total), int(squares)) for measure, count, total, squares in found}
        campaigns, with_results, over = (await session.execute(_STATE, chosen.parameters)).one()
        places = await _places(session, chosen, instrument)
    final = wave_over and bool(over) and chosen.path == principal.scope.value
    # Small counts decide what may be shown of the means, whether or not they are shown themselves.
    counts = await released_counts(database, _COUNTS.bindparams(**chosen.parameters))
    return {
        "instrument": instrument.code,
        "instrument_version": instrument.version,
        "group": instrument.group.value,
        "wave": chosen.wave,
        "campaigns": campaigns,
        "campaigns_with_results": with_results,
        "over": final,
        "released_in_steps_of": step,
        **results(instrument, Released(sums, counts), step, lang, options_shown=final, items_shown=bool(counts)),
        "places": places,
    }


def topics_in(instrument: Instrument) -> list[str]:
    """The topics of an instrument's results: all but those by profession."""
    return [topic for bundle in bundles(instrument) for topic in bundle]


async def _places(session: AsyncSession, chosen: Chosen, instrument: Instrument) -> list[dict[str, Any]]:
    """Index and dimensions of each place right below; of dimensions, those of several items."""
    several = [INDEX, *reliable_items(instrument)]
    asked = {**chosen.parameters, "topics": several, "whole": whole_topics(instrument)}
    places = await by_place(session, _BY_PLACE, asked)
    names = await _names(session, places)
    return [
        {
            "place": place,
            "name": names.get(place),
            "index": summary(sums.get(INDEX)),
            "dimensions": [{"dimension": name, **summary(sums.get(name))} for name in several[1:]],
        }
        for place, sums in places.items()
    ]


async def by_place(
    session: AsyncSession, statement: TextClause, parameters: Mapping[str, Any]
) -> dict[str, dict[str, Sums]]:
    """Sums by place and topic."""
    found: dict[str, dict[str, Sums]] = {}
    for place, measure, count, total, squares in await session.execute(statement, parameters):
        found.setdefault(place, {})[measure] = Sums(int(count), int(total), int(squares))
    return found


async def _names(session: AsyncSession, places: Mapping[str, Any]) -> dict[str, str]:
    ids = [place for place in places if not place.isdigit()]
    if not ids:
        return {}
    return {row[0]: row[1] for row in await session.execute(_NAMES, {"ids": ids})}


async def trend(
    session: AsyncSession,
    scope: Scope,
    library: InstrumentLibrary,
    path: str,
    instrument: str,
    by: str,
    step: int,
    *,
    own: bool,
) -> dict[str, Any]:
    """Index and dimensions over quarters, waves or campaigns; points of other versions say why they don't compare.

    `own` campaigns show the reader a dimension of a single question too.
    """
    newest = await library.ensure(session, instrument, scope=scope)
    several = [INDEX, *reliable_items(newest)]
    whole = several if own else whole_topics(newest)
    asked = {"path": path, "instrument": instrument, "by": by, "topics": several, "whole": whole}
    found = await session.execute(_TREND, asked)
    points: dict[tuple[int, str], dict[str, Any]] = {}
    sums: dict[tuple[int, str], dict[str, Sums]] = {}
    for version, wave, point, first, last, title, count, total, squares, measure in found:
        key = version, point
        entry = points.setdefault(key, {"point": point, "version": version, "title": title, "wave": wave})
        entry["from"] = min(entry.get("from", first.isoformat()), first.isoformat())
        entry["to"] = max(entry.get("to", last.isoformat()), last.isoformat())
        one = Sums(int(count), int(total), int(squares))
        known = sums.setdefault(key, {})
        known[measure] = known[measure] + one if measure in known else one
    shown = []
    for key, entry in sorted(points.items(), key=lambda item: (item[1]["to"], item[0]))[-MOST_POINTS:]:
        same = key[0] == newest.version
        shown.append(
            {
                **entry,
                "index": summary(sums[key].get(INDEX)),
                "dimensions": [{"dimension": name, **summary(sums[key].get(name))} for name in several[1:]],
                "comparable": same,
                "why_not": None if same else "other-version",
            }
        )
    return {"instrument": instrument, "version": newest.version, "released_in_steps_of": step, "points": shown}
