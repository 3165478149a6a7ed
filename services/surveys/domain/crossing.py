"""Professions by places, of a year that is over: which cells and margins may be shown so that none of the rest follows.

Cells, profession totals and place totals are sums of each other, and place totals are shown elsewhere, too, as far as
they are in pools. So they are hidden together: of each topic the cells that too few answered, those whose mean and
spread would pin a count, those of a single institution, and others with them (shared/suppression.py), until whoever
knows all that is shown, how many named no profession, and the margins of the table above, can compute none of the
hidden ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.surveys.domain import hiding
from services.surveys.domain.pooling import LEAST_CAMPAIGNS
from services.surveys.domain.statistics import Sums
from shared.suppression import Relation, hide

ALL: Final = "*"
"""Instead of a profession or a place: all of them."""
BEYOND: Final = ""
"""The place of answers that count in the whole alone, and in none of its places."""
_NOBODY: Final = "nobody"
_SHOWN: Final = "shown"
_WAITING: Final = "waiting"

Cell = tuple[str, str]
"""Profession and place."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Of a cell and topic: the sums, how often each rating was given, from the lowest to the highest, and in how many
    campaigns."""

    sums: Sums
    ratings: Sequence[int]
    campaigns: int

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(
            self.sums + other.sums,
            [one + more for one, more in zip(self.ratings, other.ratings, strict=True)],
            self.campaigns + other.campaigns,
        )


@dataclass(frozen=True, slots=True)
class Topic:
    """What a respondent group answered to one topic: by cell; by place all answers, and how many pools show."""

    cells: Mapping[Cell, Answers]
    totals: Mapping[str, int]
    pooled: Mapping[str, int]
    """By place, and of ALL, what the pools there hold."""

    def of(self, cell: Cell) -> Answers | None:
        """A cell, or the margin of a profession; None where nobody answered."""
        profession, place = cell
        if place != ALL:
            return self.cells.get(cell)
        found: Answers | None = None
        for (named, _), each in self.cells.items():
            if named == profession:
                found = each if found is None else found + each
        return found


Group = Mapping[str, Topic]
"""A respondent group's topics."""


@dataclass(frozen=True, slots=True)
class Table:
    """What may be shown of a respondent group: by topic the cells, margins of professions among them."""

    shown: Mapping[str, Mapping[Cell, Sums]] = field(default_factory=dict)

    def cells(self) -> set[Cell]:
        """All cells of which anything is shown."""
        return {cell for cells in self.shown.values() for cell in cells}


@dataclass
class _Sheet:
    """One topic as cells that are sums of each other."""

    topic: Topic
    professions: Sequence[str]
    places: Sequence[str]
    values: dict[Cell, int] = field(init=False)
    relations: list[Relation] = field(init=False)
    fixed: set[Cell] = field(init=False)
    unseen: set[Cell] = field(init=False)

    def __post_init__(self) -> None:
        topic = self.topic
        found = {cell: each.sums.count for cell, each in topic.cells.items()}
        cells = {(one, place): found.get((one, place), 0) for one in self.professions for place in self.places}
        self.values, self.relations, self.unseen = dict(cells), [], set()
        # That nobody of a profession answered in a place is about none who did: taken as known.
        self.fixed = {cell for cell, count in cells.items() if not count}
        for one in self.professions:
            parts = tuple((one, place) for place in self.places)
            self.values[one, ALL] = sum(cells[part] for part in parts)
            self.relations.append(Relation((one, ALL), parts))
        for place in self.places:
            # Who named no profession is no group of its own: known to whoever knows the rest, so no help in hiding.
            named = tuple((one, place) for one in self.professions)
            self.values[ALL, place] = topic.totals.get(place, 0)
            self.values[_NOBODY, place] = self.values[ALL, place] - sum(cells[part] for part in named)
            self.fixed.add((_NOBODY, place))
            self.relations.append(Relation((ALL, place), (*named, (_NOBODY, place))))
        self.values[ALL, ALL] = sum(self.values[ALL, place] for place in self.places)
        self.relations.append(Relation((ALL, ALL), tuple((ALL, place) for place in self.places)))
        for place in (*(each for each in self.places if each != BEYOND), ALL):
            self._link(place)

    def _link(self, place: str) -> None:
        """What pools show of a place, and what waits to be shown in a pool above: the total must not tell it."""
        pooled = self.topic.pooled.get(place, 0)
        waiting = self.values[ALL, place] - pooled
        if not waiting:
            self.fixed.add((ALL, place))
            return
        self.values[_SHOWN, place], self.values[_WAITING, place] = pooled, waiting
        self.fixed.add((_SHOWN, place))
        self.unseen |= {(_WAITING, place), (ALL, place)}
        self.relations.append(Relation((ALL, place), ((_SHOWN, place), (_WAITING, place))))

    def rows(self, margins: Collection[Cell]) -> set[Cell]:
        """The cells of the professions that have these margins."""
        return {(one, place) for one, _ in margins for place in self.places} - self.fixed

    def small(self, k: int) -> set[Cell]:
        """Cells and margins of professions that too few answered."""
        return {cell for cell in self.named if 0 < self.values[cell] < k}

    def fragile(self, k: int) -> set[Cell]:
        """Cells and margins whose mean and spread would pin a count, or are a single institution's."""
        return {cell for cell in self.named if self.values[cell] >= k and not _firm(self.topic.of(cell), k)}

    @property
    def named(self) -> list[Cell]:
        """Cells and margins of professions."""
        return [(one, place) for one in self.professions for place in (*self.places, ALL)]

    def telling(self, hidden: Collection[Cell], k: int) -> Cell | None:
        """A cell to hide because hidden ones beside it, taken together, would pin a count; None where all is well."""
        for relation in self.relations:
            profession, _ = relation.total
            if profession in (ALL, _NOBODY) or relation.total in hidden:
                continue  # of a place, ratings without a profession are among the rest
            parts = [self.topic.cells.get(part) for part in relation.parts if part in hidden]
            known = [part for part in parts if part is not None]
            if not known or _firm(_sum(known), k):
                continue
            open_ = [part for part in relation.parts if part not in hidden]
            if open_:
                smallest: Cell = min(open_, key=lambda part: (self.values[part], str(part)))
                return smallest
        return None


