"""Conditions of questionnaires: a small language, a subset of the XPath that XLSForm uses, parsed, checked, evaluated.

    parse("${status} = 'employed' and ${hours} >= 20")
    chosen("status", ["employed", "self_employed"])      # the same as a condition over options

Evaluation follows ODK: an unanswered question is the empty text, which as a number is not a number, and every
comparison with that is false but `!=`. It never raises. A question's field name stands in `${…}`: its code, or
`code.part` for one rating of a pair or one row of a matrix; `.` is the answer that a constraint judges.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NewType, TypeAlias

MOST_CHARACTERS: Final = 2000
MOST_DEPTH: Final = 40

Value: TypeAlias = str | float | bool | date
"""What an expression can be; several chosen options are one text, divided by spaces."""

Kept: TypeAlias = Mapping[str, Any]
"""Answers by question code (services.surveys.domain.answers.Answers)."""

Written = NewType("Written", str)
"""An expression as text."""

_EPOCH: Final = date(1970, 1, 1)
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


class ExpressionError(ValueError):
    """An expression that can't be used: the broken rule's code (`rule.<code>` in the messages) and its parameters."""

    def __init__(self, rule: str, **params: str | int) -> None:
        super().__init__(rule, params)
        self.rule = rule
        self.params = params


@dataclass(frozen=True, slots=True)
class Context:
    """What an expression is evaluated over: answers kept so far, the local day, and the answer that `.` names."""

    answers: Kept
    today: date
    own: Value = ""

    def answer(self, name: str) -> Value:
        """The answer in a field; the empty text where there is none."""
        found = self.answers.get(name)
        if found is None and "." in name:
            code, _, part = name.partition(".")
            parts = self.answers.get(code)
            found = parts.get(part) if isinstance(parts, Mapping) else None
        return value_of(found)


def value_of(answer: object) -> Value:
    """An answer as it counts in an expression."""
    match answer:
        case str():
            return answer
        case bool() | None:
            return "" if answer is None else answer
        case int() | float() | Decimal():
            return float(str(answer))
        case date():
            return answer
        case list() | tuple():
            return " ".join(str(each) for each in answer)
    return ""


# -- conversions of XPath 1.0, with ODK's rule that a day counts as days since 1970


def _number(value: Value) -> float:
    match value:
        case bool():
            return float(value)
        case float():
            return value
        case date():
            return float((value - _EPOCH).days)
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    day = _day(text)
    return math.nan if day is None else float((day - _EPOCH).days)


def _day(text: str) -> date | None:
    if not _ISO_DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _truth(value: Value) -> bool:
    match value:
        case bool():
            return value
        case float():
            return value != 0 and not math.isnan(value)
        case date():
            return True
    return value != ""


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            if not math.isfinite(value):
                return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
        case date():
            return value.isoformat()
    return value


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return _truth(left) == _truth(right)
    if isinstance(left, float) or isinstance(right, float):
        return _number(left) == _number(right)
    return _text(left) == _text(right)


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _remainder(left: float, right: float) -> float:
    if math.isinf(left) or not right or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.fmod(left, right)


# -- the tree


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression; `rank` says how tightly it binds."""

    @property
    def rank(self) -> int:
        """Higher binds tighter."""
        return 9

    def value(self, at: Context) -> Value:
        """What it comes to; never raises."""
        raise NotImplementedError

    def written(self) -> str:
        """As XLSForm writes it."""
        raise NotImplementedError

    def parts(self) -> tuple[Node, ...]:
        """What it consists of."""
        return ()

    def holds(self, at: Context) -> bool:
        """Whether it is true."""
        return _truth(self.value(at))

    def _within(self, part: Node, *, tighter: bool = False) -> str:
        return f"({part.written()})" if part.rank < self.rank + tighter else part.written()


