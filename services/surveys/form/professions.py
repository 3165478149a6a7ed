"""Professions for the form: what was typed, found among the unit groups of ISCO-08."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from services.surveys.domain.answers import Sent
from services.surveys.domain.instruments import Instrument, ProfessionQuestion
from shared.contracts.codes import isco_unit_titles

MOST_OFFERED: Final = 12
LEAST_TYPED: Final = 3


@cache
def as_json() -> bytes:
    """Code and title of each, for a list on the device."""
    return json.dumps(list(isco_unit_titles().items()), separators=(",", ":")).encode()


def read(instrument: Instrument, sent: Sent) -> tuple[Sent, Mapping[str, Sequence[tuple[str, str]]]]:
    """`sent` with a code where what was typed means one profession; by question, those that it may mean."""
    found = dict(sent)
    offered: dict[str, Sequence[tuple[str, str]]] = {}
    for question in instrument.questions:
        if not isinstance(question, ProfessionQuestion) or len(sent.get(question.code, ())) != 1:
            continue
        typed = " ".join(sent[question.code][0].split())
        code = typed.partition(" ")[0]
        if code in isco_unit_titles():
            found[question.code] = [code]
        elif len(typed) >= LEAST_TYPED and (matches := _matches(typed)):
            if len(matches) == 1:
                found[question.code] = [matches[0][0]]
            else:
                offered[question.code] = matches[:MOST_OFFERED]
    return found, offered


def _matches(typed: str) -> list[tuple[str, str]]:
    words = typed.casefold().split()
    return [
        (code, title)
        for code, title in isco_unit_titles().items()
        if all(word in title.casefold() or code.startswith(word) for word in words)
    ]
