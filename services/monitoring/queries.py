"""How much, since when, and why: reads of values, series and the contributions behind them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from services.monitoring import archive
from services.monitoring.directory import Directory, below
from services.monitoring.domain.definitions import fed_by
from services.monitoring.domain.disclosure import EVERY_DIVISION, divisions, segments
from services.monitoring.domain.formulas import Indicator, Privacy, Window
from services.monitoring.domain.gates import FIRST_EVIDENCE
from services.monitoring.domain.measures import COLUMNS, MEASURES, STEP_COLUMN, Kind
from services.monitoring.domain.parts import Contributions, first_day, month_of_ordinal
from services.monitoring.domain.periods import YEARS, Period, PeriodKind, period_at
from services.monitoring.domain.persons import FAMILY_OF_SLOT, HELD_SLOTS, KINDS_OF_PERSONS, family_of
from services.monitoring.domain.readings import KIND_NAMES, SOURCE_OF_KIND, Institution
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.domain.values import CLOSED, UNKNOWN, Openness, Value, value_of
from services.monitoring.suppression.tables import disclosed
from services.monitoring.tables import SOURCES, contributions_from, positions_from
from shared.contracts.events import SERVICES
from shared.scope import Principal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMS = range(7)
_STOCK, _FLOW, _EXACT, _RELEASED, _PRESENT, _HELD, _HELD_EXACT = FORMS
_STOCK_YEARS = len(FORMS)
"""The second part of reading stocks."""
_COUNTED = (_HELD, _HELD_EXACT, _RELEASED)

_WITHIN = "between {first}::integer and {last}::integer"
_SINCE = "between {since}::integer and {code}::integer"
_AT = "= {code}::integer"


def _amounts(form: int, table: str, slots: str, period: str) -> str:
    """What a form reads of a table at several places, summed."""
    return f"""
        select {form}, place, slot, sum(v0)::bigint, sum(v1)::bigint, sum(v2)::bigint, sum(v3)::bigint, max(as_of)
        from {table}
        where place = any({{places}}::integer[]) and slot = any({{{slots}}}::smallint[]) and period {period}
        group by place, slot
    """  # noqa: S608 - constants


def _points(form: int, table: str, slots: str, period: str) -> str:
    """What a form reads of a table at one place, period by period."""
    return f"""
        select {form}, slot, period, v0, v1, v2, v3
        from {table} where place = {{place}}::integer and slot = any({{{slots}}}::smallint[]) and period {period}
    """  # noqa: S608 - constants


# Stocks up to a month: the changes of the academic years before its own, of each the sum, and of the months since then.
_AMOUNTS = {
    _STOCK: _amounts(_STOCK, "cell", "stocks", "between {september}::integer and {until}::integer"),
    _STOCK_YEARS: _amounts(_STOCK, "cell", "stocks", f"between {YEARS} and {{year_before}}::integer"),
    _FLOW: _amounts(_FLOW, "cell", "flows", _WITHIN),
    _EXACT: _amounts(_EXACT, "cell", "exact", _SINCE),
    _RELEASED: _amounts(_RELEASED, "released", "released", _AT),
    _PRESENT: _amounts(_PRESENT, "cell", "released", _AT),
    # Counts of persons, as they were released (suppression/).
    _HELD: _amounts(_HELD, "held", "held", _WITHIN),
    _HELD_EXACT: _amounts(_HELD_EXACT, "held", "held_exact", _SINCE),
}
_PERIODS = "between {first_code}::integer and {code}::integer"
_SERIES = {
    _STOCK: _points(_STOCK, "cell", "stocks", "between {september}::integer and {last}::integer"),
    _STOCK_YEARS: f"""
        select {_STOCK}, slot, {{september}}::integer, sum(v0)::bigint, sum(v1)::bigint, sum(v2)::bigint,
            sum(v3)::bigint
        from cell where place = {{place}}::integer and slot = any({{stocks}}::smallint[])
            and period between {YEARS} and {{year_before}}::integer
        group by slot
    """,  # noqa: S608 - constants
    _FLOW: _points(_FLOW, "cell", "flows", _WITHIN),
    _EXACT: _points(_EXACT, "cell", "exact", _SINCE),
    _RELEASED: _points(_RELEASED, "released", "released", _PERIODS),
    _PRESENT: _points(_PRESENT, "cell", "released", _PERIODS),
    _HELD: _points(_HELD, "held", "held", _WITHIN),
    _HELD_EXACT: _points(_HELD_EXACT, "held", "held_exact", _SINCE),
}
_SLOTS = {
    _STOCK: "stocks",
    _STOCK_YEARS: "stocks",
    _FLOW: "flows",
    _EXACT: "exact",
    _RELEASED: "released",
    _PRESENT: "released",
    _HELD: "held",
    _HELD_EXACT: "held_exact",
}
_AGGREGATES = """
    select place, kind, id, version, shard, contributions, positions from aggregate
    where place = any($1::integer[]) and kind = any($2::smallint[]) and (place, kind, id) > ($3, $4::smallint, $5::uuid)
    order by place, kind, id limit $6
