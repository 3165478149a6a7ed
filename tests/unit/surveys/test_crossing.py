"""Professions by places: nobody who sees all tables computes a hidden cell; without hiding others, he does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.surveys.domain.crossing import ALL, BEYOND, Answers, Cell, Table, Topic, cross
from services.surveys.domain.statistics import Sums
from tests.support.disclosure import Attack, Known

K = 10
RATINGS = 5
Key = tuple[str, str, str, int]
"""Profession, region, district, rating."""


@dataclass
class Country:
    """How many gave each rating, by profession, region ("" for none) and district ("" for none of a region)."""

    answers: dict[str, dict[Key, int]] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int, professions: int, regions: int, size: int) -> "Country":
        chance = Random(seed)
        country = cls({topic: {} for topic in ("theory", "technology")})
        codes = [f"{7000 + number}" for number in range(professions)]
        weights = [1 / (number + 1) ** 1.5 for number in range(professions)]
        tastes = {code: [chance.random() ** 2 + 0.1 for _ in range(RATINGS)] for code in codes}
        for _ in range(size):
            code = chance.choices(codes, weights)[0] if chance.random() < 0.95 else ""
            region = f"17{chance.randrange(regions):02d}"
            district = f"{region}{chance.randrange(3)}" if chance.random() < 0.95 else BEYOND
            if district == BEYOND and chance.random() < 0.3:
                region = BEYOND
            for cells in country.answers.values():
                if chance.random() < 0.97:
                    rating = chance.choices(range(RATINGS), tastes.get(code))[0]
                    cells[code, region, district, rating] = cells.get((code, region, district, rating), 0) + 1
        return country

    def group(self, region: str | None = None) -> dict[str, Topic]:
        """The table of the nation by regions, or of a region by districts; of some places part waits to be pooled."""
        return {name: self._topic(cells, region) for name, cells in self.answers.items()}

    def _topic(self, cells: Mapping[Key, int], region: str | None) -> Topic:
        found: dict[Cell, list[int]] = {}
        totals: dict[str, int] = {}
        for (code, in_region, district, rating), count in cells.items():
            if region is not None and in_region != region:
                continue
            place = in_region if region is None else district
            totals[place] = totals.get(place, 0) + count
            if code:
                found.setdefault((code, place), [0] * RATINGS)[rating] += count
        answers = {
            cell: Answers(
                Sums(
                    sum(ratings),
                    sum(25_000 * rating * count for rating, count in enumerate(ratings)),
                    sum((25_000 * rating) ** 2 * count for rating, count in enumerate(ratings)),
                ),
                ratings,
                2,
            )
            for cell, ratings in found.items()
        }
        pooled = {place: total - waiting(place) for place, total in totals.items() if total > waiting(place)}
        return Topic(answers, totals, {**pooled, ALL: sum(totals.values()) - (waiting(region) if region else 0)})


def waiting(place: str) -> int:
    """How many answers of a place are in no pool of its own."""
    return 4 if place and int(place) % 3 == 1 else 0


def tables(country: Country, *, complementary: bool = True) -> dict[str, Table]:
    """The nation's table ("") and the regions'."""
    nation = cross(country.group(), K, complementary=complementary)
    regions = {region for cells in country.answers.values() for _, region, _, _ in cells if region}
    found = {"": nation}
    for region in sorted(regions):
        found[region] = cross(country.group(region), K, nation, region, complementary=complementary)
    return found


def knowledge(country: Country, shown: Mapping[str, Table], topic: str) -> Iterator[Known]:
    """Every figure of the tables as sums of ratings; totals that pools show; and how many named no profession."""
    cells = country.answers[topic]
    for whole, table in shown.items():
        group = country.group(whole or None)[topic]
        for (code, place), sums in table.shown.get(topic, {}).items():
            inside = tuple(key for key in cells if key[0] == code and _within(key, whole, place))
            yield from moments(inside, sums)
        for place, count in group.totals.items():
            nobody = tuple(key for key in cells if not key[0] and _within(key, whole, place))
            yield Known(nobody, sum(cells[key] for key in nobody))
            if not waiting(place) and place != BEYOND:
                inside = tuple(key for key in cells if _within(key, whole, place))
                yield Known(inside, count)


def moments(inside: tuple[Key, ...], sums: Sums) -> Iterator[Known]:
    """What count, mean and spread say of the ratings."""
    yield Known(inside, sums.count)
    yield Known(inside, sums.total / 25_000, weights=tuple(float(key[3]) for key in inside))
    yield Known(inside, sums.squares / 25_000**2, weights=tuple(float(key[3] ** 2) for key in inside))


def _within(key: Key, whole: str, place: str) -> bool:
    if whole:
        return key[1] == whole and place in (ALL, key[2])
    return place in (ALL, key[1])


def attack(country: Country, shown: Mapping[str, Table]) -> list[str]:
    """Hidden cells below k that somebody places within less than k, and ratings of cells that he knows for sure."""
    found = []
    for topic, cells in country.answers.items():
        # Of every rating he may doubt every number: those that nobody gave too.
        every = {(code, region, district): None for code, region, district, _ in cells}
        full = {(*key, rating): cells.get((*key, rating), 0) for key in every for rating in range(RATINGS)}
        known = list(knowledge(Country({topic: full}), shown, topic))
        counts: dict[str, tuple[tuple[Key, ...], int, int]] = {}
        ratings: dict[str, tuple[tuple[Key, ...], int, int]] = {}
        for whole in shown:
            places = {key[2] if whole else key[1] for key in full if not whole or key[1] == whole} | {ALL}
            for code in {key[0] for key in full if key[0]}:
                for place in places:
                    inside = tuple(key for key in full if key[0] == code and _within(key, whole, place))
                    total = sum(full[key] for key in inside)
                    if (code, place) not in shown[whole].shown.get(topic, {}) and total:
                        counts[f"{topic} {whole}/{code}/{place}"] = inside, total, 0
                    for rating in range(RATINGS):
                        some = tuple(key for key in inside if key[3] == rating)
                        if total:
                            ratings[f"{topic} {whole}/{code}/{place}:{rating}"] = (
                                some,
                                sum(full[key] for key in some),
                                0,
                            )
        found += Attack([each for each in known if not each.weights], counts, K).found(only_small=True)
        found += Attack(known, ratings, K).pinned()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "professions", "regions", "size"), [(4, 4, 3, 700), (9, 4, 4, 1500)])
def test_nobody_who_sees_all_tables_computes_a_hidden_cell(
    seed: int, professions: int, regions: int, size: int
) -> None:
    country = Country.drawn(seed, professions, regions, size)
    shown = tables(country)
    assert shown[""].cells()
    assert attack(country, shown) == []


@pytest.mark.slow
def test_without_hiding_others_he_does() -> None:
    country = Country.drawn(2, 4, 2, 600)
    assert attack(country, tables(country, complementary=False)) != []


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_tables_of_two_levels_show_the_same_of_a_place(seed: int) -> None:
    shown = tables(Country.drawn(seed, 5, 3, 600))
    nation = shown.pop("")
    for region, table in shown.items():
        for topic, cells in table.shown.items():
            margins = {code: sums for (code, place), sums in cells.items() if place == ALL}
            column = {code: sums for (code, place), sums in nation.shown.get(topic, {}).items() if place == region}
            assert margins == column
    assert all(sums.count >= K for table in shown.values() for cells in table.shown.values() for sums in cells.values())
