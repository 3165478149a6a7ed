"""Which counts of persons of an academic year may be shown, place by place, so that none of the small ones follows.

    settle(nation, regions, k)    # then settle(region, its districts, k), and so on down

Everything that is shown of a year is made of sums over tables that are safe by their form, so that nobody has to solve
anything when a value is read (PRIVACY.md has the argument):

- of the places below one place those with fewer than k persons are hidden, and others with them, the smallest first,
  until the hidden ones are two or more with room for k persons when each has one; below a hidden place all is hidden;
- time is a tree: a year, its autumn and the rest of it, quarters, months. A place is *resolved* at the parts of a
  stretch of time if each part has none or k persons or more, the place above is resolved there, and the places that are
  not have in each part none or k persons or more together: then the inside of a table is hidden as a whole while each
  of its margins counts k or more, and each cell inside may lie anywhere within k or more (Fréchet's bounds);
- parts (professions, employed or not) are shown of a whole year alone, by the same rule with parts in place of times;
- figures are as of when each place was released, fewer than k persons ago: all places below one are shown only where
  the difference between their sum and its number leaves each small count that may be behind them k values;
- an institution knows its own numbers: right below a district all this holds of the others without any one, too. Where
  it cannot, the district's own number is veiled: its office, told by one institution, would know the others.

A window of time may be shown where it is made of resolved stretches, months known to be empty left aside.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from services.monitoring.domain.periods import SEPTEMBER, Period

Span = tuple[int, int]
"""First and last month of an academic year, both included: September is 0, August 11."""

YEAR: Final[Span] = (0, 11)
TREE: Final[dict[Span, tuple[Span, ...]]] = {
    YEAR: ((0, 3), (4, 11)),
    (0, 3): ((0, 0), (1, 3)),
    (4, 11): ((4, 6), (7, 9), (10, 11)),
    **{
        (first, last): tuple((month, month) for month in range(first, last + 1))
        for first, last in ((1, 3), (4, 6), (7, 9), (10, 11))
    },
}
"""Stretches of a year and what they are made of: fiscal years begin in January, quarters as quarters do."""
NODES: Final = tuple(dict.fromkeys([YEAR, *(part for parts in TREE.values() for part in parts)]))
_NUMBER: Final = {span: number for number, span in enumerate(NODES)}
_OPENED_AT: Final = 24
SEGMENTS: Final = tuple(
    dict.fromkeys([*NODES, *((0, last) for last in range(12)), *((first, 11) for first in range(12))])
)
"""What a period can have in common with an academic year: a bit of what is stored for each."""
_BIT: Final = {span: 1 << number for number, span in enumerate(SEGMENTS)}
EVERY_SEGMENT: Final = (1 << len(SEGMENTS)) - 1


def _mask(span: Span) -> int:
    return (1 << span[1] + 1) - (1 << span[0])


_MASKS: Final = {span: _mask(span) for span in SEGMENTS}


@lru_cache(maxsize=4096)
def segments(period: Period) -> tuple[tuple[int, int, int], ...]:
    """(academic year, its bit, its months as bits) of everything a period consists of."""
    found = []
    year = (period.first - SEPTEMBER) // 12
    while (begin := year * 12 + SEPTEMBER) <= period.last:
        span = max(0, period.first - begin), min(11, period.last - begin)
        spans = [span] if span in _BIT else [(month, month) for month in range(span[0], span[1] + 1)]
        found += [(year, _BIT[each], _MASKS[each]) for each in spans]
        year += 1
    return tuple(found)


EVERY_DIVISION: Final = 0xFF


def divisions(opened: int, possible: int, months: int) -> int:
    """The divisions that may be shown of some months: the opened ones of all there is, all of months with nobody."""
    if not possible & months:
        return EVERY_DIVISION
    return opened if possible & months == possible else 0


@dataclass(slots=True)
class Row:
    """The persons of a place in a year: in all (distinct), by month, by part; and what may be shown of them."""

    place: int
    whole: int = 0
    months: Sequence[int] = (0,) * 12
    divisions: Sequence[Sequence[int]] = ()
    beside: bool = False
    """Whether divisions after the first are of persons that the total leaves out."""
    resolved: set[Span] = field(default_factory=set)
    possible: int = _MASKS[YEAR]
    """Months that are not known to be empty."""
    opened: int = 0
    """The divisions that those above allow to be shown, as bits."""
    floor: int = 0
    """What was shown last: at least so many are known of even where it is hidden now."""
    bar: int = 0
    """From how many on it may be shown: so many more than when it was hidden that this tells nothing of then."""
    knows: bool = False
    """Whether its numbers are known exactly by somebody there who may talk to those who look from above."""
    veiled: set[Span] = field(default_factory=set)
    """Where it is resolved and yet not shown: those below could not be hidden under its number."""
    veiled_divisions: int = 0
    fresh: bool = False
    """Whether its figures are exactly what is true now: they have just been released, or come to be shown."""
    was: set[Span] = field(default_factory=set)
    """Where it was resolved until now, and `was_opened`: the divisions opened then."""
    was_opened: int = 0

    def begin(self) -> None:
        """Nothing is settled any more; what was is remembered."""
        self.was, self.was_opened = self.resolved, self.opened
        self.resolved, self.opened = set(), 0

    def at(self, span: Span) -> int:
        """The persons of a stretch of the year, a person of two months counted twice but for the year."""
        return self.whole if span == YEAR else sum(self.months[span[0] : span[1] + 1])

    @property
    def peopled(self) -> int:
        """The months with somebody in them."""
        return sum(1 << month for month, persons in enumerate(self.months) if persons)

    @property
    def nodes(self) -> int:
        """The stretches it is resolved at and the divisions opened, veiled or not, as bits."""
        return sum(1 << _NUMBER[span] for span in self.resolved) | self.opened << _OPENED_AT

    @nodes.setter
    def nodes(self, bits: int) -> None:
        self.resolved = {span for span, number in _NUMBER.items() if bits >> number & 1}
        self.opened = bits >> _OPENED_AT

    @property
    def shown(self) -> int:
        """The segments whose total may be shown, as bits."""
        return _shown(frozenset(self.resolved - self.veiled), self.possible)

    @property
    def told(self) -> int:
        """The divisions whose parts may be shown, as bits."""
        return self.opened & ~self.veiled_divisions


@lru_cache(maxsize=16_384)
def _shown(resolved: frozenset[Span], possible: int) -> int:
    atoms = [_MASKS[span] & possible for span in resolved if not any(part in resolved for part in TREE.get(span, ()))]
    opaque = 0 if YEAR in resolved else possible
    return sum(
        _BIT[span]
        for span, mask in _MASKS.items()
        if not mask & opaque and all(mask & atom in (0, atom) for atom in atoms)
    )


def top(row: Row, k: int) -> None:
    """What may be shown of a place above which nobody looks."""
    row.begin()
    row.possible = _MASKS[YEAR] if row.whole else 0
    if row.whole < k:
        return
    waiting = [YEAR]
    while waiting:
        span = waiting.pop()
        row.resolved.add(span)
        if span in TREE and _divides(row, span, k):
            waiting += TREE[span]
    row.possible = _known_months(row)
    for number in range(len(row.divisions)):
        if _parts_large(row, number, k) and (not row.beside or not number or row.opened & 1):
            row.opened |= 1 << number


def settle(above: Row, rows: Sequence[Row], k: int) -> None:
    """What may be shown of the places right below one for which that is settled, and what of it is veiled by them."""
    above.veiled, above.veiled_divisions = set(), 0
    for row in rows:
        # A month with somebody is never taken for empty, whatever is known of the place above.
        row.begin()
        row.possible = above.possible | row.peopled
    if YEAR not in above.resolved:
        return
    there = [row for row in rows if row.whole]
    chosen, rest = _choose(
        [row for row in there if row.whole >= max(k, row.bar)],
        [row for row in there if row.whole < max(k, row.bar)],
        lambda chosen, rest: (
            _hides(_unknown(above, chosen, rest), rest, k) and (bool(rest) or _blurs(above, chosen, k))
        ),
    )
    hidden = _unknown(above, chosen, rest)
    _raise_bars(hidden, rest, k)
    if _hides(hidden, rest, k):
        # Where nobody is shown to be, everybody hidden is known to be one at least: there is room for that.
        for row in rows:
            if not row.whole:
                row.possible = 0
    elif any(row.knows for row in rest):
        above.veiled, above.veiled_divisions = set(NODES), EVERY_DIVISION
        return
    for row in chosen:
        row.resolved.add(YEAR)
        row.floor = row.whole
    nobody = [row for row in rows if not row.whole]
    _resolve(above, YEAR, chosen, [*rest, *nobody], k)
    for row in chosen:
        row.possible &= _known_months(row)
    unknown = [*rest, *(row for row in nobody if any(map(any, row.divisions)))]
    for number in range(len(above.divisions)):
        if above.opened >> number & 1:
            _open(above, number, chosen, unknown, k)


def _blurs(above: Row, rows: Sequence[Row], k: int) -> bool:
    """Whether what has changed since the rows were released is known of none within less than k, where all are shown.

    Of a row that has few persons meanwhile, in a stretch or a part in which none or k were shown.
    """
    tables = [(above.at(span), [row.at(span) for row in rows]) for span in above.resolved]
    for number, parts in enumerate(above.divisions):
        if above.opened >> number & 1:
            tables += [(part, [row.divisions[number][each] for row in rows]) for each, part in enumerate(parts)]
    return all(_vague(above, total, list(zip(rows, counts, strict=True)), k) for total, counts in tables)


def _vague(above: Row, total: int, shown: Sequence[tuple[Row, int]], k: int) -> bool:
    """The same of one sum: from what to what a count can be when the others are as many, or as few, as they can be.

    Who has not been released just now has moved by fewer than k, or has become few since the day began: a difference
    that the first can't explain says so, and of how many are left too much.
    """
    left = total - sum(count for _, count in shown)
    if not left:
        return True
    stale = [count for row, count in shown if not row.fresh]
    own = 0 if above.fresh else k - 1
    more, fewer = own + (k - 1) * len(stale), own + sum(min(k - 1, count) for count in stale)
    if left < -fewer:
        return False
    for count in stale:
        down = min(k - 1, count)
        low = count + max(-down, left - (more - (k - 1)))
        high = count + min(k - 1, left + fewer - down)
        if _safe(count, k) and low < k and high > 0 and high - low < k - 1:
            return False
    return True


def _raise_bars(hidden: int, rest: Sequence[Row], k: int) -> None:
    """Those that the others need to be hidden come to be shown only when that tells nothing of now."""
    for row in rest:
        others = [other for other in rest if other is not row]
        if row.whole < k or not _hides(hidden - row.whole + row.floor, others, k):
            row.bar = max(row.bar, row.whole + k)


def _resolve(above: Row, span: Span, shown: Sequence[Row], hidden: Sequence[Row], k: int) -> None:
    """Resolve those of the `shown` rows at the parts of a stretch whose remainder, with the hidden ones, stays safe.

    Where none does because somebody knows one of the rows, the place above is veiled there.
    """
    parts = TREE.get(span, ())
    known = any(row.knows and row.whole for row in hidden)
    if not (shown or known) or not parts or parts[0] not in above.resolved:
        return
    there = [row for row in shown if row.at(span)]

    def safe(chosen: Sequence[Row], rest: Sequence[Row]) -> bool:
        in_all = above.at(span) - _sum(chosen, span)
        in_parts = [above.at(part) - _sum(chosen, part) for part in parts]
        peopled = [row for row in rest if row.whole]
        if not peopled:
            return all(_safe(abs(each), k) for each in in_parts)

        def hides(places: int, in_all: int, in_parts: Sequence[int]) -> bool:
            return places > 1 and all(_safe(each, k) and _safe(in_all - each, k) for each in in_parts)

        def hides_without(row: Row) -> bool:
            own = [row.at(part) for part in parts]
            left = [each - known for each, known in zip(in_parts, own, strict=True)]
            # Where all there is is its own, the others would be known to have nobody.
            alone = any(known and not each for each, known in zip(left, own, strict=True))
            return not alone and hides(len(peopled) - 1, in_all - row.at(span), left)

        return hides(len(peopled), in_all, in_parts) and all(hides_without(row) for row in peopled if row.knows)

    chosen, rest = _choose(
        [row for row in there if _divides(row, span, k)],
        [*(row for row in there if not _divides(row, span, k)), *hidden],
        safe,
    )
    if any(row.knows and row.whole for row in rest) and not safe(chosen, rest):
        above.veiled |= _inside(span)
        return
    chosen += [row for row in shown if not row.at(span)]
    for part in parts:
        for row in chosen:
            row.resolved.add(part)
        if above.at(part) == _sum(chosen, part):
            for row in rest:
                row.possible &= ~_MASKS[part] | row.peopled
        _resolve(above, part, chosen, rest, k)


def _open(above: Row, number: int, shown: Sequence[Row], hidden: Sequence[Row], k: int) -> None:
    """Open a division for those of the shown rows whose remainder, with the hidden ones, stays safe; else veil it."""

    def safe(chosen: Sequence[Row], rest: Sequence[Row]) -> bool:
        left = [
            part - sum(row.divisions[number][each] for row in chosen)
            for each, part in enumerate(above.divisions[number])
        ]
        if not rest:
            return all(_safe(abs(each), k) for each in left)
        if not any(left):
            return True

        def hides(places: int, left: Sequence[int]) -> bool:
            return places > 1 and all(_safe(each, k) for each in left)

        return hides(len(rest), left) and all(
            hides(len(rest) - 1, [each - own for each, own in zip(left, row.divisions[number], strict=True)])
            for row in rest
            if row.knows and any(row.divisions[number])
        )

    good = [row for row in shown if _parts_large(row, number, k) and (not row.beside or not number or row.opened & 1)]
    chosen, rest = _choose(good, [*(row for row in shown if row not in good), *hidden], safe)
    if any(row.knows for row in rest) and not safe(chosen, rest):
        above.veiled_divisions |= 1 << number
        return
    for row in chosen:
        row.opened |= 1 << number


def _inside(span: Span) -> set[Span]:
    """Everything that a stretch is made of."""
    return {part for part in NODES if part != span and span[0] <= part[0] and part[1] <= span[1]}


def _choose(
    candidates: Iterable[Row], others: Sequence[Row], safe: Callable[[Sequence[Row], Sequence[Row]], bool]
) -> tuple[list[Row], list[Row]]:
    """(chosen, rest): of the candidates as many as leave a safe rest, the smallest left out first."""
    chosen = sorted(candidates, key=lambda row: (-row.whole, row.place))
    rest = list(others)
    while chosen and not safe(chosen, rest):
        rest.append(chosen.pop())
    return chosen, rest


def _unknown(above: Row, chosen: Iterable[Row], rest: Iterable[Row]) -> int:
    """How many persons of the hidden places nobody was told of, now or before."""
    return above.whole - _sum(chosen, YEAR) - sum(row.floor for row in rest)


def _hides(unknown: int, rest: Sequence[Row], k: int) -> bool:
    """Whether these places hide so many persons, each of them one at least, if any one that knows tells its own."""
    if not rest:
        return _safe(abs(unknown), k)
    if len(rest) < 2 or unknown < k + len(rest):
        return False
    own = max((row.whole - row.floor for row in rest if row.knows), default=None)
    return own is None or (len(rest) > 2 and unknown - own >= k + len(rest) - 1)


def _divides(row: Row, span: Span, k: int) -> bool:
    """Whether each part of the stretch, and what is left of it, counts nobody or k persons or more.

    Where the whole was shown and the parts were not, so many more that nothing follows of when one of them was small.
    """
    whole = row.at(span)
    least = 2 * k - 1 if span in row.was and TREE[span][0] not in row.was else k
    return all(_safe(row.at(part), least) and _safe(abs(whole - row.at(part)), least) for part in TREE[span])


def _parts_large(row: Row, number: int, k: int) -> bool:
    """The same of the parts of a division."""
    least = 2 * k - 1 if YEAR in row.was and not row.was_opened >> number & 1 else k
    return all(_safe(part, least) for part in row.divisions[number])


def _safe(persons: int, k: int) -> bool:
    return persons == 0 or persons >= k


def _sum(rows: Iterable[Row], span: Span) -> int:
    return sum(row.at(span) for row in rows)


def _known_months(row: Row) -> int:
    """Months that resolved stretches do not say are empty."""
    known = _MASKS[YEAR]
    for span in row.resolved:
        if not row.at(span):
            known &= ~_MASKS[span]
    return known
