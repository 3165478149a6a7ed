"""Reads and writes of what is released: rows of counts of persons, and what may be shown of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import partial
from operator import itemgetter
from typing import Any, Final

import numpy as np

from services.monitoring.domain.disclosure import Row
from services.monitoring.domain.measures import COLUMNS, GRADUATES_EMPLOYED, MEASURES, Kind
from services.monitoring.domain.periods import QUARTERS, SEPTEMBER, YEARS
from services.monitoring.domain.persons import BY_NUMBER, FAMILY_OF_SLOT, PERSON_SLOTS
from services.monitoring.domain.readings import SOURCE_OF_KIND, Employment
from services.monitoring.domain.totals import Rows
from shared.persistence.arrays import plain

Unit = tuple[int, int, int]
"""(place, number of a family, academic year): what is released at one time."""
LOCK = 0x72656C65617365  # one release at a time
MOST_AT_ONCE = 20_000
_SLOTS: Final = np.array(sorted(PERSON_SLOTS))


def _moved(column: str) -> str:
    # Who is counted in another month than before went down there and up here, and is one person.
    now, then = f"c.{column}", f"coalesce(h.{column}, 0)"
    ups, downs = (f"sum(greatest({one} - {other}, 0)) filter (where c.period < {QUARTERS})" for one, other in (
        (now, then), (then, now)
    ))  # fmt: skip
    return f"coalesce(greatest({ups}, {downs}), 0)::bigint"


def _moved_members(column: str) -> str:
    # Who is counted once in every month is one person however many these are: at least so many moved as did in any one
    # month, or in the year.
    return f"max(abs(c.{column} - coalesce(h.{column}, 0)))::bigint"


_PERIODS_OF_YEAR = ", ".join(f"u.first + {month}" for month in range(12))
_CHANGES = f"""
    select u.number, c.slot, {", ".join(_moved(f"v{column}") for column in range(COLUMNS))},
        {", ".join(_moved_members(f"v{column}") for column in range(COLUMNS))}
    from unnest($1::integer[], $2::integer[], $3::smallint[], $4::integer[]) as u(number, place, slot, first)
    join cell c on c.place = u.place and c.slot = u.slot
        and c.period = any(array[{_PERIODS_OF_YEAR}, {YEARS} + (u.first - {SEPTEMBER}) / 12])
    left join held h on h.place = c.place and h.slot = c.slot and h.period = c.period
    group by u.number, c.slot
"""  # noqa: S608 - constants
_COPIED = """
    on conflict (place, slot, period) do update set v0 = excluded.v0, v1 = excluded.v1, v2 = excluded.v2,
        v3 = excluded.v3, as_of = excluded.as_of
    where (held.v0, held.v1, held.v2, held.v3, held.as_of)
        <> (excluded.v0, excluded.v1, excluded.v2, excluded.v3, excluded.as_of)
