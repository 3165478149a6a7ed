"""The variables of an export and its codebook: names, labels in four languages, value labels, missing codes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.surveys.domain.instruments import Instrument, Matrix, Question
from services.surveys.domain.results import Topic, topics_of
from shared.contracts.codes import isco_titles
from shared.i18n import Lang

WITHHELD: Final = -97
UNSURE: Final = -98
NO_ANSWER: Final = -99
MISSING: Final[Mapping[int, str]] = {WITHHELD: "withheld", UNSURE: "unsure", NO_ANSWER: "no_answer"}
"""Codes of what is no value: too few answered so, "can't judge", not answered or not asked."""

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Variable:
    """One column. `kind`: choice, rating, chosen (0 or 1, of one option among several), bin, month, profession.

    `topic` is the one of the results whose counts it shares; `path` leads to its value in the kept answers.
    """

    name: str
    kind: str
    topic: str
    path: tuple[str, ...]
    label: Labels
    values: tuple[tuple[str, Labels], ...] = ()
    hidden: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The variable as JSON, for the process that writes."""
        return asdict(self)


def variables_of(instrument: Instrument, hidden: Mapping[str, frozenset[str]]) -> list[Variable]:
    """The variables of an instrument; free texts and enterprises are none. `hidden` names small options by topic."""
    found: list[Variable] = []
    for question in instrument.questions:
        for topic in topics_of(question):
            found += _variables(question, topic, tuple(sorted(hidden.get(topic.name, ()))))
    return found


def _variables(question: Question, topic: Topic, hidden: tuple[str, ...]) -> list[Variable]:
    label = _label(question, topic)
    path = tuple(topic.name.split(".", 1)) if topic.name != question.code else (question.code,)
    values = tuple((code, _texts(text)) for code, text in topic.options)
    if topic.several:
        return [
            Variable(
                _name(f"{topic.name}_{code}"),
                "chosen",
                topic.name,
                (*path, code),
                {lang: f"{label[lang]}: {words[lang]}" for lang in label},
                hidden=(code,) if code in hidden else (),
            )
            for code, words in values
        ]
    kind = "rating" if topic.rated else "choice"
    if topic.open:
        kind = {"NumberQuestion": "bin", "DecimalQuestion": "bin", "DateQuestion": "month"}.get(
            type(question).__name__, "profession"
        )
    return [Variable(_name(topic.name), kind, topic.name, path, label, values, hidden)]


def _label(question: Question, topic: Topic) -> Labels:
    words = _texts(question.text)
    if topic.label is None:
        return words
    joint = ": " if isinstance(question, Matrix) else " – "
    return {lang: f"{words[lang]}{joint}{text}" for lang, text in _texts(topic.label).items()}


def _texts(text: Mapping[Lang, str] | None) -> Labels:
    return {} if text is None else {lang.value: words for lang, words in text.items()}


def _name(topic: str) -> str:
    """A name that SPSS takes: letters, digits and underscores, beginning with a letter, 64 bytes at most."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", topic)
    return (name if name[:1].isalpha() else f"q_{name}")[:64]


def profession_label(code: str) -> str:
    """A profession's name in ISCO-08."""
    return isco_titles().get(code, code)
