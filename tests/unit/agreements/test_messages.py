"""Every problem and rule this service can name has its texts in four languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import services.agreements
from services.agreements.commands.normative import NotYourNorm
from services.agreements.commands.references import UnknownInstitution
from services.agreements.domain.agreements import AlreadySigned, NotYourParty
from services.agreements.domain.links import AgreementChanged
from services.agreements.domain.schedules import ScheduleAgreed, SomebodySigned
from shared.errors import HamkorError
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang, faults
from tests.unit.chassis.test_forms_in_words import patterns_of

PACKAGE = Path(services.agreements.__file__).parent


def raised_rules() -> Iterator[str]:
    """The second argument of every FieldError; of every ValueError and BrokenRule the first, if it is one word."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = {"FieldError": 1, "ValueError": 0, "BrokenRule": 0}.get(node.func.id)
            if place is None or len(node.args) <= place:
                continue
            rule = node.args[place]
            if isinstance(rule, ast.Constant) and str(rule.value).isidentifier():
                yield str(rule.value)


def test_catalogues_agree_with_each_other() -> None:
    assert faults(PACKAGE / "messages") == []


@pytest.mark.parametrize("lang", Lang)
def test_every_rule_has_message_and_remedy(lang: Lang) -> None:
    texts = Catalogue.load(SHARED_MESSAGES, PACKAGE / "messages")
    rules = set(raised_rules())
    assert len(rules) > 20
    for rule in rules:
        assert {"message", "remedy"} <= texts.section(f"rule.{rule}", lang).keys(), rule


@pytest.mark.parametrize(
    "problem",
    [AgreementChanged, AlreadySigned, NotYourNorm, NotYourParty, ScheduleAgreed, SomebodySigned, UnknownInstitution],
)
def test_every_problem_has_its_texts(problem: type[HamkorError]) -> None:
    texts = Catalogue.load(SHARED_MESSAGES, PACKAGE / "messages")
    for lang in Lang:
        assert {"title", "detail", "remedy"} <= texts.section(f"problem.{problem.code}", lang).keys()


def test_no_text_is_left_over() -> None:
    own = Catalogue.load(PACKAGE / "messages").section("rule", Lang.UZ)
    forms = {f"form_of_{field.rpartition('.')[2].strip('[]')}" for field, _ in patterns_of("agreements")}
    assert {name.partition(".")[0] for name in own} <= set(raised_rules()) | forms
