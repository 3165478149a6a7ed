"""What changed of a value between two moments: old and new, and the aggregates that moved it, ranked by effect."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from services.monitoring import queries
from services.monitoring.directory import Directory, below
from services.monitoring.domain.formulas import Indicator, Term
from services.monitoring.domain.gates import FIRST_EVIDENCE
from services.monitoring.domain.measures import MEASURES, Kind
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.periods import Period
from services.monitoring.domain.persons import KINDS_OF_PERSONS
from services.monitoring.domain.readings import KIND_NAMES, Institution, Response
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.domain.values import Value
from services.monitoring.engine import Key
from services.monitoring.reporting import freezes
from services.monitoring.reporting.freezes import Positions
from services.monitoring.reporting.queries import positions_at
from services.monitoring.reporting.rewinding import Happened, Rewinder, Then, key_of
from services.monitoring.tables import contributions_from
from shared.contracts.events import SERVICES
from shared.errors import FieldError, InvalidInput
from shared.persistence.unit_of_work import is_uuid
from shared.scope import Principal, Role

NOW = "now"
FIGURES = "figures:"
EVENTS = 10
"""Events named per aggregate, the newest."""

_OF_PLACE = "select kind, id::text, contributions from aggregate where place = $1"
_FROZEN = "select positions from frozen where id = $1::uuid"


@dataclass(frozen=True, slots=True)
class Part:
    """What an aggregate adds to a part of the value, before and after."""

    part: str
    before: int
    after: int


@dataclass(slots=True)
class Mover:
    """An aggregate that moved the value; `effect` is how far the value would have moved by it alone."""

    key: Key
    institution: Place
    numerator: int
    denominator: int
    effect: float
    parts: list[Part]
    events: list[Happened] = field(default_factory=list)

    @property
    def aggregate(self) -> str:
        """Its kind."""
        return KIND_NAMES[self.key[1]]


@dataclass(frozen=True, slots=True)
class Change:
    """The value at both moments, and everything that moved it, the strongest first."""

    before: Value
    after: Value
    movers: list[Mover]
    events: int


async def moment(connection: Any, name: str, text: str) -> Positions:
    """The stream positions that a text names: a time, `now`, or frozen figures; raises InvalidInput."""
    if text == NOW:
        rows = await connection.fetch("select source, shard, position from inbox order by source, shard")
        reached: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            reached[row["source"]].append(row["position"])
        return {source: tuple(each) for source, each in reached.items()}
    if text.startswith(FIGURES):
        id_ = text.removeprefix(FIGURES)
        found = await connection.fetchval(_FROZEN, id_) if is_uuid(id_) else None
        if found is not None:
            return {source: tuple(positions) for source, positions in found.items()}
    elif (at := _time(text)) is not None:
        return await positions_at(connection, at)
    raise InvalidInput(FieldError(name, "moment", {"value": text[:60]}))


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


class Comparison:
    """One value between two moments, within one snapshot of the caller's scope."""

    def __init__(
        self, directory: Directory, indicator: Indicator, place: Place, period: Period, this_month: int, k: int
    ) -> None:
        self._directory = directory
        self._indicator = indicator
        self._place = place
        self._period = period
        self._until = queries.end_of(period, this_month)
        self._k = k
        self._lineage = queries.Lineage(directory, indicator, place, period, this_month, k)

    async def between(self, connection: Any, principal: Principal, begin: Positions, end: Positions) -> Change:
        """The change from the one moment to the other; raises InvalidInput where there is nothing to be told.

        Of institutions that the caller does not see any more nothing is counted but what moved the value.
        """
        if (
            self._indicator.privacy
        ):  # persons and answers move in steps: what lies between two moments is told to nobody
            raise InvalidInput(FieldError("indicator", "nothing_behind", {"value": self._indicator.code}))
        present = await moment(connection, "to", NOW)
        begin, end = (_whole(each, present) for each in (begin, end))
        if any(low > high for source, each in begin.items() for low, high in zip(each, end[source], strict=True)):
            raise InvalidInput(FieldError("from", "moment_order"))
        rewinder = Rewinder(connection, self._directory)
        within = freezes.places_of(self._directory, self._place, self._until)
        places = sorted({place.id for place in within} | set(self._directory.institutions(self._place)))
        since_begin = await rewinder.happened(places, begin, present)
        since = since_begin + await rewinder.elsewhere(places, begin, present)
        since_end = [each for each in since if each.position > _at(end, each)]
        before = await rewinder.back(since, begin)
        after = await rewinder.back(since_end, end) if since_end else Then()
        between = [each for each in since_begin if each.position <= _at(end, each)]
        touched = sorted({key[0] for key in before.aggregates} | {self._place.id})
        now = await queries.amounts_at(connection, self._indicator.core, touched, self._period, self._until)
        old, new = (self._value(then, now, self._place) for then in (before, after))
        hidden = {
            id_
            for id_ in touched
            if (place := self._directory.by_id(id_)) is not None
            and place.level is Level.INSTITUTION
            and any(self._value(then, now, place).suppressed for then in (before, after))
        }
        suppressed = old.suppressed or new.suppressed
        own = set(places)
        rest = await self._rest(connection, before, after, own)
        movers = [] if suppressed else self._movers(before, after, old, hidden, rest)
        # Single answers are nobody's business: not even how many there were.
        between = [each for each in between if (key := key_of(each)) is None or key[1] != Response.kind]
        if principal.role is not Role.INSTITUTION:
            # Records of single persons, behind whatever they are, are for their institution.
            movers = [each for each in movers if each.key[1] not in KINDS_OF_PERSONS]
            between = [each for each in between if (key := key_of(each)) is None or key[1] not in KINDS_OF_PERSONS]
        # Who was here as was told then, and never was by what is told now: for those who see them anyway.
        movers = [each for each in movers if each.key[0] in own or self._directory.sees(each.institution, principal)]
        seen = {None, *(each.id for each in within if self._directory.sees(each, principal))}
        moved = {each.key for each in movers}
        between = [each for each in between if each.place in seen or key_of(each) in moved]
        self._name_events(movers, between)
        return Change(old, new, movers, 0 if suppressed else len(between))

    def _value(self, then: Then, now: Mapping[int, queries.Amounts], place: Place) -> Value:
        amounts = then.amounts(now[place.id], place.id, self._indicator.core, self._period, self._until)
        return queries.shown(self._indicator, amounts, place, self._k)

    async def _rest(
        self, connection: Any, before: Then, after: Then, own: set[int]
    ) -> dict[int, tuple[Contributions, Contributions]]:
        """Of institutions that moved: everything they contribute that was not told about, for it moved with them."""
        found: dict[int, tuple[Contributions, Contributions]] = {}
        for place, kind, _ in before.aggregates:
            if kind != Institution.kind or place not in own:
                continue
            if self._image(before).membership(place) == self._image(after).membership(place):
                continue
            total: Contributions = {}
            for row in await connection.fetch(_OF_PLACE, place):
                if (place, row["kind"], row["id"]) not in before.aggregates:
                    for key, amount in contributions_from(row["contributions"]).items():
                        total[key] = total.get(key, 0) + amount
            found[place] = total, total
        return found

    def _image(self, then: Then) -> Image:
        return then.image or self._directory.image

    def _movers(
        self,
        before: Then,
        after: Then,
        old: Value,
        hidden: set[int],
        rest: Mapping[int, tuple[Contributions, Contributions]],
    ) -> list[Mover]:
        found = []
        for key, was in before.aggregates.items():
            institution = self._directory.by_id(key[0])
            present = before.before.get(key, {})
            becomes = after.aggregates.get(key, present)
            if institution is None or key[0] in hidden or (was == becomes and key[0] not in rest):
                continue
            sides = [(was, before), (becomes, after)]
            if key[1] == Institution.kind and key[0] in rest:
                sides = [(_plus(side, more), then) for (side, then), more in zip(sides, rest[key[0]], strict=True)]
            parts = self._parts(key[0], sides)
            first, last = ([self._term(term, key[0], *side) for term in self._terms()] for side in sides)
            numerator, denominator = (b - a for a, b in zip(first, last, strict=True))
            if parts or numerator or denominator:
                effect = _effect(old, numerator, denominator, self._indicator.scale)
                found.append(Mover(key, institution, numerator, denominator, effect, parts))
        return sorted(
            found, key=lambda each: (-abs(each.effect), -abs(each.numerator) - abs(each.denominator), each.key)
        )

    def _terms(self) -> tuple[Term, Term | None]:
        if self._place.level is Level.INSTITUTION and self._indicator.own:
            return self._indicator.own
        return self._indicator.numerator, self._indicator.denominator

    def _parts(self, institution: int, sides: Sequence[tuple[Contributions, Then]]) -> list[Part]:
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for number, (stored, then) in enumerate(sides):
            for window, amount, _, _ in self._lineage.contributed(institution, stored, self._image(then)):
                sums[window.part][number] += amount
        return [Part(part, old, new) for part, (old, new) in sums.items() if old != new]

    def _term(self, term: Term | None, institution: int, stored: Contributions, then: Then) -> int:
        """The term over what one aggregate alone contributes within the period."""
        if term is None:
            return 0
        belongs = partial(below, self._image(then), institution, self._place)
        totals: dict[int, int] = defaultdict(int)
        members: dict[tuple[int, str], int] = defaultdict(int)
        for (measure, month, member), amount in stored.items():
            if measure >= FIRST_EVIDENCE or measure not in term.read:
                continue
            kind = MEASURES[measure].kind
            if kind in (Kind.STOCK, Kind.SET_STOCK):
                counts = month <= self._until and belongs(self._until)
            else:
                counts = self._period.first <= month <= self._period.last and belongs(month)
            if counts and member is None:
                totals[measure] += amount
            elif counts and member is not None:
                members[measure, member] += amount
        for (measure, _), amount in members.items():
            totals[measure] += amount > 0
        return term(lambda measure: totals[measure])

    def _name_events(self, movers: Sequence[Mover], between: Sequence[Happened]) -> None:
        by_key: dict[Key, list[Happened]] = defaultdict(list)
        for each in between:
            key = key_of(each)
            if key is not None:
                by_key[key].append(each)
        for mover in movers:
            mover.events = sorted(by_key.get(mover.key, ()), key=lambda each: each.time)[-EVENTS:]


def _whole(positions: Positions, present: Positions) -> Positions:
    """The positions of every source: one that nobody listened to then had reached nothing."""
    return {source: positions.get(source, (0,) * len(each)) for source, each in present.items()}


def _plus(one: Contributions, other: Contributions) -> Contributions:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}


def _at(positions: Positions, each: Happened) -> int:
    reached = positions.get(SERVICES[each.source], ())
    return reached[each.shard] if reached else 0


def _effect(old: Value, numerator: int, denominator: int, scale: int) -> float:
    if old.denominator is None and not denominator:
        return float(numerator) if old.value is not None or numerator else 0.0
    top, bottom = old.numerator or 0, old.denominator or 0
    if bottom + denominator <= 0:
        return 0.0
    after = (top + numerator) / (bottom + denominator) / scale
    return after - top / bottom / scale if bottom > 0 else after
