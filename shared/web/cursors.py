"""Opaque cursors of keyset pages."""

import base64
import json
from typing import Any

from shared.errors import FieldError, InvalidInput


class BadCursor(InvalidInput):
    """`after` is no cursor of this list."""

    def __init__(self) -> None:
        super().__init__(FieldError("after", "cursor"))


def encode_cursor(*keys: str | int) -> str:
    """The opaque cursor of the last row's sort keys."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, size: int) -> list[Any]:
    """The sort keys of a cursor; raises InvalidInput for anything that encode_cursor did not make."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(keys, list) and len(keys) == size and all(_is_key(key) for key in keys):
            return keys
    except ValueError:
        pass
    raise BadCursor


def decode_text_cursor(cursor: str, size: int) -> list[str]:
    """The sort keys of a cursor over text columns; raises InvalidInput for any other."""
    keys = decode_cursor(cursor, size)
    if not all(isinstance(key, str) for key in keys):
        raise BadCursor
    return keys


def _is_key(key: object) -> bool:
    """Whether PostgreSQL would take it: text without NUL or lone surrogates (UnicodeEncodeError), or a bigint."""
    if isinstance(key, str):
        return b"\x00" not in key.encode()
    return isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**63
