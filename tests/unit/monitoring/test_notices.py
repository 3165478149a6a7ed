"""What is told to watchers: each place with its own rows and time, in payloads that PostgreSQL takes."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.notices import MAX_PAYLOAD_BYTES, MOST_PAYLOADS, Told, decode, everything, notices

REGIONS = 14
ROWS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 90), st.integers(0, 3)), max_size=60)


def a_country(institutions: int) -> Image:
    """The nation, its regions, and institutions of no district."""
    image = Image()
    places = [Place(1, "17", Level.NATION, None, "/17/", {})]
    places += [
        Place(2 + number, f"17{number:02d}", Level.REGION, "17", f"/17/17{number:02d}/", {})
        for number in range(REGIONS)
    ]
    first = len(places) + 1
    places += [
        Place(first + number, f"school-{number}", Level.INSTITUTION, None, f"/school-{number}/", {})
        for number in range(institutions)
    ]
    image.put(places)
    return image


def told(rows: list[tuple[int, int, int]]) -> Told:
    return Told(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def heard(payloads: list[str]) -> dict[int, tuple[set[int], int]]:
    """Slots and time by place; each place is named once."""
    found = {}
    for payload in payloads:
        for as_of, slots, places in ((move.as_of, move.slots, move.places) for move in decode(payload).moves):
            for place in places:
                assert place not in found
                found[place] = set(slots), as_of
    return found


@given(ROWS)
def test_each_place_goes_with_its_own_rows_and_its_own_time(rows: list[tuple[int, int, int]]) -> None:
    slots: dict[int, set[int]] = defaultdict(set)
    times: dict[int, int] = defaultdict(int)
    for place, slot, as_of in rows:
        slots[place].add(slot)
        times[place] = max(times[place], as_of)
    payloads = notices(a_country(40), told(rows))
    assert heard(payloads) == {place: (slots[place], times[place]) for place in slots}
    assert bool(payloads) is bool(rows)
    assert not any(decode(payload).more for payload in payloads)


def test_what_one_payload_does_not_hold_goes_into_several() -> None:
    rows = [(place, 1 + place % 89, 1_790_000_000_000_000 + place) for place in range(1, 600)]
    payloads = notices(a_country(600), told(rows))
    assert 1 < len(payloads) <= MOST_PAYLOADS
    assert all(len(payload.encode()) <= MAX_PAYLOAD_BYTES for payload in payloads)
    assert set(heard(payloads)) == {place for place, *_ in rows}


def test_of_more_institutions_than_can_be_named_the_places_above_are() -> None:
    rows = [(place, slot, 1_790_000_000_000_000 + place) for place in range(1, 9_000) for slot in (1, 1 + place % 89)]
    payloads = notices(a_country(9_000), told(rows))
    assert set(heard(payloads)) == set(range(1, REGIONS + 2))
    assert all(decode(payload).more for payload in payloads)


def test_places_at_which_the_same_moved_are_one_move_however_many_they_are() -> None:
    payloads = notices(a_country(1_500), told([(place, 7, 5) for place in range(1, 1_500)]))
    assert set(heard(payloads)) == set(range(1, 1_500))
    assert all(len(payload.encode()) <= MAX_PAYLOAD_BYTES for payload in payloads)


def test_where_everything_may_have_moved_it_is_said() -> None:
    assert [decode(payload).more for payload in everything(Told.of({(1, 5): 3}))] == [True]
    assert heard(everything(Told.of({(1, 5): 3, (1, 6): 4}))) == {1: ({5, 6}, 4)}
    # With nobody counted anywhere as well: whoever watches looks anew.
    assert [decode(payload).more for payload in everything(Told.of({}))] == [True]
