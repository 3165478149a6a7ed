"""The press of reports: one at a time, each in a process of its own."""

import json
from enum import StrEnum
from typing import Any

from shared.printing.press import Press

PRESS = Press("reports", places=1, inside_at_most=8)


class Page(StrEnum):
    """What can be printed, by the name of its page."""

    REPORT = "report"
    DICTIONARY = "dictionary"


async def printed(page: Page, content: dict[str, Any]) -> bytes:
    """The PDF of a content, if not too many wait for theirs; raises Unavailable, Unprintable."""
    with PRESS.admitted():
        job = json.dumps({"page": page, "content": content}).encode()
        return await PRESS.run("services.monitoring.outputs.printing", job, page)