"""
# With the counts, which events they are of: what cells do not count is read from those alone (comparison/breakdown.py).
_HOLD = f"""
    with noted as (
        insert into held_upto
        select u.place, (u.first - {SEPTEMBER}) / 12, i.position
        from unnest($1::integer[], $2::smallint[], $3::integer[]) as u(place, slot, first),
        lateral (select shard from aggregate where place = u.place and kind = {Employment.kind} limit 1) a
        join inbox i on i.source = '{SOURCE_OF_KIND[Employment.kind]}' and i.shard = a.shard
        where u.slot = {GRADUATES_EMPLOYED // COLUMNS}
        on conflict (place, year) do update set position = excluded.position
    )
    insert into held select c.*
    from unnest($1::integer[], $2::smallint[], $3::integer[]) as u(place, slot, first)
    join cell c on c.place = u.place and c.slot = u.slot and (c.period between u.first and u.first + 11
        or c.period between {QUARTERS} + (u.first + 1) / 3 and {QUARTERS} + (u.first + 1) / 3 + 2
        or c.period = {YEARS} + (u.first - {SEPTEMBER}) / 12)
    {_COPIED}
"""  # noqa: S608 - constants
# Quarters, fiscal years and rolling months of two academic years follow with either, or once nothing waits.
_HOLD_ACROSS = f"""
    insert into held select c.*
    from unnest($1::integer[], $2::smallint[]) as u(place, slot)
    join cell c on c.place = u.place and c.slot = u.slot and c.period >= {QUARTERS}
    {_COPIED}
"""  # noqa: S608 - constants
_WAITING = f"""
    select distinct u.number from unnest($1::integer[], $2::integer[], $3::smallint[]) as u(number, place, slot)
    join cell c on c.place = u.place and c.slot = u.slot and c.period < {QUARTERS}
    left join held h on h.place = c.place and h.slot = c.slot and h.period = c.period
    where (c.v0, c.v1, c.v2, c.v3) <> (coalesce(h.v0, 0), coalesce(h.v1, 0), coalesce(h.v2, 0), coalesce(h.v3, 0))
"""  # noqa: S608 - constants
# Each key is looked for by itself, in its order (`offset 0`): a plan that reads the table instead takes minutes.
_HELD, _COUNTED = (
    f"""
    select h.place, h.slot, h.period, h.v0, h.v1, h.v2, h.v3
    from unnest($1::text::integer[], $2::text::smallint[], $3::text::integer[]) as u(place, slot, first),
    lateral (
        select * from {table} h where h.place = u.place and h.slot = u.slot
            and h.period between u.first and u.first + 11
        union all
        select * from {table} h where h.place = u.place and h.slot = u.slot
            and h.period = {YEARS} + (u.first - {SEPTEMBER}) / 12
        offset 0
    ) h
    """  # noqa: S608 - constants
    for table in ("held", "cell")
)
_UPTO: Final = "select place, position from held_upto where place = any($1::integer[]) and year = $2"
_DISCLOSED = """
    select place, family, year, shown, opened, possible from disclosed
    where place = any($1::integer[]) and family = any($2::smallint[]) and year = any($3::smallint[])
"""
_SETTLED = """
    select d.place, d.family, d.year, shown, opened, nodes, possible, floor, bar
    from unnest($1::text::integer[], $2::text::smallint[], $3::text::smallint[]) as u(place, family, year),
    lateral (
        select * from disclosed d where d.place = u.place and d.family = u.family and d.year = u.year offset 0
    ) d
"""
_SHOWN_AFTER = """
    select place, family, year from disclosed
    where (place, family, year) > ($1::integer, $2::smallint, $3::smallint) and nodes & 1 = 1
    order by place, family, year limit $4
"""
_SETTLE = """
    insert into disclosed (place, family, year, shown, opened, nodes, possible, floor, bar)
    select * from unnest($1::text::integer[], $2::text::smallint[], $3::text::smallint[], $4::text::bigint[],
        $5::text::smallint[], $6::text::integer[], $7::text::smallint[], $8::text::integer[], $9::text::integer[])
    on conflict (place, family, year) do update set shown = excluded.shown, opened = excluded.opened,
        nodes = excluded.nodes, possible = excluded.possible, floor = excluded.floor,
        bar = excluded.bar
"""
# One row more each time something is counted: who counts never waits for who releases.
_NOTE = "insert into unreleased select * from unnest($1::text::integer[], $2::text::smallint[], $3::text::smallint[])"
_TAKE = """
    delete from unreleased where ctid = any(array(select ctid from unreleased limit $1))
    returning place, family, year
"""

_NOTE_ALL: Final = f"""
    insert into unreleased
    select distinct c.place, f.family, (c.period - {SEPTEMBER}) / 12
    from cell c join (values {", ".join(f"({slot}, {family.number})" for slot, family in FAMILY_OF_SLOT.items())})
        as f(slot, family) using (slot)
    where c.period < {QUARTERS}
"""  # noqa: S608 - constants
# A rebuild makes no row where all that was ever counted was taken back: what is released must find a zero to follow.
_EMPTIED: Final = """
    insert into cell (place, slot, period, v0, v1, v2, v3, as_of)
    select h.place, h.slot, h.period, 0, 0, 0, 0, h.as_of from held h
    where not exists (select from cell c where c.place = h.place and c.slot = h.slot and c.period = h.period)
    on conflict do nothing
"""
EVERYTHING: Final[Unit] = (0, 0, 0)
NOTE_EVERYTHING: Final = "insert into unreleased values (0, 0, 0)"
"""After a rebuild: whatever is counted otherwise now is released by and by."""

Settled = tuple[int, int, int, int, int, int]
"""(segments shown, divisions told, what those above allow, months possible, floor, bar) as they are stored."""
NOTHING: Final[Settled] = (0, 0, 0, 0, 0, 0)


def first_month(year: int) -> int:
    """September of an academic year."""
    return year * 12 + SEPTEMBER


def units_of(rows: Rows) -> set[Unit]:
    """The units in whose months the rows are."""
    counted = np.isin(rows.slots, _SLOTS) & (rows.periods < QUARTERS)
    columns = (rows.places[counted], rows.slots[counted], (rows.periods[counted] - SEPTEMBER) // 12)
    return {
        (place, FAMILY_OF_SLOT[slot].number, year)
        for place, slot, year in zip(*(column.tolist() for column in columns), strict=True)
    }


async def note(connection: Any, units: Collection[Unit]) -> None:
    """Leave units to whoever releases next."""
    if units:
        await connection.execute(_NOTE, *map(plain, zip(*units, strict=True)))


async def take(connection: Any, most: int = MOST_AT_ONCE) -> set[Unit]:
    """Units that were left, out of the list."""
    units: set[Unit] = {tuple(row) for row in await connection.fetch(_TAKE, most)}
    if EVERYTHING not in units:
        return units
    await connection.execute(_EMPTIED)
    await connection.execute(_NOTE_ALL)
    return units - {EVERYTHING} or await take(connection, most)


async def changes(connection: Any, units: Sequence[Unit]) -> list[int]:
    """How many persons of each unit are counted otherwise than was released, by the measure that moved most."""
    keys = [
        (number, place, slot, first_month(year))
        for number, (place, family, year) in enumerate(units)
        for slot in sorted(BY_NUMBER[family].slots)
    ]
    found = [0] * len(units)
    for number, slot, *moved in await connection.fetch(_CHANGES, *map(list, zip(*keys, strict=True))):
        persons = BY_NUMBER[units[number][1]].measures
        for column in range(COLUMNS):
            measure = slot * COLUMNS + column
            if measure in persons:
                members = MEASURES[measure].kind is Kind.SET_FLOW
                found[number] = max(found[number], moved[COLUMNS + column if members else column])
    return found


async def hold(connection: Any, units: Sequence[Unit], moved: Collection[Unit]) -> None:
    """Release everything there is of the units; of those that have `moved` many persons are counted otherwise."""
    keys = [(place, slot, first_month(year)) for place, family, year in units for slot in BY_NUMBER[family].slots]
    if not keys:
        return
    await connection.execute(_HOLD, *map(list, zip(*sorted(keys), strict=True)))
    sides = sorted({(place, family) for place, family, _ in units})
    wide = [(number, place, slot) for number, (place, family) in enumerate(sides) for slot in BY_NUMBER[family].slots]
    waiting = {row["number"] for row in await connection.fetch(_WAITING, *map(list, zip(*wide, strict=True)))}
    follow = {(place, family) for place, family, _ in moved}
    across = sorted((place, slot) for number, place, slot in wide if number not in waiting or sides[number] in follow)
    if across:
        await connection.execute(_HOLD_ACROSS, *map(list, zip(*across, strict=True)))


async def rows(connection: Any, units: Collection[Unit], *, counted: bool = False) -> dict[Unit, Row]:
    """What was released of the units, or what was `counted`."""
    stored: dict[Unit, dict[tuple[int, int], tuple[int, ...]]] = defaultdict(dict)
    keys = [(place, slot, first_month(year)) for place, family, year in units for slot in BY_NUMBER[family].slots]
    if keys:
        query = _COUNTED if counted else _HELD
        for place, slot, period, *amounts in await connection.fetch(query, *map(plain, zip(*keys, strict=True))):
            year = period - YEARS if period >= YEARS else (period - SEPTEMBER) // 12
            stored[place, FAMILY_OF_SLOT[slot].number, year][slot, period] = tuple(amounts)
    return {unit: _row(unit, stored.get(unit)) for unit in units}


def _row(unit: Unit, stored: Mapping[tuple[int, int], tuple[int, ...]] | None) -> Row:
    place, number, year = unit
    family, first = BY_NUMBER[number], first_month(year)
    if not stored:
        return Row(place, divisions=_NOBODY[number], beside=family.beside)

    def at(measure: int, period: int) -> int:
        row = stored.get((measure // COLUMNS, period))
        return row[measure % COLUMNS] if row else 0

    def in_year(measure: int) -> int:
        if MEASURES[measure].kind is Kind.SET_FLOW:
            return int(at(measure, YEARS + year))
        return sum(at(measure, month) for month in range(first, first + 12))

    whole = family.persons(in_year)
    return Row(
        place,
        whole,
        # Where years alone are told of, when in the year it was makes no difference.
        (whole, *(0,) * 11)
        if family.yearly
        else tuple(family.persons(partial(at, period=month)) for month in range(first, first + 12)),
        tuple(tuple(part(in_year) for part in parts) for parts in family.divisions),
        family.beside,
    )


_NOBODY: Final = {
    number: tuple((0,) * len(parts) for parts in family.divisions) for number, family in BY_NUMBER.items()
}


async def shown_after(connection: Any, after: Unit, most: int) -> list[Unit]:
    """The next units that those above allow to be shown, in order."""
    return [tuple(row) for row in await connection.fetch(_SHOWN_AFTER, *after, most)]


async def hidden_on(connection: Any, day: date) -> bool:
    """Whether on this day what has become few was hidden."""
    return bool(await connection.fetchval("select true from hidden_day where day = $1", day))


async def note_hidden(connection: Any, day: date) -> None:
    """On this day what has become few was hidden."""
    await connection.execute("delete from hidden_day where day < $1", day)
    await connection.execute("insert into hidden_day values ($1) on conflict do nothing", day)


async def settled(connection: Any, units: Collection[Unit]) -> dict[Unit, Settled]:
    """What was settled of the units before."""
    if not units:
        return {}
    found = await connection.fetch(_SETTLED, *map(plain, zip(*units, strict=True)))
    return {(place, family, year): tuple(rest) for place, family, year, *rest in found}


async def settle(connection: Any, changed: Mapping[Unit, Row]) -> None:
    """Keep what is settled of the units."""
    if not changed:
        return
    columns = [
        (*unit, row.shown, row.told, row.nodes, row.possible, row.floor, row.bar)
        for unit, row in sorted(changed.items(), key=itemgetter(0))
    ]
    await connection.execute(_SETTLE, *map(plain, zip(*columns, strict=True)))


async def upto(connection: Any, places: Sequence[int], year: int) -> dict[int, int]:
    """By institution: the last event about employment that the graduates released of a year count.

    It is a position in the one log in which an institution's employment is told; without one nothing was released.
    """
    return dict(await connection.fetch(_UPTO, list(places), year))


async def disclosed(
    connection: Any, places: Sequence[int], families: Collection[int], years: Collection[int]
) -> dict[Unit, tuple[int, int, int]]:
    """(segments shown, divisions opened, months possible) by unit, as far as the connection's scope sees."""
    found = await connection.fetch(_DISCLOSED, list(places), sorted(families), sorted(years))
    return {(place, family, year): tuple(rest) for place, family, year, *rest in found}