Expression: TypeAlias = Node


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A text; it can't hold both kinds of quotation marks, which the language has no way to write."""

    text: str

    def __post_init__(self) -> None:
        if '"' in self.text and "'" in self.text:
            raise ExpressionError("expression-quotes", value=self.text[:60])

    def value(self, at: Context) -> Value:  # noqa: ARG002 - the same wherever it stands
        return self.text

    def written(self) -> str:
        return f'"{self.text}"' if "'" in self.text else f"'{self.text}'"


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number, not negative."""

    amount: Decimal
    _float: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_float", float(self.amount))

    def value(self, at: Context) -> Value:  # noqa: ARG002 - the same wherever it stands
        return self._float

    def written(self) -> str:
        return format(self.amount, "f")


@dataclass(frozen=True, slots=True)
class Asked(Node):
    """The answer in a field."""

    name: str

    @property
    def question(self) -> str:
        """The code of its question."""
        return self.name.partition(".")[0]

    def value(self, at: Context) -> Value:
        return at.answer(self.name)

    def written(self) -> str:
        return f"${{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Own(Node):
    """The answer that the constraint judges."""

    def value(self, at: Context) -> Value:
        return at.own

    def written(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """Minus."""

    of: Node

    @property
    def rank(self) -> int:
        return 7

    def value(self, at: Context) -> Value:
        return -_number(self.of.value(at))

    def written(self) -> str:
        return f"-{self._within(self.of)}"

    def parts(self) -> tuple[Node, ...]:
        return (self.of,)


_ARITHMETIC: Final[Mapping[str, tuple[int, Callable[[float, float], float]]]] = {
    "+": (5, operator.add),
    "-": (5, operator.sub),
    "*": (6, operator.mul),
    "div": (6, _divide),
    "mod": (6, _remainder),
}
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARISONS: Final = ("=", "!=", *_ORDER)
"""The signs of Comparison."""


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """left + - * div mod right."""

    sign: str
    left: Node
    right: Node

    @property
    def rank(self) -> int:
        return _ARITHMETIC[self.sign][0]

    def value(self, at: Context) -> Value:
        return _ARITHMETIC[self.sign][1](_number(self.left.value(at)), _number(self.right.value(at)))

    def written(self) -> str:
        return f"{self._within(self.left)} {self.sign} {self._within(self.right, tighter=True)}"

    def parts(self) -> tuple[Node, ...]:
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """left = != < <= > >= right."""

    sign: str
    left: Node
    right: Node

    @property
    def rank(self) -> int:
        return 3 if self.sign in ("=", "!=") else 4

    def value(self, at: Context) -> Value:
        left, right = self.left.value(at), self.right.value(at)
        if self.sign == "=":
            return _equal(left, right)
        if self.sign == "!=":
            return not _equal(left, right)
        return _ORDER[self.sign](_number(left), _number(right))

    def written(self) -> str:
        return f"{self._within(self.left)} {self.sign} {self._within(self.right, tighter=True)}"

    def parts(self) -> tuple[Node, ...]:
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """Two or more parts joined by `and` or `or`."""

    word: str
    of: tuple[Node, ...]

    @property
    def rank(self) -> int:
        return 2 if self.word == "and" else 1

    def value(self, at: Context) -> Value:
        found = (each.holds(at) for each in self.of)
        return all(found) if self.word == "and" else any(found)

    def written(self) -> str:
        return f" {self.word} ".join(self._within(each, tighter=True) for each in self.of)

    def parts(self) -> tuple[Node, ...]:
        return self.of


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of FUNCTIONS."""

    name: str
    of: tuple[Node, ...] = ()

    def value(self, at: Context) -> Value:
        return FUNCTIONS[self.name].run(at, [each.value(at) for each in self.of])

    def written(self) -> str:
        return f"{self.name}({', '.join(each.written() for each in self.of)})"

    def parts(self) -> tuple[Node, ...]:
        return self.of


def _as_day(value: Value) -> Value:
    day = _day(value.strip()) if isinstance(value, str) else value
    return day if isinstance(day, date) else ""


class Kind(StrEnum):
    """What an expression or an answer is, for the checks before anybody answers."""

    TEXT = "text"
    NUMBER = "number"
    RATING = "rating"
    DATE = "date"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    CHOICES = "choices"


@dataclass(frozen=True, slots=True)
class Function:
    """How many arguments, what comes out, and how."""

    arguments: int
    kind: Kind
    run: Callable[[Context, list[Value]], Value]


FUNCTIONS: Final[Mapping[str, Function]] = {
    "not": Function(1, Kind.BOOLEAN, lambda _, given: not _truth(given[0])),
    "true": Function(0, Kind.BOOLEAN, lambda *_: True),
    "false": Function(0, Kind.BOOLEAN, lambda *_: False),
    "selected": Function(2, Kind.BOOLEAN, lambda _, given: _text(given[1]).strip() in _text(given[0]).split()),
    "count-selected": Function(1, Kind.NUMBER, lambda _, given: float(len(_text(given[0]).split()))),
    "string-length": Function(1, Kind.NUMBER, lambda _, given: float(len(_text(given[0])))),
    "today": Function(0, Kind.DATE, lambda at, _: at.today),
    "date": Function(1, Kind.DATE, lambda _, given: _as_day(given[0])),
}
"""What may be called."""


