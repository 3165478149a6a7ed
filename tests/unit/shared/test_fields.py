"""Fields that commands of several services share: what no name may hold."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.contracts.fields import Name

NAMES = TypeAdapter(Name)


@pytest.mark.parametrize(
    "sign", ["\n", "\t", "\x85", "\u200b", "\u202e", "\u2028", "\ue000", "\ufeff", "\ufffe", "\uffff", "\ud800"]
)
def test_a_name_holds_nothing_that_cannot_be_seen_or_turns_others_round(sign: str) -> None:
    with pytest.raises(ValidationError, match=r"control_characters|string_unicode"):
        NAMES.validate_python(f"Kollej{sign}7")


@pytest.mark.parametrize("name", ["“Oʻzbekiston” AJ", "Ўқув маркази №\u00a05", "Ёшлар – 2030", "क\u200d्ष"])
def test_what_people_write_is_a_name(name: str) -> None:
    assert NAMES.validate_python(f"  {name} ") == name
