"""Content as PDF/A by Typst."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shared.printing.typesetting import Standard, typeset

PAGE = Path(__file__).parent / "document.typ"
STANDARD: Final[Standard] = "a-2b"


def to_pdf(content: dict[str, Any], sha256: str) -> bytes:
    """The PDF of a content; raises MissingGlyph for letters that the font does not have."""
    issued = datetime.fromisoformat(content["issued_on"]).replace(tzinfo=UTC)
    return typeset(PAGE, {"content": json.dumps(content), "sha256": sha256}, issued, STANDARD)
