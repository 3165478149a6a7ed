"""The press of reports: one at a time, each in a process of its own."""

import json
from enum import StrEnum
from typing import Any

from shared.errors import Unavailable
from shared.printing.press import Press, Unprintable

MOST_SCRIPTS = 5
"""So often letters are taken out before a text is given up: the typesetter names one stretch of them at a time."""
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
        for _ in range(MOST_SCRIPTS):
            try:
                return await PRESS.run("services.monitoring.outputs.printing", told.encode(), page)
            except Unprintable as letters:
                told = told.translate({ord(letter): "?" for letter in str(letters) if not letter.isascii()})
    raise Unavailable(service="reports")
