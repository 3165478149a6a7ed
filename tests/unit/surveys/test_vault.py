"""What the database holds of codes and staged answers says nothing without the pepper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.domain.codes import read_code
from services.surveys.vault import BLOCK, SealBroken, Vault

MINE = Vault("pepper-of-these-tests")
OTHER = Vault("pepper-of-somebody-else")


def test_codes_of_a_batch_differ_and_can_be_made_again_with_the_same_key_only() -> None:
    codes = list(MINE.codes("batch", "key", 2000))
    assert len(set(codes)) == 2000
    assert all(read_code(code) == code for code in codes)
    assert list(MINE.codes("batch", "key", 10)) == codes[:10]
    for others in (MINE.codes("batch", "yek", 10), MINE.codes("other", "key", 10), OTHER.codes("batch", "key", 10)):
        assert not set(others) & set(codes)


def test_a_fingerprint_depends_on_code_and_pepper() -> None:
    one, two = MINE.codes("batch", "key", 2)
    assert MINE.fingerprint(one) == MINE.fingerprint(one)
    assert len({MINE.fingerprint(one), MINE.fingerprint(two), OTHER.fingerprint(one)}) == 3
    assert one.encode() not in MINE.fingerprint(one)


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=500), max_size=5))
def test_a_sealed_answer_opens_for_its_campaign_and_pepper_only(content: dict[str, str]) -> None:
    sealed = MINE.seal("campaign", content)
    assert MINE.unseal("campaign", sealed) == content
    with pytest.raises(SealBroken):
        MINE.unseal("another", sealed)
    with pytest.raises(SealBroken):
        OTHER.unseal("campaign", sealed)


def test_short_and_long_answers_look_alike() -> None:
    empty, full = MINE.seal("c", {}), MINE.seal("c", {"comment": "x" * (BLOCK - 100)})
    assert len(empty) == len(full)
    assert MINE.seal("c", {}) != empty


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match="16 characters"):
        Vault("short")