"""
# Each is looked for by its key, whatever the planner may think of the scope's costs: else it would read the whole log.
_EVENTS = """
    select key.source, key.shard, key.position, e.id, t.name, e.time
    from unnest($1::smallint[], $2::smallint[], $3::bigint[]) as key(source, shard, position),
    lateral (
        select id, type, time from event_seen e
        where e.source = key.source and e.shard = key.shard and e.position = key.position offset 0
    ) e join event_type t on t.id = e.type
"""

Row = tuple[int, ...]


@dataclass(slots=True)
class Amounts:
    """The amounts at one place in one period: cell rows by (form of reading, slot)."""

    rows: dict[tuple[int, int], Row] = field(default_factory=dict)
    as_of: int = 0
    openness: dict[int, Openness] = field(default_factory=dict)
    """What may be shown of each family of persons (by its number) that was asked for."""

    def __call__(self, measure: int) -> int:
        """The amount of a measure."""
        where, column = _WHERE[measure]
        row = self.rows.get(where)
        return row[column] if row else 0

    def add(self, form: int, slot: int, row: Row) -> None:
        """Add to a row."""
        before = self.rows.get((form, slot))
        self.rows[form, slot] = _plus(before, row) if before else row

    @property
    def withheld(self) -> bool:
        """Whether there are responses, none of which may be shown yet."""
        return any(
            form == _PRESENT and row[STEP_COLUMN] > 0 and (_RELEASED, slot) not in self.rows
            for (form, slot), row in self.rows.items()
        )


def _form(measure: int) -> int:
    known = MEASURES[measure]
    if known.stepped:
        return _RELEASED
    if known.slot in HELD_SLOTS:
        return _HELD if known.kind is Kind.FLOW else _HELD_EXACT
    return {Kind.FLOW: _FLOW, Kind.SET_FLOW: _EXACT}.get(known.kind, _STOCK)


_WHERE = {measure: ((_form(measure), measure // COLUMNS), measure % COLUMNS) for measure in MEASURES}
"""The row that a measure is found in, and its column."""


def slots_of(measures: Iterable[int]) -> dict[int, list[int]]:
    """Slots to read by form of reading."""
    found: dict[int, set[int]] = {form: set() for form in FORMS}
    for measure in measures:
        form, slot = _WHERE[measure][0]
        found[form].add(slot)
    return {form: sorted(slots) for form, slots in found.items()}


def end_of(period: Period, this_month: int) -> int:
    """The month at whose end stocks are read: the period's last, or the present one while the period lasts."""
    return min(period.last, this_month) if period.first <= this_month else period.last


def _years_before(month: int) -> dict[str, int]:
    """Where sums of stocks up to a month change from years to months."""
    year = period_at(PeriodKind.ACADEMIC_YEAR, month)
    return {"september": year.first, "year_before": year.code - 1}


class _Numbered(dict[str, str]):
    """Names of parameters to their numbers, in the order in which a statement asks for them."""

    def __missing__(self, name: str) -> str:
        self[name] = number = f"${len(self) + 1}"
        return number


async def _union(
    connection: Any, parts: Mapping[int, str], slots: Mapping[int, list[int]], **parameters: Any
) -> list[Any]:
    """The rows of those parts of a union that have slots to read: the others would cost planning alone."""
    parameters |= {_SLOTS[form]: slots[form] for form in FORMS if form != _PRESENT}
    wanted = [part for form, part in parts.items() if parameters[_SLOTS[form]]]
    if not wanted:
        return []
    numbered = _Numbered()
    statement = " union all ".join(part.format_map(numbered) for part in wanted)
    rows: list[Any] = await connection.fetch(statement, *(parameters[name] for name in numbered))
    return rows


