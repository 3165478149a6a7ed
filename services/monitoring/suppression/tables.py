"""Reads and writes of what is released: rows of counts of persons, and what may be shown of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from services.monitoring.domain.disclosure import Row
from services.monitoring.domain.measures import COLUMNS, MEASURES, Kind
from services.monitoring.domain.periods import QUARTERS, SEPTEMBER, YEARS
from services.monitoring.domain.persons import BY_NUMBER, FAMILY_OF_SLOT, PERSON_SLOTS, Family
from services.monitoring.domain.totals import Rows

Unit = tuple[int, int, int]
"""(place, number of a family, academic year): what is released at one time."""
LOCK = 0x72656C65617365  # one release at a time
MOST_AT_ONCE = 4000
_SLOTS: Final = np.array(sorted(PERSON_SLOTS))

_CHANGES = f"""
    select u.number, c.slot, sum(abs(c.v0 - coalesce(h.v0, 0)))::bigint, sum(abs(c.v1 - coalesce(h.v1, 0)))::bigint,
        sum(abs(c.v2 - coalesce(h.v2, 0)))::bigint, sum(abs(c.v3 - coalesce(h.v3, 0)))::bigint
    from unnest($1::integer[], $2::integer[], $3::smallint[], $4::integer[]) as u(number, place, slot, first)
    join cell c on c.place = u.place and c.slot = u.slot and c.period between u.first and u.first + 11
    left join held h on h.place = c.place and h.slot = c.slot and h.period = c.period
    where c.period < {QUARTERS}
    group by u.number, c.slot
"""  # noqa: S608 - constants
_COPIED = """
    on conflict (place, slot, period) do update set v0 = excluded.v0, v1 = excluded.v1, v2 = excluded.v2,
        v3 = excluded.v3, as_of = excluded.as_of
    where (held.v0, held.v1, held.v2, held.v3, held.as_of)
        <> (excluded.v0, excluded.v1, excluded.v2, excluded.v3, excluded.as_of)
"""
_HOLD = f"""
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
_HELD = """
    select place, slot, period, v0, v1, v2, v3 from held
    where place = any($1::integer[]) and slot = any($2::smallint[])
      and (period between $3 and $3 + 11 or period = $4)
"""
_DISCLOSED = """
    select place, family, year, shown, opened, possible from disclosed
    where place = any($1::integer[]) and family = any($2::smallint[]) and year = any($3::smallint[])
"""
_SETTLED = """
    select place, shown, opened, nodes, possible, floor, bar from disclosed
    where place = any($1::integer[]) and family = $2 and year = $3
"""
_SETTLE = """
    insert into disclosed
    select new.place, $2, $3, new.shown, new.opened, new.nodes, new.possible, new.floor, new.bar
    from unnest($1::integer[], $4::bigint[], $5::smallint[], $6::integer[], $7::smallint[], $8::integer[],
        $9::integer[]) as new(place, shown, opened, nodes, possible, floor, bar)
    on conflict (place, family, year) do update set shown = excluded.shown, opened = excluded.opened,
        nodes = excluded.nodes, possible = excluded.possible, floor = excluded.floor,
        bar = excluded.bar
"""
_NOTE = """
    insert into unreleased select * from unnest($1::integer[], $2::smallint[], $3::smallint[])
    on conflict do nothing
"""
_TAKE = """
    delete from unreleased where ctid = any(array(select ctid from unreleased limit $1))
    returning place, family, year
"""

_NOTE_ALL: Final = f"""
    insert into unreleased
    select distinct c.place, f.family, (c.period - {SEPTEMBER}) / 12
    from cell c join (values {", ".join(f"({slot}, {family.number})" for slot, family in FAMILY_OF_SLOT.items())})
        as f(slot, family) using (slot)
    where c.period < {QUARTERS} on conflict do nothing
"""  # noqa: S608 - constants
EVERYTHING: Final[Unit] = (0, 0, 0)
NOTE_EVERYTHING: Final = "insert into unreleased values (0, 0, 0) on conflict do nothing"
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


async def note(connection: Any, units: Iterable[Unit]) -> None:
    """Leave units to whoever releases next."""
    ordered = sorted(units)
    if ordered:
        await connection.execute(_NOTE, *map(list, zip(*ordered, strict=True)))


