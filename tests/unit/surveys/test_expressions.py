"""Conditions: printed and parsed the same, total over any answers, true to logic, explained in four languages."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.surveys.domain.answers import Answer, check
from services.surveys.domain.explaining import only_if
from services.surveys.domain.expressions import (
    FUNCTIONS,
    Arithmetic,
    Asked,
    Call,
    Comparison,
    Context,
    Expression,
    ExpressionError,
    Kind,
    Known,
    Literal,
    Logic,
    Negative,
    Number,
    Own,
    chosen,
    faults_of,
    negated,
    parse,
    ticks,
    words,
)
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.reading import parse_instrument
from services.surveys.instruments import MESSAGES, InstrumentLibrary
from shared.i18n import Catalogue, Lang

TODAY = date(2026, 11, 27)
NAMES = ("one", "many", "age", "born", "pair.importance", "missing")
TEXTS = Catalogue.load(MESSAGES)
LIBRARY = InstrumentLibrary.load()

leaves: st.SearchStrategy[Expression] = st.one_of(
    st.sampled_from(NAMES).map(Asked),
    st.text(st.characters(exclude_characters="\"'", categories=("L", "N", "P", "Z", "Sm")), max_size=12).map(Literal),
    st.decimals(0, 10**9, allow_nan=False, places=3).map(lambda value: Number(abs(value))),
    st.just(Own()),
    st.sampled_from([Call("today"), Call("true"), Call("false")]),
)


def wider(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    calls = [
        st.tuples(*[inner] * function.arguments).map(lambda of, name=name: Call(name, of))  # type: ignore[misc]  # bound
        for name, function in FUNCTIONS.items()
        if function.arguments
    ]
    return st.one_of(
        inner.map(Negative),
        st.builds(Arithmetic, st.sampled_from(["+", "-", "*", "div", "mod"]), inner, inner),
        st.builds(Comparison, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), inner, inner),
        st.builds(Logic, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4).map(tuple)),
        *calls,
    )


expressions = st.recursive(leaves, wider, max_leaves=12)
some_answer: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.integers(),
    st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.sampled_from(["importance", "satisfaction"]), st.one_of(st.integers(1, 5), st.just("unsure"))),
    st.dates().map(lambda day: day.isoformat()),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)
contexts = st.builds(
    Context,
    st.dictionaries(st.sampled_from([*NAMES, "pair"]), some_answer),
    st.dates(),
    st.one_of(st.text(max_size=5), st.floats(), st.booleans(), st.dates()),
)


@settings(deadline=None)
@given(expressions)
def test_what_is_printed_is_read_as_the_same(expression: Expression) -> None:
    assert parse(expression.written()) == expression


@settings(deadline=None)
@given(expressions, contexts)
def test_every_condition_has_a_value_over_any_answers(expression: Expression, at: Context) -> None:
    assert isinstance(expression.value(at), str | float | bool | date)
    assert isinstance(expression.holds(at), bool)


@settings(deadline=None)
@given(expressions, expressions, contexts)
def test_conditions_obey_logic(one: Expression, other: Expression, at: Context) -> None:
    assert negated(negated(one)).holds(at) == one.holds(at)
    both, either = Logic("and", (one, other)), Logic("or", (one, other))
    assert negated(both).holds(at) == Logic("or", (negated(one), negated(other))).holds(at)
    assert negated(either).holds(at) == Logic("and", (negated(one), negated(other))).holds(at)
    assert both.holds(at) == (one.holds(at) and other.holds(at))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_named_as_none(written: str) -> None:
    try:
        found = parse(written)
    except ExpressionError as wrong:
        rule = wrong.rule
    else:
        assert parse(found.written()) == found
        return
    assert TEXTS.has(f"rule.{rule}.message")
    assert TEXTS.has(f"rule.{rule}.remedy")


VALUES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "unanswered is the empty text": ("${age} = ''", {}, True),
    "unanswered is below nothing": ("${age} < 5", {}, False),
    "nor above": ("${age} >= 0", {}, False),
    "unanswered differs from any number": ("${age} != 5", {}, True),
    "a number as text": ("${age} = '5'", {"age": 5}, True),
    "a decimal": ("${age} > 2.45", {"age": "2.5"}, True),
    "unsure is no number": ("${one} >= 1", {"one": "unsure"}, False),
    "one of several": ("selected(${many}, 'b')", {"many": ["a", "b"]}, True),
    "not a part of a word": ("selected(${many}, 'b')", {"many": ["ab"]}, False),
    "how many": ("count-selected(${many}) = 2", {"many": ["a", "b"]}, True),
    "how many of none": ("count-selected(${many}) = 0", {}, True),
    "a part of a pair": ("${pair.importance} >= 4", {"pair": {"importance": 4}}, True),
    "a day before today": ("${born} < today()", {"born": "2026-11-26"}, True),
    "a day as text": ("${born} = '2026-11-26'", {"born": "2026-11-26"}, True),
    "days between": ("today() - ${born} = 1", {"born": "2026-11-26"}, True),
    "a written day": ("${born} >= date('2026-01-01')", {"born": "2026-11-26"}, True),
    "by nothing": ("1 div 0 > 1000000", {}, True),
    "the rest takes the sign of what is divided": ("-7 mod 2 = -1", {}, True),
    "minus binds tighter than times": ("-2 * -3 = 6", {}, True),
    "times before plus": ("1 + 2 * 3 = 7", {}, True),
    "and before or": ("true() or false() and false()", {}, True),
    "comparison is left to right": ("1 < 2 = true()", {}, True),
    "length": ("string-length(${one}) = 3", {"one": "abc"}, True),
}


@pytest.mark.parametrize("name", VALUES)
def test_conditions_mean_what_the_convention_says(name: str) -> None:
    written, answers, expected = VALUES[name]
    assert parse(written).holds(Context(answers, TODAY)) is expected


EARLIER = {
    "one": Known(Kind.CHOICE, frozenset({"a", "b"})),
    "many": Known(Kind.CHOICES, frozenset({"a", "b"})),
    "level": Known(Kind.CHOICE, frozenset({"1", "2", "3"})),
    "rated": Known(Kind.RATING, frozenset({"1", "2", "3", "unsure"})),
    "age": Known(Kind.NUMBER),
    "born": Known(Kind.DATE),
    "word": Known(Kind.TEXT),
}
JUDGED: dict[str, list[str]] = {
    "${one} = 'a' and ${age} > 3": [],
    "${level} >= 2": [],
    "${rated} >= 2 or ${rated} = 'unsure'": [],
    "${age} != ''": [],
    "${many} = ''": [],
    "${born} <= today() and today() - ${born} > 18 * 365": [],
    "${age} = ${rated}": [],
    "${nobody} = 1": ["unknown-question"],
    "${later} = 1 and ${nobody} = 2": ["later-question", "unknown-question"],
    "${one} = 'c'": ["unknown-option"],
    "selected(${many}, 'c')": ["unknown-option"],
    "${many} = 'a'": ["type-mismatch"],
    "${one} > 3": ["type-mismatch"],
    "${age} = 'old'": ["type-mismatch"],
    "${born} > 'yesterday'": ["type-mismatch"],
    "${born} = ${age}": ["type-mismatch"],
    "${word} + 1 = 2": ["type-mismatch"],
    "selected(${age}, '1')": ["type-mismatch"],
    "count-selected(${one}) > 1": ["type-mismatch"],
    "${age}": ["type-mismatch"],
    "${one} = 'a' and ${age}": ["type-mismatch"],
    "not(${word})": ["type-mismatch"],
    ". > 1": ["expression-own"],
}


@pytest.mark.parametrize("written", JUDGED)
def test_what_cannot_be_meant_is_named_before_anybody_answers(written: str) -> None:
    assert [fault.rule for fault in faults_of(parse(written), EARLIER, {"later"})] == JUDGED[written]


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("", "expression-incomplete"),
        ("${a} =", "expression-incomplete"),
        ("${a} = 1)", "expression-syntax"),
        ("${a} == 1", "expression-syntax"),
        ("${a} = 'x", "expression-syntax"),
        ("/data/a = 1", "expression-syntax"),
        ("regex(., '^[0-9]+$')", "expression-function"),
        ("today(1) > 2", "expression-arguments"),
        ("(" * 41 + "1" + ")" * 41, "expression-too-deep"),
        ("-" * 500 + "1", "expression-too-deep"),
        ("1 " + "+ 1 " * 400, "expression-too-deep"),
        ("1" * 2001, "expression-too-long"),
    ],
)
def test_what_cannot_be_read_is_named(written: str, rule: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(written)
    assert raised.value.rule == rule


def test_conditions_over_options_become_ticks() -> None:
    offered = {"one": ["a", "b", "c"], "rated": ["1", "2", "3", "unsure"]}
    assert ticks(chosen("one", ["a", "b"]), offered) == ((("one", "a"),), (("one", "b"),))
    assert ticks(parse("${one} = 'a' and ${rated} >= 2"), offered) == (
        (("one", "a"), ("rated", "2")),
        (("one", "a"), ("rated", "3")),
    )
    for written in ("${one} != 'a'", "${age} > 3", "not(${one} = 'a')", "${one} = 'a' or ${age} > 3"):
        assert ticks(parse(written), offered) is None


def an_instrument(*questions: dict[str, Any]) -> Instrument:
    """An instrument in one language, of the given questions; what they lack is filled in."""
    filled = [
        {"text": {"en": question["code"].title()}, "kind": "single", "options": YES_NO, **question}
        if "kind" not in question
        else {"text": {"en": question["code"].title()}, **question}
        for question in questions
    ]
    texts = {"en": "Form"}
    section = {"code": "all", "title": texts, "questions": filled}
    document = {"code": "X", "version": 1, "group": "S3", "title": texts, "intro": texts, "sections": [section]}
    return parse_instrument(document, {}, complete=False)


YES_NO = [{"code": code, "text": {"en": code.title()}} for code in ("yes", "no")]
CHAIN = an_instrument(
    {"code": "a"},
    {"code": "b", "relevant": "${a} = 'yes'"},
    {"code": "c", "relevant": "${b} = 'yes' or ${a} = 'no'"},
    {"code": "d", "relevant": "${b} = '' and ${c} != 'no'"},
    {"code": "e", "relevant": "${b} = 'yes' and ${d} = ''", "required": True},
)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={code: st.sampled_from([["yes"], ["no"], ["?"]]) for code in "abcde"}))
def test_the_answer_of_a_question_that_is_not_asked_never_counts(sent: dict[str, list[str]]) -> None:
    checked = check(CHAIN, sent, TODAY)
    expected: dict[str, Answer] = {}
    for question in CHAIN.questions:
        asked = question.relevant is None or question.relevant.holds(Context(expected, TODAY))
        given = sent.get(question.code, [""])[0]
        if asked and given in ("yes", "no"):
            expected[question.code] = given
        assert asked or all(fault.field != question.code for fault in checked.faults)
    assert checked.answers == expected
    # Whatever is sent in addition to what is asked changes nothing.
    kept = {code: value for code, value in sent.items() if code in expected or value == ["?"]}
    assert check(CHAIN, kept, TODAY).answers == checked.answers


def test_a_tick_in_a_question_that_is_hidden_itself_shows_nothing() -> None:
    by_code = {question.code: question for question in CHAIN.questions}
    assert CHAIN.shown_when(by_code["b"]) == ((("a", "yes"),),)
    assert CHAIN.shown_when(by_code["e"]) is None
    nested = an_instrument(
        {"code": "a"}, {"code": "b", "relevant": "${a} = 'yes'"}, {"code": "c", "relevant": "${b} = 'no'"}
    )
    assert nested.shown_when(nested.questions[2]) == ((("b", "no"), ("a", "yes")),)


CONSTRAINED = an_instrument(
    {"code": "age", "kind": "number", "min": 0, "max": 120},
    {
        "code": "since",
        "kind": "date",
        "constraint": {"expression": ". <= today()", "message": {"en": "Not in the future.", "ru": "Не в будущем."}},
    },
    {
        "code": "worked",
        "kind": "number",
        "min": 0,
        "max": 100,
        "constraint": {"expression": ". < ${age} - 14", "message": {"en": "Too long for that age."}},
    },
    {
        "code": "aspects",
        "kind": "matrix",
        "scale": {"code": "s", "labels": [{"en": str(number)} for number in range(1, 4)]},
        "rows": [{"code": code, "text": {"en": code}} for code in ("x", "y")],
        "constraint": {"expression": ". != 2", "message": {"en": "Decide."}},
    },
)


def test_a_broken_constraint_is_named_by_field_and_all_other_answers_are_kept() -> None:
    sent = {"age": ["30"], "since": ["2027-01-01"], "worked": ["16"], "aspects.x": ["2"], "aspects.y": ["3"]}
    checked = check(CONSTRAINED, sent, TODAY)
    assert checked.answers == {"age": 30}
    assert {fault.field: fault.rule for fault in checked.faults} == dict.fromkeys(
        ("since", "worked", "aspects.x"), "answer-constraint"
    )
    sent |= {"since": ["27.11.2026"], "worked": ["15"], "aspects.x": ["1"]}
    checked = check(CONSTRAINED, sent, TODAY)
    assert checked.faults == ()
    assert checked.answers == {"age": 30, "since": "2026-11-27", "worked": 15, "aspects": {"x": 1, "y": 3}}
    assert check(CONSTRAINED, {}, TODAY) == type(checked)()


def say(lang: Lang) -> Any:
    return lambda key, **params: TEXTS.text(f"condition.{key}", lang, **params)


def test_conditions_are_explained_in_the_respondents_words() -> None:
    s4 = LIBRARY.get("S4")
    question = next(each for each in s4.questions if each.code == "first_job")
    assert only_if(s4, question, Lang.EN, say(Lang.EN)) == (
        "Only if «What is your main activity at present?» is answered «I work for an employer» or «I work for myself»."
    )
    assert only_if(s4, question, Lang.UZ, say(Lang.UZ)) == (
        "Faqat «Hozir asosan nima bilan bandsiz?» savoliga javob «Yollanib ishlayman» yoki «Oʻz ishim bor» boʻlsa."
    )
    form = an_instrument(
        {"code": "age", "kind": "number", "min": 0, "max": 120},
        {"code": "a"},
        {"code": "b", "relevant": "${age} >= 18 and (${a} = 'yes' or ${a} = '')"},
    )
    assert only_if(form, form.questions[2], Lang.EN, say(Lang.EN)) == (
        "Only if «Age» is at least 18 and («A» is answered «Yes» or «A» is not answered)."
    )


@settings(deadline=None)
@given(expressions)
def test_any_condition_can_be_explained(expression: Expression) -> None:
    for lang in Lang:
        assert words(expression, say(lang), {})


def test_numbers_are_printed_without_exponent() -> None:
    assert Number(Decimal("1E+3")).written() == "1000"
    assert parse("1000") == Number(Decimal("1E+3"))