async def amounts_at(
    connection: Any, measures: Iterable[int], places: Sequence[int], period: Period, until: int
) -> dict[int, Amounts]:
    """The measures' amounts at each of the places in the period; stocks at the end of month `until`."""
    slots = slots_of(measures)
    rows = await _union(
        connection,
        _AMOUNTS,
        slots,
        places=list(places),
        until=until,
        **_years_before(until),
        first=period.first,
        last=period.last,
        since=period.since,
        code=period.code,
    )
    found = {place: Amounts() for place in places}
    for form, place, slot, *row, as_of in rows:
        amounts = found[place]
        amounts.add(form, slot, tuple(row))
        if form != _PRESENT:
            amounts.as_of = max(amounts.as_of, as_of)
    counted = [slots[form] for form in _COUNTED]
    if any(counted):
        for (place, _), openness in (await _openness(connection, places, counted, [period])).items():
            found[place].openness = openness
    return found


async def _openness(
    connection: Any, places: Sequence[int], slots: Iterable[Sequence[int]], periods: Sequence[Period]
) -> dict[tuple[int, str], dict[int, Openness]]:
    """What may be shown of the families in these slots, by place and period's text."""
    families = {FAMILY_OF_SLOT[slot].number for each in slots for slot in each}
    years = {year for period in periods for year, _, _ in segments(period)}
    rows = await disclosed(connection, places, families, years)
    found: dict[tuple[int, str], dict[int, Openness]] = {}
    for period in periods:
        parts = segments(period)
        for place in places:
            own = found[place, period.text] = {}
            for family in families:
                value, opened = True, EVERY_DIVISION
                for year, bit, months in parts:
                    # Where nothing is settled nobody has been counted.
                    if (row := rows.get((place, family, year))) is not None:
                        value = value and bool(row[0] & bit)
                        opened &= divisions(row[1], row[2], months)
                own[family] = Openness(value, opened if value else 0)
    return found


@dataclass(frozen=True, slots=True)
class PlaceValue:
    """A value with its place and the time of the last event in it: of what is withheld none: they could be counted."""

    place: Place
    value: Value
    as_of: datetime | None


async def values(
    connection: Any,
    indicator: Indicator,
    places: Sequence[Place],
    period: Period,
    this_month: int,
    k: int,
    *,
    parts: bool = True,
) -> list[PlaceValue]:
    """The indicator at each of the places, in their order; without its `parts` it is read much faster."""
    until = end_of(period, this_month)
    measures = indicator.measures if parts else indicator.core
    amounts = await amounts_at(connection, measures, [place.id for place in places], period, until)
    found = []
    for place in places:
        value = shown(indicator, amounts[place.id], place, k, parts=parts)
        found.append(PlaceValue(place, value, None if value.suppressed else _moment(amounts[place.id].as_of)))
    return found


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller sees of places in periods: each as it lay at the period's end, or as it lies now.

    For whoever reads other periods than the one for which a place was asked for.
    """

    directory: Directory
    principal: Principal
    this_month: int

    def sees(self, place: Place, period: Period) -> bool:
        """Whether what is known of the place in the period is the caller's to see."""
        return self.directory.sees(place, self.principal, end_of(period, self.this_month))

    async def values(
        self,
        connection: Any,
        indicator: Indicator,
        places: Sequence[Place],
        period: Period,
        k: int,
        *,
        parts: bool = True,
    ) -> list[PlaceValue]:
        """As `values`; UNKNOWN at places that the caller does not see in the period."""
        seen = [place for place in places if self.sees(place, period)]
        found = await values(connection, indicator, seen, period, self.this_month, k, parts=parts)
        known = {each.place.id: each for each in found}
        return [known.get(place.id) or PlaceValue(place, UNKNOWN, None) for place in places]

    async def series(
        self, connection: Any, indicator: Indicator, place: Place, periods: Sequence[Period], k: int
    ) -> list[Value]:
        """As `series`; UNKNOWN in periods in which the caller does not see the place."""
        found = await series(connection, indicator, place, periods, self.this_month, k)
        return [value if self.sees(place, period) else UNKNOWN for period, value in zip(periods, found, strict=True)]


