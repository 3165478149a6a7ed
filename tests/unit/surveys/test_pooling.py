"""Pools tell nothing of a campaign that is hidden: tried for every country of a few schools, whoever knows the rule."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.surveys.domain.pooling import Ended, Gathered, above, bundles, pools, settle, whole_topics
from services.surveys.domain.results import topics_of
from services.surveys.domain.statistics import Sums
from services.surveys.domain.tallies import added
from services.surveys.instruments import InstrumentLibrary
from tests.support.surveys import a_response

K = 10
SMALL = 3
LIBRARY = InstrumentLibrary.load()
COUNTRIES = {
    "one district": ["/17/1/a/"] * 6,
    "two districts": ["/17/1/a/"] * 3 + ["/17/1/b/"] * 4,
    "three regions": ["/17/1/a/"] * 3 + ["/17/1/b/"] + ["/17/2/c/"] * 2 + ["/17/3/d/"],
    "lonely schools": ["/17/1/a/", "/17/1/b/", "/17/1/c/", "/17/2/d/", "/17/2/e/", "/17/3/f/"],
}


@pytest.mark.parametrize("country", COUNTRIES)
def test_any_number_below_k_stays_possible_of_every_hidden_campaign(country: str) -> None:
    places = COUNTRIES[country]
    seen: dict[tuple[object, object], list[Sequence[int]]] = {}
    for rests in product(range(SMALL), repeat=len(places)):
        ended = [Ended(str(number), f"{place}{number}/", rests[number], False) for number, place in enumerate(places)]
        counted = settle(ended, SMALL)
        sums = Counter(dict.fromkeys(counted.values(), 0))
        for id_, path in counted.items():
            sums[path] += rests[int(id_)]
        assert all(total >= SMALL for total in sums.values())
        # Which campaigns count where, and what is shown there: all that anybody sees, with the rule itself.
        seen.setdefault((tuple(sorted(counted.items())), tuple(sorted(sums.items()))), []).append(rests)
    assert any(counted for counted, _ in seen)
    for possible in seen.values():
        for number in range(len(places)):
            assert {rests[number] for rests in possible} == set(range(SMALL))


def test_schools_of_nearly_k_answers_don_t_count_where_their_sum_would_tell_each() -> None:
    def counted(rests: Sequence[int]) -> set[str]:
        return set(settle([Ended(str(n), f"/17/1/a/{n}/", rest, False) for n, rest in enumerate(rests)], K).values())

    assert counted((4, 5, 9)) == {"/17/1/a/"}  # each may be anything from 0 to 9
    assert counted((9, 9, 9)) == set()  # 27 of at most 27
    assert counted((9, 9, 9, 0)) == {"/17/1/a/"}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 6), st.sampled_from([1, 3, 8]))
def test_every_campaign_counts_once_in_a_territory_above_it_in_company_of_k(seed: int, wide: int, mean: int) -> None:
    chance = Random(seed)
    ended = []
    for number in range(chance.randint(1, 60)):
        region, district = chance.randrange(wide), chance.randrange(3)
        came = int(chance.expovariate(1 / (2 * mean)))
        path = f"/17/{region}/{region}{district}/{number}/"
        ended.append(Ended(str(number), path, came % K if came >= K else came, came >= K))
    counted = settle(ended, K)
    by_id = {each.id: each for each in ended}
    sums: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    for id_, path in counted.items():
        assert by_id[id_].org_path.startswith(path)
        sums[path] += by_id[id_].rest
        hidden[path] += 0 if by_id[id_].shown else by_id[id_].rest
    assert all(total == 0 or total >= K for total in sums.values())
    assert all(total == 0 or total >= K for total in hidden.values())
    assert {each.id for each in ended if each.shown and not each.rest} <= counted.keys()


def test_single_questions_wait_until_they_are_of_several_campaigns_and_pin_no_count() -> None:
    instrument = LIBRARY.get("S3")
    chance = Random(4)

    def of(count: int, campaigns: int, **same: object) -> dict[str, Gathered]:
        tallied = added(instrument, [{**a_response(instrument, chance), **same} for _ in range(count)])  # type: ignore[dict-item]
        counts: dict[str, dict[str, int]] = {}
        for (topic, option), many in tallied.counts.items():
            counts.setdefault(topic, {})[option] = many
        return {
            topic: Gathered(Sums(*sums), campaigns, counts.get(topic, {}))
            for topic, sums in tallied.sums.items()
            if "@" not in topic
        }

    alike = {"importance": 5, "satisfaction": 3}
    given = {"/17/1/a/": of(80, 1), "/17/1/b/": of(80, 4, theory=alike), "/17/1/c/": of(80, 4)}
    shown = pools(instrument, given, K)
    assert "/17/1/a/" not in shown  # a single school's
    assert "theory.importance" not in shown["/17/1/b/"]  # all say the same
    assert "theory.satisfaction" not in shown["/17/1/b/"]  # nor the other part of the pair
    assert "technology.importance" in shown["/17/1/b/"]
    assert shown["/17/1/c/"]["theory.importance"].sums.count == 80
    assert shown["/17/1/"]["theory.importance"].sums.count == 160  # with the single school's
    # Nothing is shown that is not there, and of a pool whole or not at all.
    for topic in shown["/17/1/c/"]:
        assert sum(of_place[topic].sums.count for of_place in shown.values() if topic in of_place) in (80, 160, 240)


@pytest.mark.parametrize("code", ["S1", "S2", "S3", "S4", "S4T", "S5"])
def test_every_topic_is_shown_in_one_bundle(code: str) -> None:
    instrument = LIBRARY.get(code)
    topics = [topic for bundle in bundles(instrument) for topic in bundle]
    assert len(topics) == len(set(topics))
    assert set(whole_topics(instrument)) <= set(topics)
    assert {topic.name for question in instrument.questions for topic in topics_of(question)} <= set(topics)


def test_nothing_is_above_the_nation() -> None:
    assert [above("/17/1/a/x/"), above("/17/1/a/"), above("/17/"), above("")] == ["/17/1/a/", "/17/1/", "", ""]
