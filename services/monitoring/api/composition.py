"""HTTP routes of what is composed and what is taken apart: the effectiveness index, breakdowns of values."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.monitoring import queries
from services.monitoring.api.comparison import named, text_of
from services.monitoring.api.ground import Code, Grounded, OptionalCode, indicator_of
from services.monitoring.comparison import breakdown, effectiveness
from services.monitoring.comparison.reading import INDEX, index_of
from services.monitoring.directory import described
from services.monitoring.domain.definitions import INDICATORS
from shared.scope import Role
from shared.web.edge import Edge, json_response, page_response

PERMISSIONS: dict[str, frozenset[Role]] = {}
router = APIRouter(prefix="/v1", tags=["comparison"])


@router.get("/effectiveness/composition")
async def index_declared(edge: Edge, ground: Grounded) -> Response:
    """What the composite effectiveness index is made of: weights, and the values that score 0 and 1."""
    edge.allow("comparison.read")
    declared = effectiveness.composition()
    return json_response(
        {
            "indicator": named(INDEX, ground, edge),
            "least_coverage": declared.least_coverage,
            "items": [
                {
                    "indicator": named(INDICATORS[each.indicator], ground, edge),
                    "weight": round(float(weight), 6),
                    "per": each.per,
                    "low": each.low,
                    "goal": each.goal,
                    "institution": each.institution.model_dump() if each.institution else None,
                }
                for each, weight in zip(declared.component, declared.weights, strict=True)
            ],
        }
    )


@router.get("/effectiveness")
async def index_at(edge: Edge, ground: Grounded, place: OptionalCode = None, period: OptionalCode = None) -> Response:
    """The composite effectiveness index of a place with every component: value, score, weight, what it adds.

    What has no value is left out and lowers `coverage`; below `least_coverage` there is no index. It is not zero.
    """
    declared = effectiveness.composition()
    async with edge.querying("comparison.read") as connection:
        await ground.directory.look(connection)
        when = ground.period(INDEX, period)
        own = ground.place(edge, place, queries.end_of(when, ground.this_month))
        shown, columns = (await index_of(connection, declared, [own], when, ground.sight(edge), ground.k))[0]
    components = [
        {
            **part,
            "indicator": named(INDICATORS[part["indicator"]], ground, edge),
            "period": effectiveness.fitted(INDICATORS[part["indicator"]], when).text,
            "value": found.value.value,
            "numerator": found.value.numerator,
            "denominator": found.value.denominator,
            "coverage": found.value.coverage,
            "suppressed": found.value.suppressed,
        }
        for part, found in zip(effectiveness.parts_of(declared, shown.scores), columns, strict=True)
    ]
    return json_response(
        {
            "indicator": named(INDEX, ground, edge),
            "period": when.text,
            "place": described(own, edge.lang),
            "value": shown.value,
            "coverage": shown.coverage,
            "least_coverage": declared.least_coverage,
            "as_of": text_of(shown.as_of),
            "components": components,
        }
    )


@router.get("/breakdowns")
async def breakdowns(edge: Edge, ground: Grounded) -> Response:
    """What each indicator can be broken down by."""
    edge.allow("comparison.read")
    items = [
        {"indicator": named(INDICATORS[code], ground, edge), "by": list(ways)}
        for code, ways in breakdown.BREAKDOWNS.items()
    ]
    return page_response(items, None)


@router.get("/breakdown")
async def broken_down(
    edge: Edge,
    ground: Grounded,
    indicator: Code,
    by: Annotated[str, Query(max_length=20, description="form, category, term, profession, enterprise, sector …")],
    place: OptionalCode = None,
    period: OptionalCode = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """What a value is made of, the largest rows first.

    Counts of persons by enterprise or sector are of academic years alone, rounded to multiples of `rounded_to`, and of
    those institutions where the enterprise has employed k or more and the others together have room: `withheld` says
    that there are more. `by=sector` goes by sections of ISIC Rev. 4; an enterprise merged into another counts there.
    """
    asked = indicator_of(indicator)
    async with edge.querying("comparison.read") as connection:
        await ground.directory.look(connection)
        breakdown.way_of(asked, by)
        when = ground.period(asked, period)
        own = ground.place(edge, place, queries.end_of(when, ground.this_month))
        found = await breakdown.broken_down(
            connection, ground.directory, asked, by, own, when, ground.this_month, ground.k
        )
    return json_response(
        {
            "indicator": named(asked, ground, edge),
            "by": by,
            "period": when.text,
            "place": described(own, edge.lang),
            "value": found.value.value.value,
            "suppressed": found.value.value.suppressed,
            "as_of": text_of(found.value.as_of),
            "found": found.found,
            "withheld": found.withheld,
            "rounded_to": found.rounded_to,
            "items": [{"key": row.key, **row.amounts} for row in found.rows[:limit]],
        }
    )