def shown(indicator: Indicator, amounts: Amounts, place: Place, k: int, *, parts: bool = False) -> Value:
    """The value as it may be shown."""
    openness = _open_to(indicator, amounts) if indicator.privacy else None
    withheld = indicator.privacy is Privacy.SURVEY and (amounts.withheld or openness is None or not openness.value)
    institution = place.level is Level.INSTITUTION
    return value_of(indicator, amounts, institution=institution, withheld=withheld, k=k, parts=parts, openness=openness)


def _open_to(indicator: Indicator, amounts: Amounts) -> Openness:
    return amounts.openness.get(family_of(indicator).number, CLOSED)


async def series(
    connection: Any, indicator: Indicator, place: Place, periods: Sequence[Period], this_month: int, k: int
) -> list[Value]:
    """The indicator in each of the consecutive periods of one kind."""
    slots = slots_of(indicator.core)
    first, last = periods[0], periods[-1]
    rows = await _union(
        connection,
        _SERIES,
        slots,
        place=place.id,
        **_years_before(end_of(first, this_month)),
        first=first.first,
        last=last.last,
        since=first.since,
        first_code=first.code,
        code=last.code,
    )
    counted = [slots[form] for form in _COUNTED]
    openness = await _openness(connection, [place.id], counted, periods) if any(counted) else {}
    by_form: dict[int, list[tuple[int, int, Row]]] = {form: [] for form in FORMS}
    for form, slot, at, *row in rows:
        by_form[form].append((slot, at, tuple(row)))
    found = []
    for period in periods:
        until = end_of(period, this_month)
        amounts = Amounts(openness=openness.get((place.id, period.text), {}))
        for form, read in by_form.items():
            for slot, at, row in read:
                if counts(form, at, period, until):
                    amounts.add(form, slot, row)
        found.append(shown(indicator, amounts, place, k))
    return found


def counts(form: int, at: int, period: Period, until: int) -> bool:
    """Whether a cell row at `at` is part of what that form of reading reads."""
    if form == _STOCK:
        return at <= until
    if form in (_FLOW, _HELD):
        return period.first <= at <= period.last
    return period.since <= at <= period.code if form in (_EXACT, _HELD_EXACT) else at == period.code


def _plus(one: Row, other: Row) -> Row:
    return tuple(a + b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True, slots=True)
class Event:
    """An event behind a contribution."""

    id: str
    type: str
    time: datetime
    source: str
    shard: int
    position: int


@dataclass(frozen=True, slots=True)
class Contribution:
    """What an aggregate adds to a value."""

    aggregate: str
    id: str
    institution: Place
    part: str
    amount: int
    month: int
    version: int
    member: str | None
    events: tuple[Event, ...]


Cursor = tuple[int, int, str]
"""The last aggregate read: (institution's place, kind, id)."""
START: Cursor = (0, 0, str(UUID(int=0)))
LOOKS = (10, 40, 150, *(200,) * 4)
"""Institutions looked through at a time, few at first: where much is found they fill the page. After the last the page
ends even if it is not full; the next one goes on from there."""
ROWS = 500
"""Aggregates read at a time at most, at first twice as many as fill the page."""
EVENTS = 20
"""Events named per aggregate, the newest."""


