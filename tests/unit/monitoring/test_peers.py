"""Who is compared with whom: the closest group that is large enough, and gives away none of those unseen."""

from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.comparison.peers import LEAST, members, widening

GROUPS = st.tuples(st.sampled_from(["college", "technikum"]), st.integers(4, 6))
PLACES = st.lists(st.tuples(GROUPS, st.booleans()), max_size=80)


@given(GROUPS, PLACES)
def test_of_places_unseen_a_group_has_ten_or_none(
    own: tuple[str, int], places: list[tuple[tuple[str, int], bool]]
) -> None:
    known = [(number, group) for number, (group, _) in enumerate(places)]
    unseen = frozenset(number for number, (_, seen) in enumerate(places) if not seen)
    wider, found = members(own, known, unseen)
    assert len(found) >= LEAST if wider is not None else not found
    strangers = len(unseen & set(found))
    assert strangers == 0 or strangers >= LEAST
    # Nothing closer would have done.
    for closer in widening(own):
        if closer == wider:
            break
        here = [number for number, group in known if closer in widening(group)]
        assert len(here) < LEAST or 0 < len(unseen.intersection(here)) < LEAST


def test_a_few_others_among_ones_own_are_told_of_as_part_of_more() -> None:
    own = [(number, ("college", 5)) for number in range(12)]
    few = [(100 + number, ("college", 5)) for number in range(3)]
    more = [(200 + number, ("college", 6)) for number in range(9)]
    unseen = frozenset(number for number, _ in (*few, *more))
    assert members(("college", 5), own, unseen)[0] == ("college", 5)
    assert members(("college", 5), [*own, *few], unseen) == (None, [])
    assert members(("college", 5), [*own, *few], frozenset(), unseen) == (None, []), "whatever few they are"
    wider, found = members(("college", 5), [*own, *few, *more], unseen)
    assert (wider, len(found)) == (("college", None), 24)
