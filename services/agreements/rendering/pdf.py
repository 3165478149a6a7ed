"""Content as PDF/A by Typst: the page is a constant programme; content reaches it as data and is never read as code."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typst

PAGE = Path(__file__).parent / "document.typ"
STANDARD: Final = "a-2b"
_MISSING = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


class MissingGlyph(ValueError):
    """The document's font has no glyph for this text; PDF/A prints no empty boxes."""


def to_pdf(content: dict[str, Any], sha256: str) -> bytes:
    """The PDF of a content; only the fonts that come inside the typst package are used, nothing is fetched.

    Raises MissingGlyph for letters they do not have.
    """
    issued = datetime.fromisoformat(content["issued_on"]).replace(tzinfo=UTC)
    compiler = typst.Compiler(
        PAGE.read_bytes(),
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs={"content": json.dumps(content), "sha256": sha256},
    )
    try:
        pdf = compiler.compile(format="pdf", timestamp=issued, pdf_standards=STANDARD)
    except typst.TypstError as refused:
        if missing := _MISSING.search(refused.message):
            raise MissingGlyph(_ESCAPED.sub(lambda code: chr(int(code[1], 16)), missing[1])) from None
        raise
    assert isinstance(pdf, bytes)
    return pdf
