"""Codes survive a person's typing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.domain.codes import ALPHABET, LENGTH, AccessCode, check_character, code_of, read_code, shown

CODES = st.text(alphabet=ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1).map(lambda b: b + check_character(b))


@given(CODES)
def test_a_code_is_read_as_it_is_shown(code: str) -> None:
    assert read_code(code) == code
    assert read_code(f"  {shown(AccessCode(code)).lower()} ") == code


@given(CODES, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_noticed(code: str, place: int, sign: str) -> None:
    typed = code[:place] + sign + code[place + 1 :]
    assert (read_code(typed) is None) == (typed != code)


@pytest.mark.parametrize(("typed", "meant"), [("o", "0"), ("O", "0"), ("i", "1"), ("L", "1"), ("u", "V"), ("С", "C")])
def test_look_alikes_are_read_as_what_was_meant(typed: str, meant: str) -> None:
    body = meant * (LENGTH - 1)
    code = body + check_character(body)
    assert read_code(typed * (LENGTH - 1) + code[-1]) == code


@pytest.mark.parametrize("typed", ["", "7K3M", "7K3M-Q9TX-2FHW-AAAA", "../../etc", "'; drop", "x" * 10_000])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert read_code(typed) is None


def test_characters_of_codes_are_spread_evenly() -> None:
    generator = random.Random(1)
    seen = "".join(code_of(generator.getrandbits(56))[:-1] for _ in range(3000))
    expected = len(seen) / len(ALPHABET)
    assert all(abs(seen.count(sign) - expected) < 6 * expected**0.5 for sign in ALPHABET)
