"""One question of a form: what every kind has, choices, ranges, matrices, and the limits that its constraint holds."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.surveys.domain.expressions import (
    Call,
    Expression,
    Literal,
    parse,
)
from services.surveys.domain.reading import BILLION, MOST_LABELS
from services.surveys.domain.reading import DIGITS as MOST_DIGITS
from services.surveys.xlsform.cells import Cells
from services.surveys.xlsform.convention import (
    DIGITS,
    DIMENSION,
    HINT,
    LIMITS,
    REVERSE,
    SCALE,
    SCORED,
    STIR_CONSTRAINT,
    all_of,
    conjunction,
)
from services.surveys.xlsform.limits import DEFAULT_TEXT, fill_limits, take_limit
from services.surveys.xlsform.sheets import Line
from services.surveys.xlsform.vocabulary import ALIASES, NO, YES
from shared.i18n import Lang

SELECT: Final = re.compile(
    r"(select_one|select one(?: from)?|select1|select_multiple|select multiple(?: from)?|"
    r"select all that apply(?: from)?) (\S+)( or_other| or specify other)?",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(r"(\w+)\s*=\s*([^\s;,]+)")


class Questions(Cells):
    """Reads the cells of a question."""

    def _common(self, line: Line, kind: str, relevant: Expression | None) -> dict[str, Any]:
        """What every question has; its own condition joined with those of the groups around it."""
        name = self._survey.get(line, "name")
        if not name:
            self._fault(self._survey, line, "name", "xlsform-name-missing")
        hint = self._survey.text(line, HINT)
        required = self._survey.get(line, "required").lower()
        if required not in YES | NO:
            self._fault(self._survey, line, "required", "xlsform-required")
        question: dict[str, Any] = {"code": name or f"row_{line.number}", "kind": kind, "text": self._label(line)}
        if hint:
            question[HINT] = self._label(line, HINT)
        if required in YES:
            question["required"] = True
        if relevant is not None:
            question["relevant"] = relevant.written()
        if dimension := self._survey.own(line, DIMENSION):
            question["dimension"] = dimension
        if self._flag(line, SCORED):
            question["scored"] = True
        return question

    def _select(self, line: Line, question: dict[str, Any], select: re.Match[str], own: str) -> dict[str, Any] | None:
        """Fill in a choice or rating; returns the question that asks for what "other" is, where the form wants it."""
        choices = self._list(line, select[2])
        if own == "likert":
            question |= {"kind": "likert", **self._scale(line, choices), "reverse": self._flag(line, REVERSE)}
            return None
        one = takes_one(select)
        scored = one and bool(question.get("scored"))
        question |= {
            "kind": "single" if one else "multiple",
            "options": self._options(choices, question["code"], scored=scored),
        }
        if not select[3]:
            return None
        code = question["code"]
        question["options"].append({"code": "other", "text": self._own_text("other")})
        chosen = Call("selected", (_asked_for(code), Literal("other")))
        return {
            "code": f"{code}_other",
            "kind": "text",
            "text": self._own_text("specify"),
            "relevant": chosen.written(),
            "max_length": DEFAULT_TEXT,
        }

    def _list_name(self, line: Line) -> str:
        return self._survey.get(line, "type").split()[-1]

    def _matrix(self, question: dict[str, Any], parts: Mapping[str, Line], name: str) -> None:
        rows = []
        for code, line in parts.items():
            row: dict[str, Any] = {"code": code, "text": self._label(line)}
            if dimension := self._survey.own(line, DIMENSION):
                row["dimension"] = dimension
            if self._flag(line, REVERSE):
                row["reverse"] = True
            self._places["rows", question["code"], code] = (self._survey, line)
            rows.append(row)
        question["rows"] = rows
        first = next(iter(parts.values()))
        choices = self._list(first, name)
        if self._survey.own(first, SCALE):
            question |= self._scale(first, choices)
        else:
            scored = bool(question.get("scored"))
            question["options"] = self._options(choices, question["code"], scored=scored)

    def _range(self, line: Line, question: dict[str, Any]) -> None:
        given = {name.lower(): value for name, value in _PARAMETER.findall(self._survey.get(line, "parameters"))}
        start, end, step = (_decimal(given.get(name, usual)) for name, usual in _USUAL_RANGE)
        if not (start < end and step > 0 and all(abs(each) <= BILLION for each in (start, end, step))):
            self._fault(self._survey, line, "parameters", "xlsform-range")
            question |= {"kind": "number", "min": 0, "max": 1}
        elif step == start == 1 and end == int(end) <= MOST_LABELS:
            labels = [{lang.value: str(number) for lang in Lang} for number in range(1, int(end) + 1)]
            question |= {"kind": "likert", "scale": {"code": f"range_{int(end)}", "labels": labels}}
        elif all(each == int(each) for each in (start, end, step)):
            question |= {"kind": "number", "min": int(start), "max": int(end)}
        else:
            digits = max(1, *(-int(each.as_tuple().exponent) for each in (start, end, step)))
            question |= {"kind": "decimal", "min": str(start), "max": str(end), "digits": min(digits, MOST_DIGITS)}

    def _constrain(self, line: Line, question: dict[str, Any]) -> None:
        """The constraint of a row, with the limits that are a matter of the question taken out of it."""
        written = self._survey.get(line, "constraint")
        if question["kind"] == "stir" and written.startswith(STIR_CONSTRAINT):
            written = written.removeprefix(STIR_CONSTRAINT).removeprefix(" and (").removesuffix(")")
        expression = self._expression(line, "constraint", written)
        parts = list(conjunction(expression))
        exact = self._survey.own(line, LIMITS)
        many = int(exact) if exact.isascii() and exact.isdigit() and len(exact) < 4 else None
        left: list[Expression] = []
        for position, part in enumerate(parts):
            may = many is None or position < many
            if not (may and take_limit(question, part)):
                left.append(part)
        fill_limits(question, self._survey.own(line, DIGITS))
        rest = left[0] if len(left) == 1 else all_of(left)
        if rest is not None:
            message = self._survey.text(line, "constraint_message")
            if message:
                message = self._label(line, "constraint_message")
            question["constraint"] = {
                "expression": rest.written(),
                "message": message or self._own_text("broken"),
            }


_USUAL_RANGE: Final = (("start", "1"), ("end", "10"), ("step", "1"))


def takes_one(select: re.Match[str]) -> bool:
    return ALIASES.get(select[1].lower(), select[1].lower()) == "select_one"


def _decimal(text: str) -> Decimal:
    """A number; for what is none, one that no range can begin, end or step with."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(0)
    return number if number.is_finite() else Decimal(0)


def _asked_for(code: str) -> Expression:
    return parse(f"${{{code}}}") if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", code) else Literal("")
