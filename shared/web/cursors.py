"""Opaque cursors of keyset pages."""

import base64
import json
from typing import Any

from shared.errors import FieldError, InvalidInput


def encode_cursor(*keys: str | int) -> str:
    """The opaque cursor of the last row's sort keys."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, size: int) -> list[Any]:
    """The sort keys of a cursor; raises InvalidInput for anything that encode_cursor did not make."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(keys, list) and len(keys) == size and all(isinstance(key, str | int) for key in keys):
            return keys
    except ValueError:
        pass
    raise InvalidInput(FieldError("after", "cursor"))
