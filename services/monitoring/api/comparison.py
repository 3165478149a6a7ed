"""HTTP routes of comparison: rankings with their uncertainty, spreads with what stands out, places among peers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from services.monitoring import queries
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, LEVELS
from services.monitoring.api.ground import Code, Ground, Grounded, OptionalCode, indicator_of
from services.monitoring.comparison import effectiveness, noise, peers, targets
from services.monitoring.comparison.keeping import Tables
from services.monitoring.comparison.noise import Numbers
from services.monitoring.comparison.reading import INDEX, Asked, Table, periods_of
from services.monitoring.comparison.spread import SOURCES, Limits, limits, spread
from services.monitoring.comparison.targets import Target
from services.monitoring.directory import NATION, described
from services.monitoring.domain.formulas import Direction, Indicator, Unit
from services.monitoring.domain.periods import Period, parse
from services.monitoring.domain.territory import Level, Place
from shared.contracts.monitoring import OfficeLevel
from shared.errors import FieldError, InvalidInput
from shared.scope import EDUCATION, Role
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, RequestEdge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "comparison.read": EDUCATION | {Role.SERVICE},
}
router = APIRouter(prefix="/v1", tags=["comparison"])
OUTLIERS = 200


async def _tables(request: Request) -> Tables:
    tables: Tables = request.app.state.comparison
    return tables


Compared = Annotated[Tables, Depends(_tables)]
Levels = Annotated[
    OfficeLevel | None, Query(description="whose places are compared; without it those right below the place")
]
Per = Annotated[bool, Query(description="counts of offices divided by the institutions at work there")]
PeersOf = Annotated[
    str | None,
    Query(max_length=64, description="only the peers of this place: of like kind and size, as far as they are seen"),
]


@dataclass(frozen=True, slots=True)
class Question:
    """What a comparison is asked for, as the query says it."""

    indicator: str
    place: str | None
    level: OfficeLevel | None
    period: str | None
    per: bool
    peers_of: str | None


async def _question(
    indicator: Code,
    place: OptionalCode = None,
    level: Levels = None,
    period: OptionalCode = None,
    per: Per = False,
    peers_of: PeersOf = None,
) -> Question:
    return Question(indicator, place, level, period, per, peers_of)


Questioned = Annotated[Question, Depends(_question)]


def compared_of(code: str) -> Indicator:
    """The indicator of that code, or the index; raises InvalidInput, which says which exist."""
    return INDEX if code == INDEX.code else indicator_of(code)


def _asked(edge: RequestEdge, ground: Ground, question: Question) -> Asked:
    indicator = compared_of(question.indicator)
    when = ground.period(indicator, question.period)
    root = ground.place(edge, question.place, queries.end_of(when, ground.this_month))
    level = question.level
    wanted = Level(min(root.level + 1, Level.INSTITUTION)) if level is None else LEVEL_NUMBERS[level]
    if wanted < root.level:
        known = ", ".join(LEVELS[each] for each in Level if each >= root.level)
        raise InvalidInput(FieldError("level", "level_above", {"value": str(level), "known": known}))
    counted = indicator is not INDEX and indicator.unit in (Unit.COUNT, Unit.PERSONS)
    if question.per and not counted:
        raise InvalidInput(FieldError("per", "not_counted", {"indicator": indicator.code}))
    return Asked(indicator, when, root, wanted, question.per and wanted is not Level.INSTITUTION)


async def table_of(edge: RequestEdge, connection: Any, ground: Ground, tables: Tables, question: Question) -> Table:
    """The table of what is asked, narrowed to the peers of a place where one is named.

    Raises InvalidInput or NotFound, which say what there is.
    """
    await ground.directory.look(connection)
    asked = _asked(edge, ground, question)
    table = await tables.table(connection, asked, edge.principal)
    if question.peers_of is None:
        return table
    place = ground.place(edge, question.peers_of)
    if place.level is not asked.level:
        known = LEVELS[asked.level]
        raise InvalidInput(FieldError("peers_of", "peers_level", {"value": question.peers_of, "known": known}))
    groups = await tables.groups_of(asked.level, ground.directory.by_code(NATION) or asked.root)
    here = [(shown.place.id, groups.get(shown.place.id, (shown.place.kind, -1))) for shown in table.shown]
    wider, members = peers.members(groups.get(place.id, (place.kind, -1)), here, least=1)
    name = ("all", wider) if wider is not None else place.id
    return await table.part(name, frozenset((place.id, *members)))


@dataclass(frozen=True, slots=True)
class Bound:
    """The targets that stand beside a table, each counting for the places that lay below its own in the period."""

    year: str | None = None
    known: Mapping[str, Target] = field(default_factory=dict)
    sight: queries.Sight | None = None

    def of(self, place: Place, period: Period) -> Target | None:
        """The target that counts for a place in the period of the table.

        What was set at the place itself is told to whoever sees the place in the year that it is for.
        """
        if not self.known or self.sight is None or self.year is None:
            return None
        until = queries.end_of(period, self.sight.this_month)
        own = [place] if self.sight.sees(place, parse(self.year)) else []
        return targets.nearest((*own, *self.sight.directory.above(place, until)), self.known)


async def targets_of(connection: Any, table: Table, question: Question, sight: queries.Sight) -> Bound:
    """The targets that stand beside a table; none do beside counts per institution."""
    year = targets.year_for(table.asked.indicator, table.asked.period)
    if year is None or question.per:
        return Bound(year)
    known = await targets.bound(connection, table.asked.indicator, table.asked.level, year)
    return Bound(year, known, sight)


@router.get("/ranking")
async def ranking(
    edge: Edge,
    ground: Grounded,
    tables: Compared,
    question: Questioned,
    after: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Places of a level ranked by what is left of their values without noise, each with the ranks chance could give.

    `estimate` is the value drawn towards the mean of all as far as it may be chance (empirical Bayes: beta-binomial,
    gamma-Poisson or normal, as `method.noise` says): 3 of 3 is drawn far, 480 of 500 hardly. `low` and `high` are its
    90 % interval, `rank_best` and `rank_worst` that of the rank. `band` says in which half a place surely stands. What
    is withheld or not there has no rank and follows by name. `indicator=INDEX` ranks the composite effectiveness index;
    its intervals are those that other weights would give.
    """
    start = _start(after)
    async with edge.querying("comparison.read") as connection:
        table = await table_of(edge, connection, ground, tables, question)
        bound = await targets_of(connection, table, question, ground.sight(edge))
    items = [row_of(table, index, bound, edge) for index in range(start, min(start + limit, len(table.shown)))]
    more = start + limit < len(table.shown)
    return json_response(
        {
            **_head(table, ground, edge),
            "target_year": bound.year if bound.known else None,
            "items": items,
            "next": encode_cursor(start + limit) if more else None,
        }
    )


