"""The press of reports: one at a time, each in a process of its own."""

import json
import re
from enum import StrEnum
from typing import Any, Final

from shared.errors import Unavailable
from shared.printing.press import Press, Unprintable

# ASCII; Latin with its signs and accents; Greek; Cyrillic; Latin with dots; punctuation; currencies; №; mathematics
_NOT_DRAWN: Final = re.compile(
    "[^\x00-\x7f\xa0-\u0377\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u04ff\u1e00-\u1eff\u2000-\u2040\u20a0-\u20bf"
    "\u2100-\u211e\u2190-\u22ff]"
)
"""Letters that the fonts may lack: of all others it is known that they have them."""
PRESS = Press("reports", places=1, inside_at_most=8)


class Page(StrEnum):
    """What can be printed, by the name of its page."""

    REPORT = "report"
    DICTIONARY = "dictionary"


async def printed(page: Page, content: dict[str, Any]) -> bytes:
    """The PDF of a content, if not too many wait for theirs; raises Unavailable.

    Letters that the font lacks – in the name of an institution, say – stand as question marks.
    """
    told = json.dumps({"page": page, "content": content}, ensure_ascii=False)
    with PRESS.admitted():
        while True:
            try:
                return await PRESS.run("services.monitoring.outputs.printing", told.encode(), page)
            except Unprintable as letters:
                left = _without(told, str(letters))
            if left == told:
                raise Unavailable(service="reports")
            told = left


def _without(told: str, letters: str) -> str:
    """The content without these letters and all others that may be lacking.

    The typesetter names one stretch of them at a time, and every try takes the press anew.
    """
    return _NOT_DRAWN.sub("?", told.translate({ord(letter): "?" for letter in letters if not letter.isascii()}))
