"""PDF by Typst: a page is a constant programme; what it shows reaches it as data and is never read as code."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import typst

NO_GLYPH: Final = 3
"""How a printing process ends where a letter cannot be printed."""
Standard = Literal["a-2b", "ua-1"]
"""PDF/A-2b for what is kept, PDF/UA-1 for what everybody must be able to read."""
_MISSING = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


class MissingGlyph(ValueError):
    """The font has no glyph for this text; what is meant to last prints no empty boxes."""


def typeset(page: Path, inputs: Mapping[str, str], at: datetime, standard: Standard) -> bytes:
    """The PDF of a page with its inputs; only the fonts inside the typst package are used, nothing is fetched.

    Raises MissingGlyph for letters they do not have.
    """
    compiler = typst.Compiler(
        page.read_bytes(),
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs=dict(inputs),
    )
    try:
        pdf = compiler.compile(format="pdf", timestamp=at, pdf_standards=standard)
    except typst.TypstError as refused:
        if missing := _MISSING.search(refused.message):
            raise MissingGlyph(_ESCAPED.sub(lambda code: chr(int(code[1], 16)), missing[1])) from None
        raise
    assert isinstance(pdf, bytes)
    return pdf
