"""The declared rules: they cover the method, speak every language; a wrong one is named with file, line and cure."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.monitoring.advice.declarations import FOLDER, BadRules, Rule, check_texts, load, rules
from shared.contracts.monitoring import OfficeLevel
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang

MESSAGES = FOLDER.parents[1] / "messages"
METHOD = [*(f"R{n}" for n in range(1, 14)), *(f"I{n}" for n in range(1, 6)), *(f"F{n}" for n in range(1, 8))]
RULE = """
[[rule]]
code = "TRIED"
element = "I2"
levels = ["institution"]
severity = "notice"
due_days = 30
condition = { kind = "threshold", indicator = "I2", below = 0.5, clear = 0.6 }
"""
WRONG: dict[str, tuple[str, str, int, str]] = {
    "no such indicator": ('indicator = "I2"', 'indicator = "I9"', 8, "there is no indicator 'I9'; there are I1"),
    "no such level": ('["institution"]', '["village"]', 5, "'institution', 'district', 'region' or 'nation'"),
    "clear on the wrong side": ("clear = 0.6", "clear = 0.4", 8, "clear must not be lower than below"),
    "two bounds": ("below = 0.5", "below = 0.5, above = 0.9", 8, "name one bound"),
    "unknown field": ("due_days = 30", "due_days = 30\ndue_weeks = 2", 8, "due_weeks"),
    "missing field": ("due_days = 30\n", "", 2, "due_days: Field required"),
    "no such part": ("clear = 0.6", 'clear = 0.6, part = "nothing"', 8, "has no part 'nothing'; it has reported"),
    "no such element": ('element = "I2"', 'element = "X2"', 2, "element 'X2' is none of the method's"),
    "wrong code": ('code = "TRIED"', 'code = "tried"', 2, "code must be capital letters"),
    "no values by month": ("clear = 0.6", 'clear = 0.6, period = "month"', 8, "I2 has no values by month"),
    "half a season": ("due_days = 30", 'due_days = 30\nbegins = "10-01"', 2, "name both begins and ends"),
    "a level not looked at": (
        "due_days = 30",
        "due_days = 30\nat = { region = { below = 0.3 } }",
        2,
        "add it to levels",
    ),
    "no such threshold": (
        "due_days = 30",
        "due_days = 30\nat = { institution = { abov = 1 } }",
        2,
        "what can is above",
    ),
    "no such kind": ('kind = "threshold"', 'kind = "guess"', 8, "'threshold', 'trend', 'peers'"),
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(SHARED_MESSAGES, MESSAGES)


@pytest.mark.parametrize("element", METHOD)
def test_every_result_indicator_and_factor_has_a_rule(element: str) -> None:
    assert [rule.code for rule in rules().values() if rule.element == element]


def test_there_are_many_rules_of_every_kind(catalogue: Catalogue) -> None:
    assert len(rules()) >= 30
    kinds = {rule.condition.kind for rule in rules().values()}
    assert kinds == {"threshold", "trend", "peers", "gate", "missing", "overdue", "cause"}
    check_texts(rules(), catalogue)


def test_texts_say_something_of_their_own_in_every_language(catalogue: Catalogue) -> None:
    for lang in Lang:
        for what in ("title", "action", "help"):
            texts = [catalogue.text(f"advice.rule.{code}.{what}", lang) for code in rules()]
            if what != "help":
                assert len(set(texts)) == len(texts)


def test_a_rule_without_a_text_stops_the_start_and_says_where(catalogue: Catalogue) -> None:
    rule = next(iter(rules().values()))
    with pytest.raises(
        BadRules, match=r"messages/advice.uz.toml has no title for the rule LOST: add \[advice.rule.LOST\]"
    ):
        check_texts({"LOST": rule.model_copy(update={"code": "LOST"})}, catalogue)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_named_with_file_line_and_cure(name: str, tmp_path: Path) -> None:
    right, wrong, line, words = WRONG[name]
    assert right in RULE
    (tmp_path / "rules.toml").write_text(RULE.replace(right, wrong), encoding="utf-8")
    with pytest.raises(BadRules) as caught:
        load(tmp_path)
    assert f"rules.toml, line {line}: rule" in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_is_no_toml_a_rule_twice_and_foreign_tables_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    for text, words in (
        ("[[rule]\n", "rules.toml: this is not TOML"),
        (RULE + RULE, "line 10: the rule TRIED is declared twice"),
        ("[other]\nx = 1\n", "only \\[\\[rule\\]\\] tables"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BadRules, match=words):
            load(tmp_path)


def a_rule(**changes: Any) -> Rule:
    told = {
        "code": "TRIED",
        "element": "I2",
        "levels": ["institution", "district"],
        "severity": "notice",
        "due_days": 30,
        "condition": {"kind": "threshold", "indicator": "I2", "below": 0.5, "clear": 0.6, "least": 10},
        "at": {"district": {"least": 100}},
    }
    return Rule.model_validate(told | changes)


def test_what_is_in_force_at_a_level_is_declared_there_or_changed_by_the_ministry() -> None:
    rule = a_rule()
    assert rule.parameters(OfficeLevel.INSTITUTION) == {"below": 0.5, "clear": 0.6, "least": 10}
    assert rule.parameters(OfficeLevel.DISTRICT)["least"] == 100
    assert rule.condition_at(OfficeLevel.DISTRICT, {"below": 0.3}).below == 0.3
    for wrong in ({"below": 0.9}, {"unheard": 1.0}):
        with pytest.raises(ValueError, match=r"clear|can't be set"):
            rule.condition_at(OfficeLevel.DISTRICT, wrong)


@pytest.mark.parametrize(
    ("begins", "ends", "day", "looks"),
    [
        (None, None, date(2026, 1, 1), True),
        ("10-15", "08-31", date(2026, 11, 1), True),
        ("10-15", "08-31", date(2027, 8, 31), True),
        ("10-15", "08-31", date(2026, 9, 20), False),
        ("03-01", "08-31", date(2026, 3, 1), True),
        ("03-01", "08-31", date(2026, 2, 28), False),
    ],
)
def test_a_rule_looks_in_its_season_also_over_the_end_of_a_year(
    begins: str | None, ends: str | None, day: date, looks: bool
) -> None:
    assert a_rule(begins=begins, ends=ends).in_season(day) is looks