def negated(expression: Expression) -> Call:
    """not(…)."""
    return Call("not", (expression,))


def joined(word: str, parts: Iterable[Expression]) -> Expression:
    """The parts joined by `and` or `or`; one part is itself."""
    of = tuple(parts)
    return of[0] if len(of) == 1 else Logic(word, of)


def chosen(question: str, options: Iterable[str], *, several: bool = False) -> Expression:
    """True where one of `options` was chosen; `several`: the question takes more than one."""
    asked = Asked(question)
    return joined(
        "or",
        (
            Call("selected", (asked, Literal(each))) if several else Comparison("=", asked, Literal(each))
            for each in options
        ),
    )


def walk(expression: Expression) -> Iterator[Node]:
    """The expression and all its parts."""
    yield expression
    for part in expression.parts():
        yield from walk(part)


def fields_in(expression: Expression) -> tuple[str, ...]:
    """The fields it asks for, each once, in the order they appear."""
    return tuple(dict.fromkeys(node.name for node in walk(expression) if isinstance(node, Asked)))


# -- reading


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<asked>\$\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*\})
      | (?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)
      | (?P<text>'[^']*'|"[^"]*")
      | (?P<sign>!=|<=|>=|[=<>+*(),-]|\.)
      | (?P<word>[A-Za-z_][A-Za-z0-9_:-]*)
    )""",
    re.VERBOSE,
)
_LEVELS: Final = (("or",), ("and",), ("=", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "div", "mod"))


def parse(written: str) -> Expression:
    """The expression in a text; raises ExpressionError."""
    if len(written) > MOST_CHARACTERS:
        raise ExpressionError("expression-too-long", max=MOST_CHARACTERS, given=len(written))
    return _Reader(written).whole()


class _Reader:
    """Reads by descent, a level of binding at a time."""

    def __init__(self, written: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        place = 0
        end = len(written.rstrip())
        while place < end:
            match = _TOKEN.match(written, place)
            if match is None:
                raise ExpressionError("expression-syntax", at=place + 1, found=written[place : place + 20].strip())
            kind = str(match.lastgroup if match.lastgroup != "name" else "asked")
            self._tokens.append((kind, match["name"] or match[kind], match.start(kind)))
            place = match.end()
        self._end = end
        self._next = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._level(0)
        if self._next < len(self._tokens):
            raise self._unexpected()
        return found

    def _unexpected(self) -> ExpressionError:
        if self._next < len(self._tokens):
            _, text, place = self._tokens[self._next]
            return ExpressionError("expression-syntax", at=place + 1, found=text[:20])
        return ExpressionError("expression-incomplete", at=self._end + 1)

    def _taken(self, kinds: tuple[str, ...], texts: tuple[str, ...]) -> str | None:
        if self._next < len(self._tokens):
            kind, text, _ = self._tokens[self._next]
            if kind in kinds and text in texts:
                self._next += 1
                return text
        return None

    def _expect(self, sign: str) -> None:
        if self._taken(("sign",), (sign,)) is None:
            raise self._unexpected()

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        found = self._level(level + 1)
        if level < 2:
            of = [found]
            while self._taken(("word",), _LEVELS[level]):
                of.append(self._level(level + 1))
            return joined(_LEVELS[level][0], of)
        chain = 0
        while (sign := self._taken(("sign", "word"), _LEVELS[level])) is not None:
            chain += 1
            if chain > MOST_DEPTH:
                raise ExpressionError("expression-too-deep", max=MOST_DEPTH)
            right = self._level(level + 1)
            found = Comparison(sign, found, right) if level < 4 else Arithmetic(sign, found, right)
        return found

    def _unary(self) -> Expression:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ExpressionError("expression-too-deep", max=MOST_DEPTH)
        try:
            if self._taken(("sign",), ("-",)):
                return Negative(self._unary())
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Expression:
        if self._next == len(self._tokens):
            raise self._unexpected()
        kind, text, _ = self._tokens[self._next]
        self._next += 1
        match kind:
            case "asked":
                return Asked(text)
            case "number":
                return Number(Decimal(text))
            case "text":
                return Literal(text[1:-1])
            case "word":
                return self._call(text)
        if text == ".":
            return Own()
        if text == "(":
            inner = self._level(0)
            self._expect(")")
            return inner
        self._next -= 1
        raise self._unexpected()

    def _call(self, name: str) -> Expression:
        if self._taken(("sign",), ("(",)) is None:
            self._next -= 1
            raise self._unexpected()
        if name not in FUNCTIONS:
            raise ExpressionError("expression-function", name=name[:40], known=", ".join(sorted(FUNCTIONS)))
        of: list[Expression] = []
        if self._taken(("sign",), (")",)) is None:
            of.append(self._level(0))
            while self._taken(("sign",), (",",)):
                of.append(self._level(0))
            self._expect(")")
        if len(of) != FUNCTIONS[name].arguments:
            raise ExpressionError("expression-arguments", name=name, wanted=FUNCTIONS[name].arguments, given=len(of))
        return Call(name, tuple(of))


# -- checking before anybody answers


@dataclass(frozen=True, slots=True)
class Known:
    """What a field of an earlier question is; `options` where answers are chosen."""

    kind: Kind
    options: frozenset[str] = frozenset()


_NUMERIC: Final = frozenset({Kind.NUMBER, Kind.RATING})
_ORDERED: Final = _NUMERIC | {Kind.DATE}


def faults_of(
    expression: Expression, earlier: Mapping[str, Known], later: Iterable[str] = (), own: Known | None = None
) -> list[ExpressionError]:
    """What is wrong with a condition over `earlier` fields: unknown or `later` ones, and what can't be compared.

    `own` is what `.` is; None where there is none, outside of constraints.
    """
    check = _Check(earlier, frozenset(later), own)
    check.wants(expression, {Kind.BOOLEAN})
    return list({(fault.rule, str(fault.params)): fault for fault in check.faults}.values())


class _Check:
    def __init__(self, earlier: Mapping[str, Known], later: frozenset[str], own: Known | None) -> None:
        self._earlier, self._later, self._own = earlier, later, own
        self.faults: list[ExpressionError] = []

    def _fault(self, rule: str, **params: str | int) -> None:
        self.faults.append(ExpressionError(rule, **params))

    def _known(self, node: Node) -> Known | None:
        """What a field or `.` is; None for anything else, and for what is named as a fault."""
        if isinstance(node, Asked):
            if node.name in self._earlier:
                return self._earlier[node.name]
            self._fault("later-question" if node.name in self._later else "unknown-question", name=node.name[:80])
        elif isinstance(node, Own):
            if self._own is not None:
                return self._own
            self._fault("expression-own")
        return None

    def wants(self, node: Node, kinds: Iterable[Kind]) -> None:
        """A fault unless the node is one of `kinds`."""
        wanted, found = tuple(kinds), self.kind(node)
        if found is not None and found not in wanted:
            self._mismatch(node, found, wanted)

    def _mismatch(self, node: Node, found: Kind, wanted: Iterable[Kind]) -> None:
        names = ", ".join(sorted(f"kind-{each}" for each in wanted))
        self._fault("type-mismatch", part=node.written()[:60], found=f"kind-{found}", wanted=names)

    def kind(self, node: Node) -> Kind | None:
        """What a node is; None where a fault was named that makes it unknowable."""
        match node:
            case Asked() | Own():
                known = self._known(node)
                if known is None:
                    return None
                # Options that are numbers count as such, as the convention has it.
                numbers = known.kind is Kind.CHOICE and all(_NUMBER.fullmatch(each) for each in known.options)
                return Kind.RATING if numbers and known.options else known.kind
            case Literal():
                return Kind.TEXT
            case Number():
                return Kind.NUMBER
            case Negative():
                self.wants(node.of, _NUMERIC)
                return Kind.NUMBER
            case Arithmetic():
                allowed = _ORDERED if node.sign in "+-" else _NUMERIC
                for part in node.parts():
                    self.wants(part, allowed)
                return Kind.NUMBER
            case Comparison():
                self._comparison(node)
                return Kind.BOOLEAN
            case Logic():
                for part in node.of:
                    self.wants(part, {Kind.BOOLEAN})
                return Kind.BOOLEAN
            case Call():
                self._call(node)
                return FUNCTIONS[node.name].kind
        return None

    def _comparison(self, node: Comparison) -> None:
        for this, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(other, Literal):
                self._against_text(node, this, other.text)
                return
        left, right = self.kind(node.left), self.kind(node.right)
        if left is None or right is None:
            return
        if node.sign in _ORDER:
            for part, kind in ((node.left, left), (node.right, right)):
                if kind not in _ORDERED:
                    self._mismatch(part, kind, _ORDERED)
                    return
        pair = {left, right}
        if len(pair) > 1 and not pair <= _NUMERIC and not pair <= {Kind.TEXT, Kind.CHOICE}:
            self._mismatch(node.right, right, {left})
        elif pair == {Kind.CHOICES}:
            self._mismatch(node.left, Kind.CHOICES, {Kind.CHOICE})

    def _against_text(self, node: Comparison, this: Node, text: str) -> None:
        kind = self.kind(this)
        if kind is None or (text == "" and node.sign not in _ORDER and kind is not Kind.BOOLEAN):
            return
        known = self._known(this) if isinstance(this, Asked | Own) else None
        options = known.options if known else frozenset[str]()
        if kind is Kind.CHOICES or kind is Kind.BOOLEAN:
            self._mismatch(this, kind, {Kind.CHOICE, Kind.TEXT})
        elif options and node.sign not in _ORDER:
            self._option(this, text, options)
        elif kind is Kind.DATE:
            if _day(text) is None:
                self._mismatch(Literal(text), Kind.TEXT, {Kind.DATE})
        elif kind in _NUMERIC:
            if not _NUMBER.fullmatch(text):
                self._mismatch(Literal(text), Kind.TEXT, {Kind.NUMBER})
        elif node.sign in _ORDER:
            self._mismatch(this, kind, _ORDERED)

    def _option(self, node: Node, text: str, options: frozenset[str]) -> None:
        if text not in options:
            self._fault(
                "unknown-option", part=node.written()[:60], value=text[:60], known=", ".join(sorted(options))[:300]
            )

    def _call(self, node: Call) -> None:
        match node.name:
            case "not":
                self.wants(node.of[0], {Kind.BOOLEAN})
            case "selected":
                known = self._known(node.of[0])
                if known is None:
                    if not isinstance(node.of[0], Asked | Own):
                        self.wants(node.of[0], {Kind.CHOICE, Kind.CHOICES})
                elif not known.options:
                    self._mismatch(node.of[0], known.kind, {Kind.CHOICE, Kind.CHOICES})
                elif isinstance(node.of[1], Literal):
                    self._option(node.of[0], node.of[1].text, known.options)
                if not isinstance(node.of[1], Literal):
                    self.wants(node.of[1], {Kind.TEXT, Kind.CHOICE})
            case "count-selected":
                self.wants(node.of[0], {Kind.CHOICES})
            case "string-length":
                self.wants(node.of[0], {Kind.TEXT, Kind.CHOICE})
            case "date":
                if not (isinstance(node.of[0], Literal) and _day(node.of[0].text)):
                    self.wants(node.of[0], {Kind.DATE})


# -- as ticks, and in words


Ticks: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""Alternatives, each of (field, value)s that must all be ticked."""

