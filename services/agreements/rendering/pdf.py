"""Content as PDF/A by Typst: the page is a constant programme; content reaches it as data and is never read as code."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

PAGE = Path(__file__).parent / "document.typ"
STANDARD = "a-2b"


def to_pdf(content: dict[str, Any], sha256: str) -> bytes:
    """The PDF of a content; only the fonts that come inside the typst package are used, nothing is fetched."""
    issued = datetime.fromisoformat(content["issued_on"]).replace(tzinfo=UTC)
    compiler = typst.Compiler(
        PAGE.read_bytes(),
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs={"content": json.dumps(content), "sha256": sha256},
    )
    pdf = compiler.compile(format="pdf", timestamp=issued, pdf_standards=STANDARD)
    assert isinstance(pdf, bytes)
    return pdf
