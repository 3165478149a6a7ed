"""The live path: a batch of events becomes differences of cells, in one transaction of a store.

Every step is idempotent by version: an event that is older than the stored state changes nothing but the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol, TypeVar

from services.monitoring.domain.contributions import contributions
from services.monitoring.domain.derived import DERIVATIONS, FEEDS
from services.monitoring.domain.expansion import Membership, expand, presence
from services.monitoring.domain.gates import FIRST_EVIDENCE
from services.monitoring.domain.measures import MEASURES
from services.monitoring.domain.parts import Contributions, difference
from services.monitoring.domain.readings import Institution, Owned, Reading, Territory
from services.monitoring.domain.territory import (
    Image,
    Level,
    Place,
    named,
    told,
    unknown_institution,
    unknown_unit,
)
from services.monitoring.domain.totals import Amounts, Microseconds, Rows
from shared.contracts.events import Event

Key = tuple[int, int, str]
"""An aggregate: (its institution's place, kind, id)."""
Member = tuple[int, str]
"""A member of a set: (measure, member)."""
References = dict[tuple[int, int], int]
"""How often a member is referred to, by (institution's place, month)."""
Read = tuple[Event, Reading]

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Derived aggregates have no id of their own: one of a kind per institution."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Stored:
    """An aggregate as monitoring keeps it: what it contributes now, and where its events lie in the log."""

    version: int = -1
    contributions: Contributions = field(default_factory=dict)
    shard: int = 0
    positions: list[int] = field(default_factory=list)
    own: dict[tuple[int, int], int] = field(default_factory=dict)
    """Derived aggregates only: what they are a function of, by (measure, month) or (evidence, day)."""


@dataclass(slots=True)
class Touched:
    """What a batch changed: the rows that were added to the cells."""

    rows: Rows = field(default_factory=Rows)


class Store(Protocol):
    """The tables behind the engine, inside one transaction; whatever is read is locked until it ends."""

    async def open(self, *, exclusive: bool) -> Image:
        """The territory as it is; nobody changes it before the transaction ends, with `exclusive` nobody uses it."""

    async def create_places(self, places: Sequence[Place]) -> None:
        """Store new places, whose ids are given here; the image knows them afterwards."""

    async def save_places(self, places: Sequence[Place]) -> None:
        """Store changed places; the image knows the change afterwards."""

    async def aggregates(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        """The stored aggregates among `keys`."""

    async def aggregates_of(self, places: Sequence[int]) -> list[tuple[int, Contributions]]:
        """(place, contributions) of every aggregate of these institutions."""

    async def save(self, aggregates: Mapping[Key, Stored]) -> None:
        """Store aggregates."""

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        """The references of these members, none where a member is new."""

    async def save_members(self, members: Mapping[Member, References]) -> None:
        """Store the references of members that were read before."""

    async def add(self, rows: Rows) -> None:
        """Add to the cells."""


async def apply(store: Store, batch: Sequence[Read]) -> Touched:
    """Let the events take effect; the log and the positions are the caller's."""
    if not batch:
        return Touched()
    places = [read for read in batch if isinstance(read[1], Territory | Institution)]
    territory = await store.open(exclusive=bool(places))
    amounts = Amounts()
    if places:
        await _resettle(store, territory, places, amounts)
    folded = await _fold(store, territory, batch)
    sets = await _measure(store, folded, amounts)
    await _count(store, territory, sets, amounts)
    rows = amounts.rows(territory)
    await store.add(rows)
    return Touched(rows)


@dataclass(slots=True)
class _Folded:
    """The events of one aggregate in the batch: the newest state, its time, and the positions of all."""

    state: Reading
    time: Microseconds
    shard: int
    positions: list[int]


async def _fold(store: Store, territory: Image, batch: Sequence[Read]) -> dict[Key, _Folded]:
    """The batch by aggregate; institutions that nobody told about yet become places."""
    ids = territory.ids
    owners = {state.institution_id for _, state in batch if isinstance(state, Owned)}
    missing = sorted(code for code in owners if code not in ids)
    if missing:
        await store.create_places([unknown_institution(code) for code in missing])
    folded: dict[Key, _Folded] = {}
    for event, state in batch:
        if isinstance(state, Owned):
            key = (ids[state.institution_id], state.kind, state.id)
        elif isinstance(state, Institution):
            key = (ids[state.id], state.kind, NOBODY)
        else:
            continue
        seen = folded.get(key)
        if seen is None:
            folded[key] = _Folded(state, _microseconds(event.time), event.shard, [event.position])
            continue
        seen.positions.append(event.position)
        if state.version > seen.state.version:
            seen.state = state
            seen.time = max(seen.time, _microseconds(event.time))
    return folded


_Noted = tuple[References, Microseconds]
_SetChanges = dict[Member, _Noted]


class _Moves:
    """What moves in a batch, on its way: to the cells' amounts, to members of sets, to derived aggregates."""

    def __init__(self, amounts: Amounts) -> None:
        self.amounts = amounts
        self.sets: _SetChanges = {}
        self.derived: list[dict[tuple[int, str], _Noted]] = [{} for _ in DERIVATIONS]

    def take(self, place: int, moved: Contributions, time: Microseconds) -> None:
        """Pass on the differences of one aggregate's contributions."""
        for (measure, at, member), amount in moved.items():
            for number in FEEDS.get(measure, ()):
                id_ = _join_id(member) if DERIVATIONS[number].joint and member is not None else NOBODY
                _note(self.derived[number], (place, id_), (measure, at), amount, time)
            if measure >= FIRST_EVIDENCE:
                continue
            if member is not None:
                _note(self.sets, (measure, member), (place, at), amount, time)
            else:
                self.amounts.contribution(place, measure, at, amount, time)


def _join_id(key: str) -> str:
    """The id of the derived aggregate of a join's key, whatever the key looks like."""
    text = blake2b(key.encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def _measure(store: Store, folded: Mapping[Key, _Folded], amounts: Amounts) -> _SetChanges:
    """Compare what the states contribute with what they contributed; additive differences go to `amounts`."""
    stored = await store.aggregates(sorted(folded))
    moves = _Moves(amounts)
    changed: dict[Key, Stored] = {}
    for key, new in folded.items():
        before = stored.get(key)
        if before is None:
            after = contributions(new.state)
            changed[key] = Stored(new.state.version, after, new.shard, new.positions)
            moved = after
        else:
            positions = before.positions + new.positions
            if new.state.version <= before.version:
                changed[key] = Stored(before.version, before.contributions, before.shard, positions)
                continue
            after = contributions(new.state)
            changed[key] = Stored(new.state.version, after, before.shard, positions)
            moved = difference(after, before.contributions)
        moves.take(key[0], moved, new.time)
    await _derive(store, moves, changed)
    await store.save(changed)
    return moves.sets


async def _derive(store: Store, moves: _Moves, changed: dict[Key, Stored]) -> None:
    """Bring up to date the derived aggregates of which something moved; those that they feed come after them."""
    for derivation, wanted in zip(DERIVATIONS, moves.derived, strict=True):
        stored = await store.aggregates(sorted((place, derivation.kind, id_) for place, id_ in wanted))
        for (place, id_), (changes, time) in wanted.items():
            key = (place, derivation.kind, id_)
            before = stored.get(key) or Stored()
            own = dict(before.own)
            for at, amount in changes.items():
                own[at] = own.get(at, 0) + amount
            own = {at: amount for at, amount in own.items() if amount}
            after = derivation.rule(own)
            changed[key] = Stored(before.version + 1, after, own=own)
            moves.take(place, difference(after, before.contributions), time)


async def _count(store: Store, territory: Image, sets: _SetChanges, amounts: Amounts) -> None:
    """Move the distinct counts: where each member was present against where it is."""
    references = await store.members(sorted(sets))
    for member, (changes, time) in sets.items():
        kind = MEASURES[member[0]].kind
        before = references.get(member, {})
        after = dict(before)
        for at, amount in changes.items():
            after[at] = after.get(at, 0) + amount
        after = {at: amount for at, amount in after.items() if amount}
        references[member] = after
        was = presence(kind, before, territory.membership) if before else {}
        now = presence(kind, after, territory.membership)
        _compare(member[0], was, now, amounts, time)
    await store.save_members(references)


async def _resettle(store: Store, territory: Image, batch: Sequence[Read], amounts: Amounts) -> None:
    """Take in what was told about places; what institutions contributed so far follows them to their new chains."""
    latest: dict[str, tuple[Territory | Institution, Microseconds]] = {}
    for event, state in batch:
        assert isinstance(state, Territory | Institution)
        if state.id not in latest or latest[state.id][0].version < state.version:
            latest[state.id] = state, _microseconds(event.time)
    await _name(store, territory, [state for state, _ in latest.values()])
    known = {code: territory.places[territory.ids[code]] for code in latest}
    changed = [after for code, (state, _) in latest.items() if (after := told(known[code], state)) != known[code]]
    before = _memberships(territory, changed)
    await store.save_places(sorted(changed, key=lambda place: place.id))
    moved = {place: was for place, was in before.items() if was != territory.membership(place)}
    if moved:
        newest = max(time for _, time in latest.values())
        times = {territory.ids[code]: time for code, (_, time) in latest.items()}
        await _follow(store, territory, moved, amounts, {place: times.get(place, newest) for place in moved})


async def _name(store: Store, territory: Image, states: Sequence[Territory | Institution]) -> None:
    """Create the places that the states are about, and those that they name."""
    wanted: dict[str, Place] = {}
    for state in states:
        unknown = unknown_unit if isinstance(state, Territory) else unknown_institution
        wanted.setdefault(state.id, unknown(state.id))
        queue = list(named(told(wanted[state.id], state)))
        while queue:
            code = queue.pop()
            if code not in wanted:
                wanted[code] = unknown_unit(code)
                queue += named(wanted[code])
    missing = [place for code, place in wanted.items() if code not in territory.ids]
    await store.create_places(sorted(missing, key=lambda place: place.code))


def _memberships(territory: Image, changed: Sequence[Place]) -> dict[int, Membership]:
    """The chains, as they are before the change, of every institution that the change may move."""
    units = {place.id for place in changed if place.level is not Level.INSTITUTION}
    if not units:
        return {place.id: territory.membership(place.id) for place in changed}
    return {
        place.id: territory.membership(place.id)
        for place in territory.places.values()
        if place.level is Level.INSTITUTION
    }


async def _follow(
    store: Store,
    territory: Image,
    moved: Mapping[int, Membership],
    amounts: Amounts,
    times: Mapping[int, Microseconds],
) -> None:
    """Expand again, under the old and the new chains, what the moved institutions contributed; apply the difference."""
    totals: dict[int, Contributions] = {}
    members: dict[Member, Microseconds] = {}
    for place, stored in await store.aggregates_of(sorted(moved)):
        total = totals.setdefault(place, {})
        for key, amount in stored.items():
            if key[0] >= FIRST_EVIDENCE:
                continue  # stands nowhere but in the derived aggregates of the institution itself
            if key[2] is not None:
                one = key[0], key[2]
                members[one] = max(times[place], members.get(one, 0))
            else:
                total[key] = total.get(key, 0) + amount
    for place, total in totals.items():
        amounts.cells(expand(total, place, moved[place]), times[place], -1)
        amounts.cells(expand(total, place, territory.membership(place)), times[place])

    def membership_before(place: int) -> Membership:
        return moved[place] if place in moved else territory.membership(place)

    for member, references in (await store.members(sorted(members))).items():
        kind = MEASURES[member[0]].kind
        was = presence(kind, references, membership_before)
        now = presence(kind, references, territory.membership)
        _compare(member[0], was, now, amounts, members[member])


def _compare(
    measure: int,
    was: Mapping[tuple[int, int], int],
    now: Mapping[tuple[int, int], int],
    amounts: Amounts,
    time: Microseconds,
) -> None:
    for (place, period), amount in now.items():
        change = amount - was.get((place, period), 0)
        if change:
            amounts.cell(place, measure, period, change, time)
    for (place, period), amount in was.items():
        if (place, period) not in now:
            amounts.cell(place, measure, period, -amount, time)


_K = TypeVar("_K")


def _note(
    into: dict[_K, tuple[References, Microseconds]],
    key: _K,
    at: tuple[int, int],
    amount: int,
    time: Microseconds,
) -> None:
    """Add `amount` at `at` to the changes of `key`, and keep the latest time."""
    noted = into.get(key)
    if noted is None:
        into[key] = {at: amount}, time
        return
    changes, seen = noted
    changes[at] = changes.get(at, 0) + amount
    if time > seen:
        into[key] = changes, time


def _microseconds(time: datetime) -> Microseconds:
    """Since 1970, exactly."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
