"""Content as tagged PDF that screen readers read (PDF/UA-1), by the page of that name."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.monitoring.outputs.printing.press import Page
from shared.printing.typesetting import Standard, typeset

FOLDER = Path(__file__).parent
STANDARD: Final[Standard] = "ua-1"


def to_pdf(page: Page, content: dict[str, Any]) -> bytes:
    """The PDF of a content; raises MissingGlyph for letters that the font does not have."""
    source = FOLDER / f"{Page(page)}.typ"
    made_at = datetime.fromisoformat(content["made_at"]).replace(microsecond=0)
    return typeset(source, {"content": json.dumps(content)}, made_at, STANDARD)
