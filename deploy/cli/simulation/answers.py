"""How the demo's respondents answer a questionnaire, whatever its questions."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

Fields = dict[str, str | list[str]]
LIKERT_WEIGHTS = (3, 8, 22, 42, 25)
PROFESSIONS = ("7231", "7212", "7411", "7531", "5120", "5141", "8332", "7115", "3513", "6112")
"""Some of those that vocational schools train for."""


def answer(random: Random, document: Mapping[str, Any], mood: float) -> Fields:
    """The form's fields for an instrument as GET /v1/instruments/<code> gives it; `mood` (-1 to 1) shifts ratings."""
    fields: Fields = {}
    for question in _questions(document):
        if not _asked(question, {name: [given] if isinstance(given, str) else given for name, given in fields.items()}):
            continue
        if not question["required"] and random.random() < 0.4:
            continue
        fields |= _ANSWERS[question["kind"]](random, question, mood)
    return fields


def _questions(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (question for section in document["sections"] for question in section["questions"])


def _asked(question: Mapping[str, Any], fields: Mapping[str, list[str]]) -> bool:
    alternatives = question["shown_when"]
    if alternatives is None:
        # Asked always, or under a condition of numbers: what is not asked is left out by the service.
        return True
    return any(all(value in fields.get(field, ()) for field, value in each) for each in alternatives)


def _rating(random: Random, scale: Mapping[str, Any], mood: float) -> str:
    top = len(scale["labels"])
    weights = [weight * (1 + mood * (place - 2) / 3) for place, weight in enumerate(LIKERT_WEIGHTS[:top])]
    return str(random.choices(range(1, len(weights) + 1), [max(weight, 0.1) for weight in weights])[0])


def _single(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del mood
    return {question["code"]: random.choice(question["options"])["code"]}


def _multiple(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del mood
    exclusive = [option["code"] for option in question["options"] if option["exclusive"]]
    if exclusive and random.random() < 0.2:
        return {question["code"]: [exclusive[0]]}
    others = [option["code"] for option in question["options"] if not option["exclusive"]]
    count = random.randint(1, max(1, min(3, question["max_choices"], len(others))))
    return {question["code"]: sorted(random.sample(others, count))}


def _likert(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    if question["unsure"] and random.random() < 0.05:
        return {question["code"]: "unsure"}
    return {question["code"]: _rating(random, question["scale"], mood)}


def _pair(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    parts = [name for name, value in question.items() if isinstance(value, dict) and "scale" in value]
    return {f"{question['code']}.{part}": _rating(random, question[part]["scale"], mood) for part in parts}


def _matrix(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    def choose() -> str:
        if "scale" in question:
            return _rating(random, question["scale"], mood)
        return str(random.choice(question["options"])["code"])

    return {f"{question['code']}.{row['code']}": choose() for row in question["rows"]}


def _profession(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del mood
    return {question["code"]: random.choice(PROFESSIONS)}


def _number(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del mood
    low, high = int(question["min"]), int(question["max"])
    return {question["code"]: str(min(high, low + int(random.expovariate(1 / 12))))}


def _decimal(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del random, mood
    return {question["code"]: question["min"]}


def _text(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del random, question, mood
    return {}


_ANSWERS = {
    "single": _single,
    "multiple": _multiple,
    "likert": _likert,
    "pair": _pair,
    "matrix": _matrix,
    "profession": _profession,
    "number": _number,
    "decimal": _decimal,
    "text": _text,
    "date": _text,
    "stir": _text,
}
