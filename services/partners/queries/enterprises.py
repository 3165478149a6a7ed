"""The national enterprise register searched: by the beginning of a STIR, or by words of a name in any script and order.

Measured on 500,000 enterprises (tests/bench/enterprise_register.py), what it took:
- Trigrams over whole names (`key %> q`) read the posting lists of every trigram of the question, most of them in a
  tenth of all names: 80–300 ms. Names are made of few different words: their vocabulary is looked through by trigrams
  instead, and names are found by whole words.
- Neither @> nor && nor % nor LIKE is leakproof: under row-level security by a function none of their indexes is used,
  and every question reads the whole table (400 ms). See migration 0002.
- One GIN index over words and codes together (`terms`) answers name, place, sector, size and status in one index scan:
      Limit  ->  Bitmap Heap Scan on enterprise  (Recheck Cond: terms @> … AND terms && …)
                   ->  Bitmap Index Scan on enterprise_terms
  A B-tree per filter cannot be combined with words without reading the heap; a sort by name would read all that match.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.domain.names import likeness, score, words_of
from services.partners.tables.registers import EnterpriseRow
from shared.contracts.partners import EnterpriseStatus
from shared.contracts.vocabulary import EnterpriseSize
from shared.persistence.pages import page_of_states
from shared.scope import Scope

Page = tuple[list[dict[str, Any]], str | None]

_id = col(EnterpriseRow.id)
CANDIDATES = 300
"""Names weighed for one question; more than that have the same words, and nobody reads so far."""
ALIKE = 25
"""Words of the vocabulary that a word which was asked for may mean."""

# Both conditions by index: trigrams (pg_trgm's usual threshold, 0.3) and the beginning.
_ALIKE = text(
    "(select distinct word from enterprise_word where word like :beginning order by word limit :limit) union "
    "(select word from (select distinct word, similarity(word, :asked) as how from enterprise_word "
    "where word % :asked) near order by how desc, word limit :limit)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the register is narrowed by; `district` is any territory code below the nation."""

    district: str | None = None
    isic_section: str | None = None
    size: EnterpriseSize | None = None
    status: EnterpriseStatus | None = None

    @property
    def terms(self) -> list[str]:
        """The terms that an enterprise must have."""
        given = {"place": self.district, "isic": self.isic_section, "size": self.size, "status": self.status}
        return [f"{name}:{value}" for name, value in given.items() if value is not None]


async def enterprises(
    session: AsyncSession, scope: Scope, asked: Asked, *, stir: str | None, after: str | None, limit: int
) -> Page:
    """Enterprises by id, page by page; `stir` names one."""
    query = select(EnterpriseRow).where(EnterpriseRow.visible(scope))
    if stir:
        query = query.where(col(EnterpriseRow.stir) == stir)
    if asked.terms:
        query = query.where(col(EnterpriseRow.terms).contains(asked.terms))
    return await page_of_states(
        session, query, by=(col(EnterpriseRow.id),), names=("id",), after=after, limit=limit, scope=scope
    )


async def search(session: AsyncSession, scope: Scope, q: str, asked: Asked, limit: int) -> list[dict[str, Any]]:
    """The enterprises that answer `q` best, best first; the order is the same whenever it is asked."""
    if scope.kind == "none":
        return []
    if q.strip().isdigit():
        return await _by_stir(session, q.strip(), asked, limit)
    words = words_of(q)
    if not words:
        return []
    found = await _with_words(session, [[word] for word in words], asked)
    if len(found) < limit:
        alike = [await _alike(session, word) for word in words]
        if all(alike):
            found |= await _with_words(session, alike, asked)
        if not found and any(alike):
            # One of the words may be wrong altogether: the others still say something.
            found = await _with_words(session, [[each for group in alike for each in group]], asked)
    weigh = cache(likeness)  # the same few words in hundreds of names
    ranked = sorted(found.values(), key=lambda row: (-score(words, _words(row.terms), weigh), row.name, row.id))
    best = [row.id for row in ranked[:limit]]
    rows = await session.execute(select(col(EnterpriseRow.id), col(EnterpriseRow.state)).where(_id.in_(best)))
    states = {row.id: row.state for row in rows}
    return [states[id_] for id_ in best if id_ in states]


def _words(terms: Iterable[str]) -> list[str]:
    return [term for term in terms if ":" not in term]


async def _by_stir(session: AsyncSession, digits: str, asked: Asked, limit: int) -> list[dict[str, Any]]:
    query = select(EnterpriseRow).where(col(EnterpriseRow.stir).startswith(digits, autoescape=True))
    if asked.terms:
        query = query.where(col(EnterpriseRow.terms).contains(asked.terms))
    rows = await session.execute(query.order_by(col(EnterpriseRow.stir)).limit(limit))
    return [row.state for row in rows.scalars()]


async def _alike(session: AsyncSession, asked: str) -> list[str]:
    """The words of the vocabulary that `asked` may mean, likeliest first."""
    beginning = asked.replace("\\", "") + "%"
    rows = await session.execute(_ALIKE, {"asked": asked, "beginning": beginning, "limit": ALIKE * 2})
    near = sorted((-likeness(asked, word), word) for word in rows.scalars())
    return [word for how, word in near if how < 0][:ALIKE]


async def _with_words(session: AsyncSession, groups: list[list[str]], asked: Asked) -> dict[str, Any]:
    """Enterprises that have a word of every group, and all that is asked."""
    terms: Any = col(EnterpriseRow.terms)  # an array, which its type does not say
    query = select(_id, col(EnterpriseRow.name), terms)
    must: Collection[str] = asked.terms + [group[0] for group in groups if len(group) == 1]
    if must:
        query = query.where(terms.contains(must))
    for group in groups:
        if len(group) > 1:
            query = query.where(terms.overlap(group))
    rows = await session.execute(query.limit(CANDIDATES))
    return {row.id: row for row in rows}
