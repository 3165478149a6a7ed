"""Who suits whom: candidates found by index, then weighed (domain/matching.py).

Enterprises with neither a history with the institution nor something to exchange differ in three things alone: fit,
distance and size. So they fall into groups of equal score – a place, sections that fit equally, a size – and the best
groups are read until the list is full: exact, and some hundred rows of 500,000 (one scan of enterprise_terms a group).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Text, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.domain import matching as domain
from services.partners.tables.preparation import Listing, NeedRow, OfferRow
from services.partners.tables.registers import EnterpriseRow, InstitutionRow, PartnershipRow
from shared.contracts.codes import isic_sections
from shared.contracts.partners import PartnershipStage
from shared.contracts.preparation import ListingState
from shared.contracts.vocabulary import EnterpriseSize
from shared.scope import ALL, Scope, path_of

LISTED = 150
"""Partners with something to exchange that are looked at, the nearest first, and partnerships."""
STAGES = {stage: place for place, stage in enumerate(PartnershipStage)}


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate with the reasons for its rank."""

    id: str
    shown: Mapping[str, Any]
    reasons: Sequence[domain.Reason]

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return domain.total(self.reasons)


async def enterprises_for(session: AsyncSession, institution: Mapping[str, Any], limit: int) -> list[Match]:
    """The best partners of an institution that the session sees, best first; equal ones by id."""
    side = _institution(institution)
    own = await _listings(session, "institution_id", [institution["id"]])
    mine = own[institution["id"]]
    together = await _together(session, "institution_id", institution["id"], "enterprise_id")
    known = {*together, *await _exchanging(session, mine, "enterprise_id", side.district)}
    rows = await session.execute(
        select(col(EnterpriseRow.id), col(EnterpriseRow.state)).where(
            _among(EnterpriseRow.id, known), col(EnterpriseRow.status) == "active"
        )
    )
    found = {row.id: row.state for row in rows}
    for terms, sections, beyond in _groups(side):
        if len(found) - len(known) >= limit:
            break
        found |= await _of_group(session, terms, sections, beyond, limit)
    listings = await _listings(session, "enterprise_id", list(found))
    matches = [
        Match(
            id_,
            {name: state[name] for name in ("id", "stir", "name", "size", "isic_section", "district")},
            domain.weigh(side, _enterprise(state), theirs=(mine, listings[id_]), together=together.get(id_)),
        )
        for id_, state in found.items()
    ]
    return _best(matches, limit)


async def institutions_for(
    session: AsyncSession, scope: Scope, enterprise: Mapping[str, Any], limit: int
) -> list[Match]:
    """The best institutions for an enterprise, best first; equal ones by id.

    An enterprise looks beyond its own scope here: it is shown the name, kind and district of institutions, which are
    public, and what they offer and need, which they published. Offices see institutions of their territory.
    """
    side = _enterprise(enterprise)
    together = await _together(session, "enterprise_id", enterprise["id"], "institution_id")
    mine = (await _listings(session, "enterprise_id", [enterprise["id"]]))[enterprise["id"]]
    known = {*together, *await _exchanging(session, mine, "institution_id", side.district)}
    seen = ALL if scope.kind == "enterprise" else scope
    await _show(session, seen)
    near = col(InstitutionRow.org_path).startswith(path_of(side.district[:4]), autoescape=True)
    query = select(InstitutionRow).where(InstitutionRow.visible(seen), col(InstitutionRow.status) == "active")
    rows = list((await session.execute(query.where(or_(near, col(InstitutionRow.id).in_(known))))).scalars())
    if len(rows) < limit:
        rows = list((await session.execute(query)).scalars())
    await _show(session, scope)
    listings = await _listings(session, "institution_id", [row.id for row in rows])
    matches = []
    for row in rows:
        shown = {name: row.state[name] for name in ("id", "code", "name", "kind")}
        shown["district"] = row.state["membership"][-1]["district"]
        weighed = domain.weigh(
            _institution(row.state), side, theirs=(listings[row.id], mine), together=together.get(row.id)
        )
        matches.append(Match(row.id, shown, weighed))
    return _best(matches, limit)


def _among(column: Any, ids: Collection[str]) -> ColumnElement[bool]:
    """One parameter: hundreds of them would be written into the statement anew each time."""
    return cast("ColumnElement[bool]", column == func.any(literal(list(ids), ARRAY(Text))))


def _best(matches: Iterable[Match], limit: int) -> list[Match]:
    return sorted(matches, key=lambda match: (-match.score, match.id))[:limit]


async def _show(session: AsyncSession, scope: Scope) -> None:
    await session.execute(text("select set_config('app.scope', :scope, true)"), {"scope": scope.setting})