def _sum(parts: Sequence[Answers]) -> Answers:
    first, *rest = parts
    for each in rest:
        first = first + each
    return first


def _firm(answers: Answers | None, k: int) -> bool:
    """Whether figures of these answers say nothing of a few, and nothing of a single institution."""
    if answers is None:
        return True
    return answers.campaigns >= LEAST_CAMPAIGNS and hiding.moments(answers.ratings, k) == hiding.ALL


def cross(group: Group, k: int, above: Table | None = None, place: str = "", *, complementary: bool = True) -> Table:
    """What may be shown of a group's professions by places.

    `above` is the table in which this whole is the column `place`: what it shows of it is known, and a profession that
    it hides there is hidden in every place here: so nothing here says how that one's margin divides from others' that
    are hidden with it. Without `complementary` suppression small cells alone are hidden, to show that it would not do.
    """
    asked = {name: topic for name, topic in group.items() if topic.cells}
    professions = sorted({one for topic in asked.values() for one, _ in topic.cells})
    places = sorted({each for topic in asked.values() for each in topic.totals})
    sheets = {name: _Sheet(topic, professions, places) for name, topic in asked.items()}
    told: dict[str, set[Cell] | None] = dict.fromkeys(sheets)
    if above is not None:
        for name in sheets:
            told[name] = {(one, ALL) for one in professions if (one, place) in above.shown.get(name, {})}
    hidden = {cell for sheet in sheets.values() for cell in sheet.small(k)}
    if not complementary:
        return _table(sheets, dict.fromkeys(sheets, hidden))
    # What is small in one topic is hidden in all: nearly as many answer one as another.
    grown = True
    while grown:
        before = len(hidden)
        for name, sheet in sheets.items():
            hidden |= _more(sheet, k, told[name], hidden, ())
        grown = len(hidden) > before
    return _table(sheets, {name: _of_topic(sheet, k, told[name], hidden) for name, sheet in sheets.items()})


def _more(
    sheet: _Sheet, k: int, told: Collection[Cell] | None, hidden: Collection[Cell], protect: Collection[Cell]
) -> set[Cell]:
    """What else is hidden of a topic; of margins the table above decides, where there is one (`told`)."""
    margins = {cell for cell in sheet.named if cell[1] == ALL}
    untold = set() if told is None else margins - set(told)
    # Taken as known, so that nothing the table above says of them is news: but for small ones, of which none could be
    # protected then. Their rows are hidden as a whole, which leaves to them whatever the table above does.
    known = margins - {cell for cell in untold if sheet.values[cell] < k} if told is not None else set()
    rows = sheet.rows(untold)
    found = hide(
        sheet.values,
        sheet.relations,
        k,
        fixed=sheet.fixed | known,
        hidden=(sheet.unseen | rows | untold | set(hidden)) - known,
        protect=(set(protect) | {cell for cell in sheet.unseen if cell[0] == _WAITING}) - known - untold,
    )
    return (set(found) & set(sheet.named)) - rows - (margins if told is not None else set())


def _of_topic(sheet: _Sheet, k: int, told: Collection[Cell] | None, hidden: Collection[Cell]) -> set[Cell]:
    """All that is hidden of one topic: small cells, those that would pin a count, and others for their sake."""
    fragile = sheet.fragile(k)
    result = {*hidden, *fragile}
    if told is not None:
        untold = {cell for cell in sheet.named if cell[1] == ALL} - set(told)
        result = (result | untold | sheet.rows(untold)) - set(told)
    while True:
        result |= _more(sheet, k, told, result, fragile)
        telling = sheet.telling(result, k)
        if telling is None:
            return result
        result.add(telling)


def _table(sheets: Mapping[str, _Sheet], hidden: Mapping[str, Collection[Cell]]) -> Table:
    shown: dict[str, dict[Cell, Sums]] = {}
    for name, sheet in sheets.items():
        for cell in sheet.named:
            if cell not in hidden[name] and (answers := sheet.topic.of(cell)) is not None:
                shown.setdefault(name, {})[cell] = answers.sums
    return Table(shown)
