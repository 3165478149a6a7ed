"""How the demo's respondents answer a questionnaire, whatever its questions."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

Fields = dict[str, str | list[str]]
LIKERT_WEIGHTS = (3, 8, 22, 42, 25)


def answer(random: Random, document: Mapping[str, Any], mood: float) -> Fields:
    """The form's fields for an instrument as GET /v1/instruments/<code> gives it; `mood` (-1 to 1) shifts ratings."""
    fields: Fields = {}
    for question in _questions(document):
        if not _asked(question, fields):
            continue
        if not question["required"] and random.random() < 0.4:
            continue
        fields |= _ANSWERS[question["kind"]](random, question, mood)
    return fields


def _questions(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (question for section in document["sections"] for question in section["questions"])


def _asked(question: Mapping[str, Any], fields: Fields) -> bool:
    relevant = question["relevant"]
    if relevant is None:
        return True
    given = fields.get(relevant["question"], [])
    return not set(relevant["any_of"]).isdisjoint([given] if isinstance(given, str) else given)


def _rating(random: Random, scale: list[Any], mood: float) -> str:
    weights = [weight * (1 + mood * (place - 2) / 3) for place, weight in enumerate(LIKERT_WEIGHTS[: len(scale)])]
    return str(random.choices(range(1, len(scale) + 1), [max(weight, 0.1) for weight in weights])[0])


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


def _number(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del mood
    low, high = int(question["min"]), int(question["max"])
    return {question["code"]: str(min(high, low + int(random.expovariate(1 / 12))))}


def _text(random: Random, question: Mapping[str, Any], mood: float) -> Fields:
    del random, question, mood
    return {}


_ANSWERS = {
    "single": _single,
    "multiple": _multiple,
    "likert": _likert,
    "pair": _pair,
    "number": _number,
    "text": _text,
}
