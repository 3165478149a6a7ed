"""What refers to a member that institutions share is kept by places: what it costs does not grow with where it is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from services.monitoring.domain.expansion import Membership
from services.monitoring.domain.periods import month_of
from services.monitoring.tables import digest, digest_at

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LASTING, DATED = (80,), (90, 278)
"""Measures that enterprises are members of: with an agreement; that employ, that sent an examiner."""
FAMILIES = (*LASTING, *DATED)
PAGE = 2_000

_decode = msgspec.msgpack.Decoder(dict[tuple[int, int, int], int]).decode
_decode_contributions = msgspec.msgpack.Decoder(dict[tuple[int, int, str | None], int]).decode
_ASIDE = f"""
    create temporary table shared_before on commit drop as
    select row_number() over () as number, family, member, refs from member where family in {FAMILIES}
"""  # noqa: S608 - constants
_INSERT = sa.text(
    "insert into member (family, member, refs) "
    "select * from unnest(cast(:families as smallint[]), cast(:members as bytea[]), cast(:refs as bytea[])) "
    "on conflict (family, member) do nothing"
)


def upgrade() -> None:
    """Divide what there is; a rebuild that is under way begins anew."""
    connection = op.get_bind()
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute("select rebuild_drop()")
    op.execute("delete from rebuild")
    op.execute(_ASIDE)
    op.execute("create unique index on shared_before (number)")
    op.execute(f"delete from member where family in {FAMILIES}")  # noqa: S608 - constants
    memberships = _memberships(connection)
    for rows in _pages(connection, "select number, family, member, refs from shared_before"):
        divided: list[tuple[int, bytes, bytes]] = []
        for _, family, member, refs in rows:
            divided += (
                (family, digest_at(bytes(member), place), _encode(amounts))
                for place, amounts in _by_place(_decode(refs), memberships).items()
            )
        _insert(connection, divided)


def downgrade() -> None:
    """Unite it again, from what the aggregates contribute: the rows do not name their members."""
    connection = op.get_bind()
    op.execute("select set_config('app.scope', 'all', true)")
    op.execute("select rebuild_drop()")
    op.execute("delete from rebuild")
    op.execute(f"delete from member where family in {FAMILIES}")  # noqa: S608 - constants
    op.execute(
        "create temporary table contributed on commit drop as "
        "select row_number() over () as number, place, contributions from aggregate"
    )
    op.execute("create unique index on contributed (number)")
    united: dict[tuple[int, str], dict[tuple[int, int, int], int]] = defaultdict(lambda: defaultdict(int))
    for rows in _pages(connection, "select number, place, contributions from contributed"):
        for _, place, contributions in rows:
            for (measure, month, member), amount in _decode_contributions(contributions).items():
                if measure in FAMILIES and member is not None:
                    united[measure, member][measure, place, month] += amount
    _insert(connection, [(family, digest(member), _encode(refs)) for (family, member), refs in united.items()])


def _pages(connection: sa.Connection, query: str) -> Iterator[list[Any]]:
    number = 0
    page = sa.text(f"{query} where number > :number order by number limit {PAGE}")
    while rows := connection.execute(page, {"number": number}).all():
        yield list(rows)
        number = rows[-1].number


def _insert(connection: sa.Connection, rows: list[tuple[int, bytes, bytes]]) -> None:
    for start in range(0, len(rows), PAGE):
        families, members, refs = map(list, zip(*rows[start : start + PAGE], strict=True))
        connection.execute(_INSERT, {"families": families, "members": members, "refs": refs})


def _encode(amounts: dict[tuple[int, int, int], int]) -> bytes:
    return msgspec.msgpack.encode({key: amount for key, amount in amounts.items() if amount})


def _by_place(
    refs: dict[tuple[int, int, int], int], memberships: dict[int, Membership]
) -> dict[int, dict[tuple[int, int, int], int]]:
    """References at institutions, and at everything above them, by place."""
    found: dict[int, dict[tuple[int, int, int], int]] = defaultdict(lambda: defaultdict(int))
    nowhere = Membership(())
    for (measure, institution, month), amount in refs.items():
        found[institution][measure, institution, month] += amount
        membership = memberships.get(institution, nowhere)
        above: Iterable[tuple[int, int, int]] = (
            membership.stock(month) if measure in LASTING else [(place, month, 1) for place in membership.at(month)]
        )
        for place, at, sign in above:
            found[place][measure, place, at] += sign * amount
    return found


def _memberships(connection: sa.Connection) -> dict[int, Membership]:
    """The chains above the institutions over time."""
    places = connection.execute(sa.text("select id, code, level, parent, memberships from place")).all()
    ids = {place.code: place.id for place in places}
    parents = {place.code: place.parent for place in places}

    def chain(code: str | None) -> tuple[int, ...]:
        found: list[int] = []
        while code in ids and ids[code] not in found:
            found.append(ids[code])
            code = parents[code]
        return tuple(found)

    return {
        place.id: Membership(
            [(month_of(date.fromisoformat(since)), chain(district)) for district, since in place.memberships]
        )
        for place in places
        if place.level == 3 and place.memberships
    }