MOST_TICKS: Final = 64


def ticks(expression: Expression, offered: Mapping[str, Iterable[str]]) -> Ticks | None:
    """The condition as what must be ticked, or None where it can't be said so; `offered` are the values of each field.

    It serves pages that show a question without asking the server: comparisons of one field with values, joined by
    `and` and `or`.
    """
    match expression:
        case Logic(word="or"):
            alternatives: list[tuple[tuple[str, str], ...]] = []
            for part in expression.of:
                found = ticks(part, offered)
                if found is None:
                    return None
                alternatives += found
            return _few(alternatives)
        case Logic():
            alternatives = [()]
            for part in expression.of:
                found = ticks(part, offered)
                if found is None or len(alternatives) * len(found) > MOST_TICKS:
                    return None
                alternatives = [(*one, *other) for one in alternatives for other in found]
            return _few(alternatives)
        case Comparison() | Call(name="selected"):
            fields = fields_in(expression)
            if len(fields) != 1 or fields[0] not in offered or _asks_more(expression):
                return None
            today = _EPOCH
            if expression.holds(Context({}, today)):
                # True also of an unanswered question, as `!=` is: no tick shows that.
                return None
            values = [each for each in offered[fields[0]] if expression.holds(Context({fields[0]: each}, today))]
            return _few([((fields[0], each),) for each in values])
    return None