def _start(after: str | None) -> int:
    if after is None:
        return 0
    (start,) = decode_cursor(after, 1)
    if not isinstance(start, int) or start < 0:
        raise InvalidInput(FieldError("after", "cursor"))
    return start


def _head(table: Table, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    asked, prior = table.asked, table.estimates.prior
    drawn_from = "weights" if table.noise is None else table.noise.value
    return {
        "indicator": named(asked.indicator, ground, edge),
        "period": asked.period.text,
        "place": described(asked.root, edge.lang),
        "level": LEVELS[asked.level].value,
        "per": asked.per,
        "ranked": table.ranked,
        "suppressed": table.suppressed,
        "unknown": len(table.shown) - table.ranked - table.suppressed,
        "as_of": text_of(table.as_of),
        "made_at": table.made_at.isoformat(),
        "method": {
            "noise": drawn_from,
            "text": ground.catalogue.text(f"comparison.noise.{drawn_from}", edge.lang),
            "sources": list(effectiveness.SOURCES if table.noise is None else noise.SOURCES[table.noise]),
            "mean": number_of(prior.mean) if prior else None,
            "strength": number_of(prior.strength) if prior else None,
            "interval": 0.9,
        },
    }


def named(indicator: Indicator, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    """An indicator as these answers name it."""
    return {
        "code": indicator.code,
        "name": ground.catalogue.text(f"indicator.{indicator.code}.name", edge.lang),
        "unit": indicator.unit,
        "direction": indicator.direction,
    }


def row_of(table: Table, index: int, bound: Bound, edge: RequestEdge) -> dict[str, Any]:
    """One place of a ranking."""
    shown = table.shown[index]
    row: dict[str, Any] = {
        "place": described(shown.place, edge.lang),
        "value": shown.value,
        "numerator": shown.numerator,
        "denominator": shown.denominator,
        "coverage": shown.coverage,
        "suppressed": shown.suppressed,
        "rank": None,
    }
    if index < table.ranked:
        estimates, ranks = table.estimates, table.ranks
        row |= {
            "rank": int(ranks.rank[index]),
            "rank_best": int(ranks.best[index]),
            "rank_worst": int(ranks.worst[index]),
            "band": ranks.band(index).value,
            "estimate": number_of(estimates.value[index]),
            "low": number_of(estimates.low[index]),
            "high": number_of(estimates.high[index]),
            "weight": number_of(estimates.weight[index]),
        }
        if table.asked.per:
            row["per_institution"] = number_of(table.seen.value[index])
    target = bound.of(shown.place, table.asked.period)
    if target is not None and target.value is not None:
        left = None
        if shown.value is not None:
            down = table.asked.indicator.direction is Direction.DOWN
            left = shown.value - target.value if down else target.value - shown.value
        row["target"] = {
            "value": target.value,
            "set_at": target.place,
            "left": left,
            "met": left is not None and left <= 0,
        }
    return row


@router.get("/distribution")
async def distribution(
    edge: Edge,
    ground: Grounded,
    tables: Compared,
    question: Questioned,
) -> Response:
    """How values spread among the places of a level: quantiles, a histogram, a box figure; and what stands out of it.

    `outliers.rule` says by which rule: `funnel` – beyond the 99.8 % limits around the middle value (by size), which are
    the wider the fewer are counted (Spiegelhalter 2005), widened where places differ by nature; `mad` – more than 3.5
    robust deviations from the median (Iglewicz & Hoaglin 1993); `few` – too few places to say.
    """
    async with edge.querying("comparison.read") as connection:
        table = await table_of(edge, connection, ground, tables, question)
    found = limits(table.noise or noise.Noise.NONE, table.seen)
    return json_response(
        {
            **_head(table, ground, edge),
            "spread": _spread(table.seen.value),
            "outliers": {
                "rule": found.rule.value,
                "text": ground.catalogue.text(f"comparison.outliers.{found.rule}", edge.lang),
                "source": SOURCES[found.rule],
                "centre": number_of(found.centre),
                "widened": found.widened,
                "items": _outliers(table, found, edge),
            },
        }
    )


def _spread(values: Numbers) -> dict[str, Any] | None:
    found = spread(values)
    if found is None:
        return None
    return {
        "count": found.count,
        "least": found.least,
        "most": found.most,
        "mean": found.mean,
        "quantiles": {f"{quantile:g}": value for quantile, value in found.quantiles.items()},
        "box": asdict(found.box),
        "bins": [{"from": start, "to": end, "count": count} for start, end, count in found.bins],
    }


def _outliers(table: Table, found: Limits, edge: RequestEdge) -> list[dict[str, Any]]:
    """The places that stand out, the farthest first."""
    out = found.out
    order = sorted(np.flatnonzero(out).tolist(), key=lambda index: -abs(float(found.distance[index])))
    return [
        {
            "place": described(table.shown[index].place, edge.lang),
            "value": number_of(table.seen.value[index]),
            "numerator": table.shown[index].numerator,
            "denominator": table.shown[index].denominator,
            "side": "below" if out[index] < 0 else "above",
            "low": number_of(found.low[index]),
            "high": number_of(found.high[index]),
            "distance": number_of(found.distance[index]),
        }
        for index in order[:OUTLIERS]
    ]


@router.get("/peers")
async def peers_at(
    edge: Edge,
    ground: Grounded,
    tables: Compared,
    indicator: Code,
    place: OptionalCode = None,
    period: OptionalCode = None,
    same_region: Annotated[bool, Query(description="only peers of the place's own region")] = False,
) -> Response:
    """A place among all of the country – or its region – that are of like kind and about its size.

    Of the others only the group as a whole is told: how many, their quantiles (the lowest and highest twentieth drawn
    in), and where the place stands. With fewer
    than ten of like size it is compared with all of like kind; with fewer than ten of those, with nobody.
    Recommendations compare with the same groups.
    """
    async with edge.querying("comparison.read") as connection:
        await ground.directory.look(connection)
        asked = compared_of(indicator)
        when = ground.period(asked, period)
        until = max(queries.end_of(each, ground.this_month) for each in periods_of(asked, when))
        # Whose peers they are goes by its kind and size of today: whoever sees it no more is not told them.
        own = ground.place(edge, place, max(until, ground.this_month))
        nation = ground.directory.by_code(NATION)
        above = ground.directory.above(own, until) if own.level is Level.INSTITUTION else []
        region = next((each for each in above if each.level is Level.REGION), None) or _region_of(ground, own)
    root = region if same_region and region is not None else nation
    if root is None or own.level is Level.NATION or root.level >= own.level:
        raise InvalidInput(FieldError("place", "no_peers", {"value": own.code}))
    groups = await tables.groups_of(own.level, root)
    table = await tables.beyond(Asked(asked, when, root, own.level))
    group = groups.get(own.id, (own.kind, -1))
    known = [(shown.place.id, groups.get(shown.place.id, (shown.place.kind, -1))) for shown in table.shown]
    ranked = {shown.place.id for shown in table.shown[: table.ranked]}
    sees = ground.directory.sees
    unseen = [shown.place for shown in table.shown if not sees(shown.place, edge.principal, until)]
    others = [each for each in known if each[0] in ranked and each[0] != own.id]
    # Who asks for the nation's and for the region's knows the difference.
    far = [each for each in unseen if region is not None and not each.path.startswith(region.path)]
    apart = (frozenset(each.id for each in places) for places in (unseen, far))
    wider, members = peers.members(group, others, *apart)
    # The whole group, whoever of it is asked about.
    found = await table.part(wider, frozenset((*members, own.id))) if wider is not None else None
    return json_response(
        {
            "indicator": named(asked, ground, edge),
            "period": when.text,
            "place": described(own, edge.lang),
            "within": described(root, edge.lang),
            "group": _group(wider, group),
            "peers": len(members),
            "own": _own(found, own, edge) if found is not None else None,
            "spread": _spread(_inner(_without(found, own))) if found is not None else None,
        }
    )


def _without(table: Table, place: Place) -> Numbers:
    """The values of all but one place."""
    index = table.index_of(place)
    return table.seen.value if index is None else np.delete(table.seen.value, index)


def _inner(values: Numbers) -> Numbers:
    """The values drawn in to their 5 % and 95 % quantiles: the extremes would be single places' own."""
    return np.clip(values, *np.quantile(values, [0.05, 0.95]))


def _region_of(ground: Ground, place: Place) -> Place | None:
    units = place.units
    return ground.directory.by_code(units[1]) if len(units) > 1 else None


def _group(wider: peers.Wider | None, group: peers.Group) -> dict[str, Any]:
    size = wider[1] if wider is not None else None
    return {
        "kind": group[0] or None,
        "by_size": size is not None and size >= 0,
        "size_from": round(2 ** (size - 0.5), 1) if size is not None and size >= 0 else None,
        "size_to": round(2 ** (size + 0.5), 1) if size is not None and size >= 0 else None,
        "found": wider is not None,
    }


def _own(table: Table, place: Place, edge: RequestEdge) -> dict[str, Any] | None:
    index = table.index_of(place)
    if index is None:
        return None
    row = row_of(table, index, Bound(), edge)
    behind = table.ranked - int(np.sum(table.ranks.rank <= table.ranks.rank[index]))
    return {**row, "better_than": behind / (table.ranked - 1) if table.ranked > 1 else None}


def text_of(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def number_of(value: Any) -> float | None:
    """A number as JSON has them; what is none is null."""
    number = float(value)
    return round(number, 9) if np.isfinite(number) else None
