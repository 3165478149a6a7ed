"""Limits of a question – bounds, lengths, numbers of choices – taken out of a form's constraint."""

from decimal import Decimal
from typing import Any, Final

from services.surveys.domain.expressions import Call, Comparison, Expression, Own
from services.surveys.domain.reading import BILLION, DIGITS, MOST_TEXT
from services.surveys.xlsform.convention import alone, day_in, number_in

DEFAULT_TEXT: Final = 500
"""Characters of a text that a form doesn't limit."""


def take_limit(question: dict[str, Any], part: Expression) -> bool:
    """Take a limit of the question's own kind; False for any other condition, or a second limit of the same side."""
    match question["kind"], part:
        case "number" | "decimal", Comparison(sign="<" | "<=" | ">" | ">=" as sign, left=Own(), right=right):
            return _take_number(question, sign, number_in(right))
        case "date", Comparison(sign="<=" | ">=" as sign, left=Own(), right=right):
            key, day = ("latest" if sign == "<=" else "earliest"), day_in(right)
            return day is not None and _set(question, key, day)
        case "text", Comparison(sign="<=", left=Call(name="string-length", of=(Own(),)), right=right):
            length = number_in(right)
            whole = length is not None and length == int(length) and 1 <= length <= MOST_TEXT
            return whole and length is not None and _set(question, "max_length", int(length))
        case "multiple", Comparison(sign="<=", left=Call(name="count-selected", of=(Own(),)), right=right):
            most = number_in(right)
            whole = most is not None and most == int(most) and 1 <= most <= len(question["options"])
            return whole and most is not None and _set(question, "max_choices", int(most))
        case "multiple", _:
            for option in question["options"]:
                if part == alone(option["code"]):
                    option["exclusive"] = True
                    return True
    return False


def _take_number(question: dict[str, Any], sign: str, number: Decimal | None) -> bool:
    if number is None or abs(number) > BILLION:
        return False
    key = "max" if sign.startswith("<") else "min"
    if question["kind"] == "decimal":
        return len(sign) == 2 and _set(question, key, str(number))
    if number != int(number):
        return False
    beyond = 0 if len(sign) == 2 else -1 if sign == "<" else 1
    return _set(question, key, int(number) + beyond)


def _set(question: dict[str, Any], key: str, value: object) -> bool:
    if question.get(key) is not None:
        return False
    question[key] = value
    return True


def fill_limits(question: dict[str, Any], digits: str) -> None:
    """What a form leaves open and our questions need."""
    match question["kind"]:
        case "number":
            question.setdefault("min", -BILLION)
            question.setdefault("max", BILLION)
        case "decimal":
            question.setdefault("min", str(-BILLION))
            question.setdefault("max", str(BILLION))
            question.setdefault("digits", int(digits) if digits.isascii() and digits.isdigit() else DIGITS)
        case "text":
            question.setdefault("max_length", DEFAULT_TEXT)