def _asks_more(expression: Expression) -> bool:
    return any(isinstance(node, Call) and node.name in ("today", "count-selected") for node in walk(expression))


def _few(alternatives: list[tuple[tuple[str, str], ...]]) -> Ticks | None:
    unique = tuple(dict.fromkeys(tuple(dict.fromkeys(each)) for each in alternatives))
    return unique if len(unique) <= MOST_TICKS else None


@dataclass(frozen=True, slots=True)
class Named:
    """A field in words: what was asked, and what each option says."""

    text: str
    options: Mapping[str, str]


Say: TypeAlias = Callable[..., str]
"""A text of the catalogue below `condition.`: say("is", question="…", value="…")."""

_SAID: Final = {"=": "is", "!=": "is-not", "<": "below", "<=": "at-most", ">": "above", ">=": "at-least"}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


def words(expression: Expression, say: Say, named: Mapping[str, Named]) -> str:
    """A condition in a respondent's words, without "only if" and full stop."""
    match expression:
        case Logic():
            return _joined_words(expression, say, named)
        case Comparison():
            left, right, sign = expression.left, expression.right, expression.sign
            if isinstance(left, Literal | Number) and not isinstance(right, Literal | Number):
                left, right, sign = right, left, _MIRRORED[sign]
            if isinstance(right, Literal) and right.text == "" and sign in ("=", "!="):
                return say("unanswered" if sign == "=" else "answered", question=_operand(left, say, named))
            value = _option_words(left, right, named) or _operand(right, say, named)
            return say(_SAID[sign], question=_operand(left, say, named), value=value)
        case Call(name="selected", of=(left, right)):
            value = _option_words(left, right, named) or _operand(right, say, named)
            return say("is", question=_operand(left, say, named), value=value)
        case Call(name="not", of=(inner,)):
            if isinstance(inner, Call) and inner.name == "selected":
                left, right = inner.of
                value = _option_words(left, right, named) or _operand(right, say, named)
                return say("is-not", question=_operand(left, say, named), value=value)
            return say("not", condition=words(inner, say, named))
    return _operand(expression, say, named)


