"""Professions for the form: what was typed, found among the unit groups of ISCO-08 in any of our languages."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from services.surveys.domain.answers import Sent
from services.surveys.domain.instruments import Instrument, ProfessionQuestion
from services.surveys.instruments.professions import titles
from shared.i18n import Lang

MOST_OFFERED: Final = 12
LEAST_TYPED: Final = 3


@cache
def as_json(lang: Lang) -> bytes:
    """Code and title of each, for a list on the device."""
    found = [(code, title[lang]) for code, title in titles().items()]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def read(instrument: Instrument, sent: Sent, lang: Lang) -> tuple[Sent, Mapping[str, Sequence[tuple[str, str]]]]:
    """`sent` with a code where what was typed means one profession; by question, those that it may mean."""
    found = dict(sent)
    offered: dict[str, Sequence[tuple[str, str]]] = {}
    for question in instrument.questions:
        if not isinstance(question, ProfessionQuestion) or len(sent.get(question.code, ())) != 1:
            continue
        typed = " ".join(sent[question.code][0].split())
        code = typed.partition(" ")[0]
        if code in titles():
            found[question.code] = [code]
        elif len(typed) >= LEAST_TYPED and (matches := _matches(typed, lang)):
            if len(matches) == 1:
                found[question.code] = [matches[0][0]]
            else:
                offered[question.code] = matches[:MOST_OFFERED]
    return found, offered


def _matches(typed: str, lang: Lang) -> list[tuple[str, str]]:
    words = typed.casefold().split()
    return [
        (code, title[lang])
        for code, title in titles().items()
        if any(all(word in text.casefold() for word in words) for text in title.values()) or code.startswith(typed)
    ]
