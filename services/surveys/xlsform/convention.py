"""What export and import share: sheets, languages, our own columns, and limits written as constraints."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.surveys.domain.expressions import (
    Call,
    Comparison,
    Expression,
    Literal,
    Logic,
    Negative,
    Number,
    Own,
    joined,
    negated,
)
from shared.i18n import Lang

SURVEY, CHOICES, SETTINGS = "survey", "choices", "settings"

LANGUAGES: Final[Mapping[Lang, str]] = {
    Lang.UZ: "Uzbek (uz)",
    Lang.UZ_CYRL: "Uzbek Cyrillic (uz)",
    Lang.RU: "Russian (ru)",
    Lang.EN: "English (en)",
}
"""How columns name our languages; the tag must be one that the convention's tools know: they know no script."""

OWN: Final = "hamkor::"
OWN_CHOICE: Final = "hamkor_"
"""How our own columns begin; the convention's tools take two colons apart everywhere but on the sheet of choices."""

KIND, DIMENSION, SCORED, REVERSE = "kind", "dimension", "scored", "reverse"
SCALE, SCORES, DIGITS, LIMITS = "scale", "scores", "digits", "limits"
SURVEY_OWN: Final = (KIND, DIMENSION, SCORED, REVERSE, SCALE, SCORES, DIGITS, LIMITS)
SCORE, EXCLUSIVE = "score", "exclusive"
CHOICES_OWN: Final = (SCORE, EXCLUSIVE)
GROUP: Final = "group"
IDENTIFIED: Final = "identified"

INTRO, HINT = "intro", "hint"
"""Notes that are an introduction, or the hint of a pair or matrix."""

SECTION_PREFIX: Final = "section."
FORM_INTRO: Final = "form.intro"
STIR_CONSTRAINT: Final = "regex(., '^[2-9][0-9]{8}$')"
PROFESSIONS: Final = "isco08"

_TAG: Final = re.compile(r"\(([A-Za-z]{2,3}(?:-[A-Za-z]+)*)\)\s*$")
_NAMES: Final[Mapping[str, Lang]] = {
    "uz": Lang.UZ,
    "uz-latn": Lang.UZ,
    "uzbek": Lang.UZ,
    "oʻzbekcha": Lang.UZ,
    "o'zbekcha": Lang.UZ,
    "uz-cyrl": Lang.UZ_CYRL,
    "uzbek cyrillic": Lang.UZ_CYRL,
    "ўзбекча": Lang.UZ_CYRL,
    "ru": Lang.RU,
    "russian": Lang.RU,
    "русский": Lang.RU,
    "en": Lang.EN,
    "english": Lang.EN,
}


def language_of(name: str) -> Lang | None:
    """The language a column names: by the tag in brackets, or by its name; None for others."""
    tag = _TAG.search(name)
    found = _NAMES.get((tag[1] if tag else name).strip().lower())
    cyrillic = found is Lang.UZ and any(word in name.lower() for word in ("cyril", "ўзбек", "кирил"))
    return Lang.UZ_CYRL if cyrillic else found


def number_node(value: Decimal | int) -> Expression:
    """A number as an expression."""
    number = Number(abs(Decimal(value)))
    return Negative(number) if value < 0 else number


def number_in(node: Expression) -> Decimal | None:
    """The number an expression simply is."""
    match node:
        case Number():
            return node.amount
        case Negative(of=Number() as number):
            return -number.amount
    return None


def day_in(node: Expression) -> str | None:
    """The day a call of date() with a text simply is."""
    match node:
        case Call(name="date", of=(Literal(text=text),)):
            return text
    return None


def limit(sign: str, of: Expression, value: Expression) -> Expression:
    """of <= value."""
    return Comparison(sign, of, value)


def alone(option: str) -> Expression:
    """An option is chosen alone or not at all."""
    several = Comparison(">", Call("count-selected", (Own(),)), Number(Decimal(1)))
    return negated(Logic("and", (Call("selected", (Own(), Literal(option))), several)))


def conjunction(expression: Expression | None) -> tuple[Expression, ...]:
    """The parts that must all hold."""
    if expression is None:
        return ()
    return expression.of if isinstance(expression, Logic) and expression.word == "and" else (expression,)


def all_of(parts: Sequence[Expression]) -> Expression | None:
    """The parts as one; None for none."""
    return joined("and", parts) if parts else None
