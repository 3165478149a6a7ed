"""The document templates as data: `<kind>.toml` says fields and tables, `<kind>.<language>.toml` the text.

Uzbek is written in Latin letters; its Cyrillic is transliterated on loading. A change of a published text is a new
`version`, with its fingerprint in `published.toml`; documents issued before keep their own content.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from services.agreements.domain.documents.content import sha256
from services.agreements.domain.documents.templates import Template, Wording, Words
from shared.contracts.final_stage import DocumentKind
from shared.i18n import Lang
from shared.transliteration import normalise, transliterate

FOLDER = Path(__file__).parent
WRITTEN = (Lang.UZ, Lang.RU, Lang.EN)


@cache
def templates() -> dict[DocumentKind, Template]:
    """The newest template of every kind."""
    words = {lang: Words.model_validate(_in(lang, "common")) for lang in Lang}
    return {kind: _template(kind, words) for kind in DocumentKind}


def fingerprint(template: Template) -> str:
    """The first 16 digits of the SHA-256 of all that a template says, in every language."""
    said = template.model_dump(mode="json", exclude={"words", "version"})
    return sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode())[:16]


def _template(kind: DocumentKind, words: dict[Lang, Words]) -> Template:
    structure = _read(FOLDER / f"{kind}.toml")
    wordings = {lang: Wording.model_validate(_in(lang, kind)) for lang in Lang}
    return Template(kind=kind, wordings=wordings, words=words, **structure)


def _in(lang: Lang, stem: str) -> Any:
    match lang:
        case Lang.UZ:
            return _said(_read(FOLDER / f"{stem}.uz.toml"), normalise)
        case Lang.UZ_CYRL:
            return _said(_in(Lang.UZ, stem), transliterate)
    return _read(FOLDER / f"{stem}.{lang}.toml")


def _said(part: Any, how: Any, name: str = "") -> Any:
    """Every text of a part written otherwise; names of fields and tables stay as they are."""
    if isinstance(part, dict):
        return {key: _said(value, how, key) for key, value in part.items()}
    if isinstance(part, list):
        return [_said(value, how, name) for value in part]
    return how(part) if isinstance(part, str) and name not in ("table", "when", "unless") else part


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)
