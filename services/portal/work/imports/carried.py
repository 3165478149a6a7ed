"""What a page carries from one request to the next, packed: a small file, or a long list of faults.

The portal is stateless and may be several: a copy kept here would have to be found by all of them, be somebody's, and
be forgotten in time. So a file that is small enough goes back to its sender within the page and comes again with the
button. It is theirs either way: what comes back is judged by the service like any other file.
"""

import base64
import binascii
import zlib
from typing import Final

MOST_CARRIED_BYTES: Final = 1_000_000
"""Packed: some 20,000 rows of a CSV file, and a page that a phone still loads."""


def packed(content: bytes) -> str:
    """The content as the value of a hidden field; "" where it is too large to be carried."""
    small = zlib.compress(content, 6)
    return base64.b64encode(small).decode() if len(small) <= MOST_CARRIED_BYTES else ""


def unpacked(text: str, most: int) -> bytes:
    """What was packed; nothing where it was not packed by us, or is of more than `most` bytes."""
    try:
        small = base64.b64decode(text, validate=True)
        # few bytes may unpack to many
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(small, most + 1)
    except (binascii.Error, zlib.error, ValueError):
        return b""
    return content if unpacking.eof and len(content) <= most else b""
