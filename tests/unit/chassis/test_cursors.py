"""Cursors over text columns."""

import pytest

from shared.errors import InvalidInput
from shared.web.cursors import decode_text_cursor, encode_cursor


def test_text_keys_come_back() -> None:
    assert decode_text_cursor(encode_cursor("Jizzax", "0198"), 2) == ["Jizzax", "0198"]


@pytest.mark.parametrize("cursor", [encode_cursor(7), encode_cursor("a", 7), encode_cursor("a"), "%%%"])
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        decode_text_cursor(cursor, 2)