def _joined_words(expression: Logic, say: Say, named: Mapping[str, Named]) -> str:
    merged: dict[str, list[str]] = {}
    rest: list[str] = []
    for part in expression.of:
        hit = _one_option(part) if expression.word == "or" else None
        option = _option_words(*hit, named) if hit else None
        if hit and option:
            merged.setdefault(_operand(hit[0], say, named), []).append(option)
        elif isinstance(part, Logic):
            rest.append(say("group", condition=words(part, say, named)))
        else:
            rest.append(words(part, say, named))
    divider = f" {say('or')} "
    said = [say("is", question=question, value=divider.join(values)) for question, values in merged.items()]
    return f" {say(expression.word)} ".join(said + rest)


def _one_option(part: Node) -> tuple[Node, Node] | None:
    match part:
        case Comparison(sign="=", left=left, right=Literal() as right):
            return left, right
        case Call(name="selected", of=(left, Literal() as right)):
            return left, right
    return None


def _option_words(asked: Node, value: Node, named: Mapping[str, Named]) -> str | None:
    if isinstance(asked, Asked) and asked.name in named and isinstance(value, Literal | Number):
        text = value.text if isinstance(value, Literal) else value.written()
        label = named[asked.name].options.get(text)
        return None if label is None else f"«{label}»"
    return None


def _operand(node: Node, say: Say, named: Mapping[str, Named]) -> str:
    match node:
        case Asked():
            return f"«{named[node.name].text}»" if node.name in named else node.name
        case Own():
            return say("own")
        case Literal():
            return f"«{node.text}»"
        case Call(name="today"):
            return say("today")
        case Call(name="date", of=(inner,)):
            return _operand(inner, say, named)
        case Call(name="count-selected", of=(inner,)):
            return say("count", question=_operand(inner, say, named))
        case Call(name="string-length", of=(inner,)):
            return say("length", question=_operand(inner, say, named))
        case Arithmetic():
            sign = {"div": "÷", "mod": "mod", "*": "×", "-": "−"}.get(node.sign, node.sign)
            return f"{_operand(node.left, say, named)} {sign} {_operand(node.right, say, named)}"
        case Negative():
            return f"−{_operand(node.of, say, named)}"
    return node.written()