async def take(connection: Any, most: int = MOST_AT_ONCE) -> list[Unit]:
    """Units that were left, out of the list."""
    units: list[Unit] = [tuple(row) for row in await connection.fetch(_TAKE, most)]
    if EVERYTHING not in units:
        return units
    await connection.execute(_NOTE_ALL)
    return [unit for unit in units if unit != EVERYTHING] or await take(connection, most)


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
        counted = (each for column, each in enumerate(moved) if slot * COLUMNS + column in persons)
        found[number] = max(found[number], *counted, 0)
    return found


async def hold(connection: Any, units: Sequence[Unit], moved: Collection[int]) -> None:
    """Release everything there is of the units; at the `moved` places many persons are counted otherwise."""
    keys = [(place, slot, first_month(year)) for place, family, year in units for slot in BY_NUMBER[family].slots]
    if not keys:
        return
    await connection.execute(_HOLD, *map(list, zip(*sorted(keys), strict=True)))
    sides = sorted({(place, family) for place, family, _ in units})
    wide = [(number, place, slot) for number, (place, family) in enumerate(sides) for slot in BY_NUMBER[family].slots]
    waiting = {row["number"] for row in await connection.fetch(_WAITING, *map(list, zip(*wide, strict=True)))}
    across = sorted((place, slot) for number, place, slot in wide if place in moved or number not in waiting)
    if across:
        await connection.execute(_HOLD_ACROSS, *map(list, zip(*across, strict=True)))


async def rows(connection: Any, family: Family, year: int, places: Collection[int]) -> dict[int, Row]:
    """What was released of a family in a year at places."""
    first = first_month(year)
    stored: dict[int, dict[tuple[int, int], tuple[int, ...]]] = defaultdict(dict)
    for place, slot, period, *amounts in await connection.fetch(
        _HELD, list(places), sorted(family.slots), first, YEARS + year
    ):
        stored[place][slot, period] = tuple(amounts)
    found = {}
    nobody = tuple((0,) * len(parts) for parts in family.divisions)
    for place in places:
        own = stored.get(place)
        if not own:
            found[place] = Row(place, divisions=nobody, beside=family.beside)
            continue

        def at(measure: int, period: int, own: Mapping[tuple[int, int], tuple[int, ...]] = own) -> int:
            row = own.get((measure // COLUMNS, period))
            return row[measure % COLUMNS] if row else 0

        def in_year(measure: int, at: Any = at) -> int:
            if MEASURES[measure].kind is Kind.SET_FLOW:
                return int(at(measure, YEARS + year))
            return sum(at(measure, month) for month in range(first, first + 12))

        whole = family.persons(in_year)
        found[place] = Row(
            place,
            whole,
            # Where years alone are told of, when in the year it was makes no difference.
            (whole, *(0,) * 11)
            if family.yearly
            else tuple(family.persons(partial(at, period=month)) for month in range(first, first + 12)),
            tuple(tuple(part(in_year) for part in parts) for parts in family.divisions),
            family.beside,
        )
    return found


async def settled(connection: Any, family: int, year: int, places: Collection[int]) -> dict[int, Settled]:
    """What was settled of places before."""
    return {place: tuple(rest) for place, *rest in await connection.fetch(_SETTLED, list(places), family, year)}


async def settle(connection: Any, family: int, year: int, changed: Sequence[Row]) -> None:
    """Keep what is settled of places."""
    if not changed:
        return
    kept = sorted(changed, key=lambda row: row.place)
    columns = [(row.place, row.shown, row.told, row.nodes, row.possible, row.floor, row.bar) for row in kept]
    places, *rest = map(list, zip(*columns, strict=True))
    await connection.execute(_SETTLE, places, family, year, *rest)


async def disclosed(
    connection: Any, places: Sequence[int], families: Collection[int], years: Collection[int]
) -> dict[Unit, tuple[int, int, int]]:
    """(segments shown, divisions opened, months possible) by unit, as far as the connection's scope sees."""
    found = await connection.fetch(_DISCLOSED, list(places), sorted(families), sorted(years))
    return {(place, family, year): tuple(rest) for place, family, year, *rest in found}