def _institution(state: Mapping[str, Any]) -> domain.Institution:
    occupations = frozenset(code for programme in state["programmes"] for code in programme["occupations"])
    return domain.Institution(state["membership"][-1]["district"], state["sector"], occupations)


def _enterprise(state: Mapping[str, Any]) -> domain.Enterprise:
    return domain.Enterprise(state["district"], state["isic_section"], EnterpriseSize(state["size"]))


def _groups(side: domain.Institution) -> list[tuple[list[str], list[str], list[str]]]:
    """Groups of enterprises of equal score, best first: terms that all have, sections of which one, terms they lack."""
    by_fit: dict[float, list[str]] = defaultdict(list)
    for section in sorted(isic_sections()):
        by_fit[domain.total(domain.fit(side, section))].append(f"isic:{section}")
    district, region = f"place:{side.district}", f"place:{side.district[:4]}"
    places: dict[str, tuple[list[str], list[str]]] = {
        "same_district": ([district], []),
        "same_region": ([region], [district]),
        "other_region": ([], [region]),
    }
    groups = []
    for how, sections in by_fit.items():
        for place, (inside, outside) in places.items():
            for size, big in domain.BIG.items():
                near = domain.WEIGHTS[domain.Consideration.DISTANCE] * domain.NEAR[place]
                score = how + near + domain.WEIGHTS[domain.Consideration.SIZE] * big
                terms = [*inside, f"size:{size.value}", "status:active"]
                groups.append((score, terms, sections, outside))
    groups.sort(key=lambda group: (-group[0], group[1], group[2]))
    return [(terms, sections, outside) for _, terms, sections, outside in groups]


async def _of_group(
    session: AsyncSession, terms: list[str], sections: list[str], beyond: list[str], limit: int
) -> dict[str, Any]:
    searched: Any = col(EnterpriseRow.terms)  # an array, which its type does not say
    query = select(col(EnterpriseRow.id), col(EnterpriseRow.state)).where(
        searched.contains(terms), searched.overlap(sections)
    )
    if beyond:
        query = query.where(~searched.contains(beyond))
    rows = await session.execute(query.order_by(col(EnterpriseRow.id)).limit(limit))
    return {row.id: row.state for row in rows}


async def _together(session: AsyncSession, own: str, id_: str, other: str) -> dict[str, PartnershipStage]:
    """With whom the side has or had a partnership; of several with one the liveliest counts."""
    rows = await session.execute(
        select(getattr(PartnershipRow, other), col(PartnershipRow.stage))
        .where(getattr(PartnershipRow, own) == id_, getattr(PartnershipRow, other).is_not(None))
        .order_by(col(PartnershipRow.id).desc())
        .limit(LISTED)
    )
    found: dict[str, PartnershipStage] = {}
    for whom, stage in rows:
        found[whom] = min(found.get(whom, PartnershipStage.ENDED), PartnershipStage(stage), key=STAGES.__getitem__)
    return found


async def _listings(session: AsyncSession, whose: str, ids: Collection[str]) -> dict[str, domain.Listings]:
    """What these need and offer at present."""
    found: dict[str, dict[str, list[ListingState]]] = defaultdict(lambda: {"needs": [], "offers": []})
    tables: tuple[tuple[str, type[Listing]], ...] = (("needs", NeedRow), ("offers", OfferRow))
    for kind, row_type in tables:
        owner = getattr(row_type, whose)
        rows = await session.execute(
            select(owner, col(row_type.state)).where(_among(owner, ids), col(row_type.status) == "open")
        )
        for id_, state in rows:
            found[id_][kind].append(ListingState.model_validate(state))
    return defaultdict(domain.Listings, {id_: domain.Listings(**kinds) for id_, kinds in found.items()})


async def _exchanging(session: AsyncSession, mine: domain.Listings, whose: str, district: str) -> set[str]:
    """Those of the other side who offer what is needed here, or need what is offered.

    Where there are many, those of the same profession come first, of these the nearest.
    """
    found: set[str] = set()
    for row_type, own in ((OfferRow, mine.needs), (NeedRow, mine.offers)):
        if not own:
            continue
        owner = getattr(row_type, whose)
        wanted = [each.profession for each in own if each.profession]
        rows = await session.execute(
            select(owner)
            .where(
                owner.is_not(None),
                col(row_type.status) == "open",
                col(row_type.opportunity).in_([each.opportunity.value for each in own]),
            )
            .order_by(
                col(row_type.profession).in_(wanted).is_not(True),
                col(row_type.district) != district,
                ~col(row_type.district).startswith(district[:4], autoescape=True),
                col(row_type.id),
            )
            .limit(LISTED)
        )
        found |= set(rows.scalars())
    return found