class Lineage:
    """Pages of what is behind one value. Institutions whose own value is withheld are passed over.

    Behind counts of persons stand institutions with their shown values; the records of persons, behind whatever they
    are, are for those whose `own` they are.
    """

    def __init__(
        self,
        directory: Directory,
        indicator: Indicator,
        place: Place,
        period: Period,
        this_month: int,
        k: int,
        *,
        own: bool = False,
    ) -> None:
        self._directory = directory
        self._indicator = indicator
        self._place = place
        self._period = period
        self._until = end_of(period, this_month)
        self._this_month = this_month
        self._k = k
        self._persons = indicator.privacy is Privacy.PERSONS and not own
        kinds = {kind for window in indicator.lineage for kind in fed_by(window.measure)}
        self._kinds = sorted(kinds if own or self._persons else kinds - KINDS_OF_PERSONS)

    async def page(self, connection: Any, after: Cursor, limit: int) -> tuple[list[Contribution], Cursor | None]:
        """Contributions of the next `limit` aggregates, and where the page after begins (None: nowhere)."""
        if not self._kinds:
            return [], None
        if self._persons:
            return await self._institutions(connection, after, limit)
        institutions = [id_ for id_ in self._directory.institutions(self._place) if (id_, 99) > (after[0], after[1])]
        hits: list[tuple[Any, list[tuple[Window, int, int, str | None]]]] = []
        cursor: Cursor | None = after
        most = min(2 * limit, ROWS)
        for chunk in _chunks(institutions):
            if not chunk:
                cursor = None
                break
            wanted = await self._worth_reading(connection, chunk)
            while wanted and cursor:
                rows = await connection.fetch(_AGGREGATES, wanted, self._kinds, cursor[0], cursor[1], cursor[2], most)
                for row in rows:
                    cursor = row["place"], row["kind"], str(row["id"])
                    found = self._contributions(row)
                    if found:
                        hits.append((row, found))
                        if len(hits) == limit:
                            return await self._with_events(connection, hits), cursor
                if len(rows) < most:
                    break
                most = ROWS
            cursor = chunk[-1], 99, START[2]
        return await self._with_events(connection, hits), cursor

    async def _institutions(
        self, connection: Any, after: Cursor, limit: int
    ) -> tuple[list[Contribution], Cursor | None]:
        """The next `limit` institutions whose value is shown, with what they add."""
        waiting = [id_ for id_ in self._directory.institutions(self._place) if id_ > after[0]]
        found: list[Contribution] = []
        for chunk in _chunks(waiting):
            if not chunk:
                return found, None
            places = [place for id_ in chunk if (place := self._directory.by_id(id_)) is not None]
            shown_ = await values(
                connection, self._indicator, places, self._period, self._this_month, self._k, parts=False
            )
            for each in shown_:
                amounts = (each.value.numerator, each.value.denominator)
                if (
                    each.value.suppressed
                    or not any(amounts)
                    or not below(self._directory.image, each.place.id, self._place, self._until)
                ):
                    continue
                found += [
                    Contribution(
                        KIND_NAMES[Institution.kind],
                        each.place.code,
                        each.place,
                        window.part,
                        amount,
                        self._until,
                        each.place.version,
                        None,
                        (),
                    )
                    for window, amount in zip(self._indicator.lineage, amounts, strict=False)
                    if amount is not None
                ]
                if len(found) >= limit:
                    return found, (each.place.id, 99, START[2])
        return found, (waiting[sum(LOOKS) - 1], 99, START[2]) if len(waiting) > sum(LOOKS) else None

    async def _worth_reading(self, connection: Any, chunk: Sequence[int]) -> list[int]:
        """Those institutions that have anything in the measures, and may show it."""
        if len(chunk) == 1:
            found = await amounts_at(connection, self._indicator.core, chunk, self._period, self._until)
            return [] if self._hidden(chunk[0], found[chunk[0]]) else list(chunk)
        windows = {window.measure for window in self._indicator.lineage if window.measure < FIRST_EVIDENCE}
        measures = self._indicator.core | windows
        found = await amounts_at(connection, measures, chunk, self._period, self._until)
        evidence = any(window.measure >= FIRST_EVIDENCE for window in self._indicator.lineage)
        return [id_ for id_, amounts in found.items() if (amounts.rows or evidence) and not self._hidden(id_, amounts)]

    def _hidden(self, institution: int, amounts: Amounts) -> bool:
        place = self._directory.by_id(institution)
        return place is None or shown(self._indicator, amounts, place, self._k).suppressed

    def _contributions(self, row: Any) -> list[tuple[Window, int, int, str | None]]:
        return self.contributed(row["place"], contributions_from(row["contributions"]))

    def contributed(
        self, institution: int, stored: Contributions, image: Image | None = None
    ) -> list[tuple[Window, int, int, str | None]]:
        """(window, amount, month, member) of what an aggregate of the institution adds within the windows.

        `image`: the territory at another time than now.
        """
        belongs = partial(below, image or self._directory.image, institution, self._place)
        found = []
        parts: dict[int, list[tuple[int, str | None, int]]] = {}
        for (measure, at, member), amount in stored.items():
            parts.setdefault(measure, []).append((at, member, amount))
        for window in self._indicator.lineage:
            own = parts.get(window.measure)
            if own is None:
                continue
            if window.measure >= FIRST_EVIDENCE:
                found += self._evidence(window, own, belongs)
                continue
            kind = MEASURES[window.measure].kind
            first, last = self._period.first, self._period.last
            if window.months is not None:
                first, last = self._until - window.months + 1, self._until
            by_member: dict[str | None, tuple[int, int]] = {}
            for month, member, amount in own:
                if kind in (Kind.STOCK, Kind.SET_STOCK):
                    counts = month <= self._until and belongs(self._until)
                else:
                    counts = first <= month <= last and belongs(month)
                if counts:
                    total, latest = by_member.get(member, (0, 0))
                    by_member[member] = total + amount, max(latest, month)
            found += [(window, total, latest, member) for member, (total, latest) in by_member.items() if total]
        return found

    def _evidence(
        self, window: Window, parts: Sequence[tuple[int, str | None, int]], belongs: Callable[[int], bool]
    ) -> list[tuple[Window, int, int, str | None]]:
        """The pieces of evidence that hold on the last day of the month of which stocks are read."""
        end = first_day(self._until + 1).toordinal()
        days = [(day, amount) for day, _, amount in parts if day < end]
        held = sum(amount for _, amount in days)
        if not held or not belongs(self._until):
            return []
        return [(window, held, month_of_ordinal(max(day for day, _ in days)), None)]

    async def _with_events(
        self, connection: Any, hits: Sequence[tuple[Any, list[tuple[Window, int, int, str | None]]]]
    ) -> list[Contribution]:
        keys: list[tuple[int, int, int]] = []
        own: list[list[tuple[int, int, int]]] = []
        for row, _ in hits:
            # A derived aggregate has no events of its own, and so no positions.
            source = SOURCES[SOURCE_OF_KIND.get(row["kind"], SERVICES[0])]
            positions = positions_from(row["positions"])[-EVENTS:]
            own.append([(source, row["shard"], position) for position in positions])
            keys += own[-1]
        rows = await connection.fetch(_EVENTS, *map(list, zip(*keys, strict=True))) if keys else []
        names = {number: name for name, number in SOURCES.items()}
        events: dict[tuple[int, int, int], Event] = {
            (source, shard, position): Event(str(id_), type_, time, names[source], shard, position)
            for source, shard, position, id_, type_, time in rows
        }
        missing = [(source, shard, position - 1, position) for source, shard, position in keys]
        missing = [window for window in missing if (window[0], window[1], window[3]) not in events]
        for old, _ in await archive.read(connection, missing):
            key = old.source, old.shard, old.position
            events[key] = Event(str(UUID(bytes=old.id)), old.type, old.time, names[old.source], *key[1:])
        result = []
        for (row, found), mine in zip(hits, own, strict=True):
            institution = self._directory.by_id(row["place"])
            assert institution is not None
            behind = tuple(events[key] for key in mine if key in events)
            for window, amount, month, member in found:
                result.append(
                    Contribution(
                        aggregate=KIND_NAMES[row["kind"]],
                        id=str(row["id"]) if row["id"].int else institution.code,
                        institution=institution,
                        part=window.part,
                        amount=amount,
                        month=month,
                        version=row["version"],
                        # Graduates go by numbers that only their institution can read: nobody else needs them.
                        member=None if self._indicator.privacy else member,
                        events=behind,
                    )
                )
        return result


def _chunks(institutions: Sequence[int]) -> Iterator[Sequence[int]]:
    """As many at a time as LOOKS says, none behind the last of them."""
    start = 0
    for size in LOOKS:
        yield institutions[start : start + size]
        start += size


def consecutive(kind: PeriodKind, first: Period, last: Period, most: int) -> list[Period]:
    """The periods of a kind from the one to the other, at most `most` of them."""
    found = [period_at(kind, first.last if kind is PeriodKind.ROLLING_12 else first.first)]
    while found[-1].last < last.last and len(found) < most:
        found.append(period_at(kind, found[-1].last + 1))
    return found


def _moment(microseconds: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=microseconds) if microseconds else None


def is_id(value: object) -> bool:
    """Whether a cursor's text can be an aggregate's id."""
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
