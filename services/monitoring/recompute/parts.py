"""Institutions put together: what they count as adds up, but for members that several of them refer to."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.monitoring.recompute.book import Amounts, Book, Seen, counted
from services.monitoring.recompute.country import ALWAYS, Country, Own, Territory, bases
from shared.contracts.reporting import SubmissionState

Values = dict[tuple[str, str, str], int]
"""Amount by (measure's name, place's code, period's text), see Amounts; what is missing is zero."""
Row = tuple[str, str, str]
"""(measure's name, code of the place right above, member)."""


@dataclass
class Part:
    """Some institutions: their own values; what they make for the places right above them; and the members that must
    be united with those of other institutions before they are counted there."""

    own: dict[str, Amounts] = field(default_factory=dict)
    above: dict[str, Amounts] = field(default_factory=lambda: defaultdict(Counter))
    shared: dict[Row, Seen] = field(default_factory=lambda: defaultdict(Seen))

    def take(self, code: str, own: Own) -> None:
        """Add an institution, or an office."""
        book = Book(own)
        mine = book.sums()
        if any(state.level in ("district", "region") for state in own.of(SubmissionState)):
            self.above[code].update(mine)
            return
        people = counted((name, seen) for (name, _), seen in book.people.items())
        firms = counted((name, seen) for (name, _), seen in book.firms.items())
        self.own[code] = _added(mine, people, firms)
        for base, spans in bases(own).items():
            members = [(name, ref, seen) for (name, ref), seen in book.firms.items()]
            if spans == ALWAYS:
                self.above[base].update(mine)
                self.above[base].update(people)
            else:
                self.above[base].update(book.sums(spans))
                # Who is counted in two districts may be counted once in the region.
                members += [(name, f"{code}/{ref}", seen) for (name, ref), seen in book.people.items()]
            for name, member, seen in members:
                if there := seen.within(spans):
                    self.shared[name, base, member].join(there)


def lifted(territory: Territory, above: Mapping[str, Amounts]) -> dict[str, Amounts]:
    """Amounts of places right above institutions, at every place above them too."""
    found: dict[str, Amounts] = defaultdict(Counter)
    for base, amounts in above.items():
        for place in territory.up(base):
            found[place].update(amounts)
    return found


def united(territory: Territory, shared: Iterable[tuple[Row, Seen]]) -> dict[str, Amounts]:
    """How many different members there are at each place of the territory; every row of a member must be among them."""
    members: dict[Row, Seen] = defaultdict(Seen)
    for (name, base, member), seen in shared:
        for place in territory.up(base):
            members[name, place, member].join(seen)
    by_place: dict[str, list[tuple[str, Seen]]] = defaultdict(list)
    for (name, place, _), seen in members.items():
        by_place[place].append((name, seen))
    return {place: counted(found) for place, found in by_place.items()}


def recompute(country: Country) -> Values:
    """All values of the country."""
    part = Part()
    for code, own in country.owners().items():
        part.take(code, own)
    return whole(country.territory, part)


def whole(territory: Territory, part: Part) -> Values:
    """All values, of a part that is all there is."""
    upper = lifted(territory, part.above)
    for place, amounts in united(territory, part.shared.items()).items():
        upper[place].update(amounts)
    return {
        (name, place, period): amount
        for places in (part.own, upper)
        for place, amounts in places.items()
        for (name, period), amount in amounts.items()
        if amount
    }


def _added(*several: Amounts) -> Amounts:
    total: Amounts = Counter()
    for amounts in several:
        total.update(amounts)
    return total
