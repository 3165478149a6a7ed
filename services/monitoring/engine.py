"""The live path: a batch of events becomes differences of cells, in one transaction of a store.

Every step is idempotent by version: an event that is older than the stored state changes nothing but the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol, TypeVar

from services.monitoring.domain.contributions import contributions
from services.monitoring.domain.derived import DERIVATIONS, FEEDS, WAVES
from services.monitoring.domain.expansion import Membership, Presence, expand, presence, presence_moved
from services.monitoring.domain.gates import FIRST_EVIDENCE
from services.monitoring.domain.measures import MEASURES, OWN_SETS, Kind
from services.monitoring.domain.parts import Contributions, difference
from services.monitoring.domain.readings import Institution, Owned, Reading, Territory
from services.monitoring.domain.territory import (
    Image,
    Level,
    Place,
    named,
    told,
    unknown,
    unknown_institution,
    unknown_unit,
)
from services.monitoring.domain.totals import Amounts, Microseconds, Rows, united
from shared.contracts.events import Event

Key = tuple[int, int, str]
"""An aggregate: (its institution's place, kind, id)."""
Member = tuple[int, str, int]
"""A member of a set, (measure, member, place): of one that institutions share, the references at this place, of all
below it; of an institution's own all there are (OWN)."""
OWN = 0
References = dict[tuple[int, int], int]
"""How often a member is referred to, by (place, month)."""
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


class NotNew(Exception):
    """An aggregate whose first event has just come is known already: told out of turn, by a replayed dead letter."""


class Store(Protocol):
    """The tables behind the engine, inside one transaction; whatever is read is locked until it ends."""

    async def look(self) -> Image:
        """The territory as it was last committed; somebody may be about to change it."""

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

    async def save(self, created: Mapping[Key, Stored], changed: Mapping[Key, Stored]) -> None:
        """Store aggregates: those taken for new, and others that were looked for. Raises NotNew where one isn't new."""

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        """The references of these members, none where a member is new."""

    async def save_members(self, members: Mapping[Member, References]) -> None:
        """Store the references of members that were read before."""

    async def add(self, rows: Rows) -> None:
        """Add to the cells."""


async def apply(store: Store, batch: Sequence[Read], *, careful: bool = False) -> Touched:
    """Let the events take effect; the log and the positions are the caller's.

    An aggregate's first event is trusted to be its first unless `careful`: looking for what isn't there costs as much
    as storing it. Raises NotNew where that was wrong; everything must then be undone, and done again with care.
    """
    if not batch:
        return Touched()
    places = [read for read in batch if _is_place(read)]
    # What is known already, as in a rebuild nearly everything is, must not keep the others waiting.
    news = bool(places) and _is_news(await store.look(), places)
    territory = await store.open(exclusive=news)
    amounts = Amounts()
    shared: _SetChanges = {}
    if news:
        await _resettle(store, territory, places, amounts, shared)
    folded = await _fold(store, territory, batch)
    sets = await _measure(store, folded, amounts, careful=careful)
    own = _spread(sets, territory, shared)
    await _count(store, territory, own, amounts)
    rows = amounts.rows(territory)
    if not shared:
        await store.add(rows)
        return Touched(rows)
    # Everything up to here is this worker's alone; what others may want too is taken as late as can be.
    low, high = rows.parted(territory)
    await store.add(low)
    amounts = Amounts()
    await _count(store, territory, shared, amounts)
    high = united(high, amounts.rows(territory), territory)
    await store.add(high)
    return Touched(united(low, high, territory))


@dataclass(slots=True)
class _Folded:
    """The events of one aggregate in the batch: the newest state, its time, and the positions of all."""

    state: Reading
    time: Microseconds
    shard: int
    positions: list[int]
    first: int
    """The lowest version among them."""


async def _fold(store: Store, territory: Image, batch: Sequence[Read]) -> dict[Key, _Folded]:
    """The batch by aggregate; institutions that nobody told about yet become places."""
    ids = territory.ids
    owners = {state.institution_id for _, state in batch if isinstance(state, Owned)}
    missing = {code: unknown(code) for code in owners if code not in ids}
    if missing:
        # With all above them at once: a chain that grew later, unnoticed, would leave out what was counted before.
        await _create(store, territory, missing, [code for place in missing.values() for code in named(place)])
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
            folded[key] = _Folded(state, _microseconds(event.time), event.shard, [event.position], state.version)
            continue
        seen.positions.append(event.position)
        if state.version > seen.state.version:
            seen.state = state
            seen.time = max(seen.time, _microseconds(event.time))
        elif state.version < seen.first:
            seen.first = state.version
    return folded


_Noted = tuple[References, Microseconds]
_Moved = dict[tuple[int, str], _Noted]
"""By (measure, member): references by (institution's place, month)."""
_SetChanges = dict[Member, _Noted]


class _Moves:
    """What moves in a batch, on its way: to the cells' amounts, to members of sets, to derived aggregates."""

    def __init__(self, amounts: Amounts) -> None:
        self.amounts = amounts
        self.sets: _Moved = {}
        self.derived: list[dict[tuple[int, str], _Noted]] = [{} for _ in DERIVATIONS]

    def take(self, place: int, moved: Contributions, time: Microseconds) -> None:
        """Pass on the differences of one aggregate's contributions."""
        derived, added, sets = self.derived, self.amounts.contributions, self.sets
        for (measure, at, member), amount in moved.items():
            feeds = FEEDS.get(measure)
            if feeds is not None:
                for number in feeds:
                    id_ = _join_id(member) if member is not None and number in _JOINT else NOBODY
                    _note(derived[number], (place, id_), (measure, at), amount, time)
            if measure >= FIRST_EVIDENCE:
                continue
            if member is None:
                added += (place, measure, at, amount, time)
            elif (named := (measure, member)) in sets:
                _note(sets, named, (place, at), amount, time)
            else:
                sets[named] = {(place, at): amount}, time


_JOINT = frozenset(number for number, derivation in enumerate(DERIVATIONS) if derivation.joint)


def _join_id(key: str) -> str:
    """The id of the derived aggregate of a join's key, whatever the key looks like."""
    text = blake2b(key.encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def _measure(store: Store, folded: Mapping[Key, _Folded], amounts: Amounts, *, careful: bool) -> _Moved:
    """Compare what the states contribute with what they contributed; additive differences go to `amounts`."""
    known = [key for key, new in folded.items() if careful or new.first > FIRST_VERSION or key[2] == NOBODY]
    stored = await store.aggregates(sorted(known))
    moves = _Moves(amounts)
    created: dict[Key, Stored] = {}
    changed: dict[Key, Stored] = {}
    for key, new in folded.items():
        before = stored.get(key)
        if before is None:
            after = contributions(new.state)
            told_first = not careful and new.first <= FIRST_VERSION and key[2] != NOBODY
            (created if told_first else changed)[key] = Stored(new.state.version, after, new.shard, new.positions)
            moved = after
        else:
            positions = before.positions + [
                each for each in new.positions if not careful or each not in before.positions
            ]
            if new.state.version <= before.version:
                changed[key] = Stored(before.version, before.contributions, before.shard, positions)
                continue
            after = contributions(new.state)
            changed[key] = Stored(new.state.version, after, before.shard, positions)
            moved = difference(after, before.contributions)
        moves.take(key[0], moved, new.time)
    await _derive(store, moves, changed)
    await store.save(created, changed)
    return moves.sets


FIRST_VERSION = 1
"""The version with which every aggregate begins."""


async def _derive(store: Store, moves: _Moves, changed: dict[Key, Stored]) -> None:
    """Bring up to date the derived aggregates of which something moved; those that they feed come after them."""
    for wave in WAVES:
        wanted = {
            (place, DERIVATIONS[number].kind, id_): noted
            for number in wave
            for (place, id_), noted in moves.derived[number].items()
        }
        stored = await store.aggregates(sorted(wanted))
        for number in wave:
            derivation = DERIVATIONS[number]
            for (place, id_), (changes, time) in moves.derived[number].items():
                key = (place, derivation.kind, id_)
                before = stored.get(key)
                if before is None:
                    own = changes
                    after = moved = derivation.rule(own)
                    version = 0
                else:
                    own = _sum(before.own, changes)
                    unmoved = derivation.unmoved(before.own, changes)
                    after = before.contributions if unmoved else derivation.rule(own)
                    moved = {} if unmoved else difference(after, before.contributions)
                    version = before.version + 1
                changed[key] = Stored(version, after, own=own)
                if moved:
                    moves.take(place, moved, time)


def _sum(before: References, changes: References) -> References:
    total = dict(before)
    for at, amount in changes.items():
        now = total.get(at, 0) + amount
        if now:
            total[at] = now
        else:
            total.pop(at, None)
    return total


def _spread(sets: Mapping[tuple[int, str], _Noted], territory: Image, shared: _SetChanges) -> _SetChanges:
    """The changes of the institutions' own sets; those of shared ones are added to `shared`, at every place they reach.

    A shared member's references at a place are kept by themselves: whoever employs all over the country costs no more
    than somebody who employs at one school.
    """
    own: _SetChanges = {}
    for (measure, member), (changes, time) in sets.items():
        if measure in OWN_SETS:
            own[measure, member, OWN] = changes, time
            continue
        for (institution, month), amount in changes.items():
            if amount:
                _reach(shared, (measure, member), institution, territory.membership(institution), month, amount, time)
    return own


def _reach(
    into: _SetChanges,
    member: tuple[int, str],
    institution: int,
    membership: Membership,
    month: int,
    amount: int,
    time: Microseconds,
) -> None:
    """Add references of an institution to a shared member, there and at everything above it."""
    measure, name = member
    _note(into, (measure, name, institution), (institution, month), amount, time)
    if MEASURES[measure].kind is Kind.SET_FLOW:
        for place in membership.at(month):
            _note(into, (measure, name, place), (place, month), amount, time)
    else:
        for place, at, sign in membership.stock(month):
            _note(into, (measure, name, place), (place, at), sign * amount, time)


async def _count(store: Store, territory: Image, sets: _SetChanges, amounts: Amounts) -> None:
    """Move the distinct counts: where each member was present against where it is."""
    if not sets:
        return
    references = await store.members(sorted(sets))
    after: dict[Member, References] = {}
    moved = territory.moved
    for member, (changes, time) in sets.items():
        measure, _, place = member
        before = references.get(member)
        now = after[member] = _sum(before, changes) if before else {at: each for at, each in changes.items() if each}
        shared = place != OWN
        if not shared:
            place = next(iter(now or before or changes))[0]
            if place in moved:
                kind = MEASURES[measure].kind
                was = presence(kind, before, territory.membership) if before else {}
                _compare(measure, was, presence(kind, now, territory.membership), amounts, time)
                continue
        # Of one institution alone: present above wherever it is present there.
        if not before and len(now) == 1:
            (((place, month), amount),) = now.items()
            if amount > 0:
                (amounts.present if shared else amounts.members).extend((place, measure, month, 1, time))
            continue
        add = amounts.cell if shared else amounts.contribution
        for period, change in _presence_moved(measure, before or {}, now, changes).items():
            add(place, measure, period, change, time)
    await store.save_members(after)


def _presence_moved(
    measure: int, before: References, after: References, changes: Iterable[tuple[int, int]]
) -> dict[int, int]:
    """Changes of a distinct count by period code, at the one place that all these references are of."""
    was = {month: amount for (_, month), amount in before.items()}
    now = {month: amount for (_, month), amount in after.items()}
    return presence_moved(MEASURES[measure].kind, was, now, {month for _, month in changes})


def tells_of_places(batch: Iterable[Read]) -> bool:
    """Whether anything is told about places; where nothing is, the territory is only read."""
    return any(map(_is_place, batch))


def _is_place(read: Read) -> bool:
    return isinstance(read[1], Territory | Institution)


def _is_news(territory: Image, batch: Iterable[Read]) -> bool:
    """Whether anything is told about places that isn't known; what is known once stays so, for versions only grow."""
    for _, state in batch:
        assert isinstance(state, Territory | Institution)
        place = territory.places.get(territory.ids.get(state.id, 0))
        if place is None or told(place, state) is not place:
            return True
    return False


async def _resettle(store: Store, territory: Image, batch: Sequence[Read], amounts: Amounts, sets: _SetChanges) -> None:
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
        await _follow(store, territory, moved, amounts, sets, {place: times.get(place, newest) for place in moved})


async def _name(store: Store, territory: Image, states: Sequence[Territory | Institution]) -> None:
    """Create the places that the states are about, and those that they name."""
    wanted: dict[str, Place] = {}
    above: list[str] = []
    for state in states:
        unknown = unknown_unit if isinstance(state, Territory) else unknown_institution
        wanted.setdefault(state.id, unknown(state.id))
        above += named(told(wanted[state.id], state))
    await _create(store, territory, wanted, above)


async def _create(store: Store, territory: Image, wanted: dict[str, Place], above: list[str]) -> None:
    """Create those of the wanted places and of the units `above`, and all above these, that are not there yet."""
    while above:
        code = above.pop()
        if code not in wanted:
            wanted[code] = unknown_unit(code)
            above += named(wanted[code])
    missing = [place for code, place in wanted.items() if code not in territory.ids]
    await store.create_places(sorted(missing, key=lambda place: place.code))


def _memberships(territory: Image, changed: Sequence[Place]) -> dict[int, Membership]:
    """The chains, as they are before the change, of every place that the change may move."""
    units = {place.id for place in changed if place.level is not Level.INSTITUTION}
    if not units:
        return {place.id: territory.membership(place.id) for place in changed}
    return {place.id: territory.membership(place.id) for place in territory.places.values()}


async def _follow(
    store: Store,
    territory: Image,
    moved: Mapping[int, Membership],
    amounts: Amounts,
    sets: _SetChanges,
    times: Mapping[int, Microseconds],
) -> None:
    """Expand again, under the old and the new chains, what the moved institutions contributed; apply the difference.

    Of members that institutions share it goes to `sets`.
    """
    totals: dict[int, Contributions] = {}
    members: dict[Member, Microseconds] = {}
    for place, stored in await store.aggregates_of(sorted(moved)):
        total = totals.setdefault(place, {})
        for key, amount in stored.items():
            if key[0] >= FIRST_EVIDENCE:
                continue  # stands nowhere but in the derived aggregates of the institution itself
            measure, month, name = key
            if name is None:
                total[key] = total.get(key, 0) + amount
            elif measure in OWN_SETS:
                one = measure, name, OWN
                members[one] = max(times[place], members.get(one, 0))
            else:
                for sign, membership in ((-1, moved[place]), (1, territory.membership(place))):
                    _reach(sets, (measure, name), place, membership, month, sign * amount, times[place])
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
    for member in [member for member, (changes, _) in sets.items() if not any(changes.values())]:
        del sets[member]


def _compare(measure: int, was: Presence, now: Presence, amounts: Amounts, time: Microseconds) -> None:
    for (place, period), change in difference(now, was).items():
        amounts.cell(place, measure, period, change, time)


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
