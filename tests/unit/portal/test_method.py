"""The method walked code by code: each is told by events, may be entered, and has its name and its place."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from services.monitoring.domain.gates import EVIDENCE, GATES
from services.portal.work.declaration import declaration
from services.portal.work.schema import every
from services.portal.work.words import Words
from shared.contracts.preparation import SelfAssessmentState
from shared.contracts.visits import Cause, Check, ProtocolStep
from shared.contracts.vocabulary import Form, Opportunity, PartnerCategory
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from tests.unit.portal.described import described

ROOT = Path(__file__).parents[3]
CATALOGUE = Catalogue.load(SHARED_MESSAGES, ROOT / "services/portal/messages")
SCHEMAS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "shared/contracts/schemas").rglob("*.json")}
DECLARED = declaration()
FAMILIES: dict[str, tuple[int, type[StrEnum], str, tuple[str, str]]] = {
    "O": (7, Opportunity, "partners.self_assessment.v1", ("self-assessments", "")),
    "V": (6, Check, "partners.visit.v1", ("visits", "checklist-check")),
    "N": (6, ProtocolStep, "partners.visit.v1", ("visits", "protocol")),
    "A": (4, Cause, "partners.visit.v1", ("visits", "protocol")),
    "B": (3, Cause, "partners.visit.v1", ("visits", "cancel")),
    "AF": (9, Form, "agreements.agreement.v1", ("agreements", "")),
}
"""The codes of a letter: how many, where they are modelled, whose events tell them, the command that enters them."""
WORK = {
    "AF1": ("placements",),
    "AF2": ("employments", "outcomes"),
    "AF3": ("expert-reviews",),
    "AF4": ("staff-internships",),
    "AF5": ("projects", "incomes"),
    "AF6": ("trainings",),
    "AF7": ("certifications",),
    "AF8": ("specialists",),
    "AF9": ("activities",),
}
"""The registers in which the work under each form stands."""


def codes() -> Iterator[tuple[str, str]]:
    for letter, (count, *_) in FAMILIES.items():
        yield from ((letter, f"{letter}{number}") for number in range(1, count + 1))


def options(register: str, step: str) -> set[str]:
    """The codes that a command's form offers."""
    _, description = described(register)
    command = description.steps[step] if step else description.create
    assert command is not None
    return {option for each in every((*command.places, *(command.body or ()))) for option in each.options}


@pytest.mark.parametrize(("letter", "code"), list(codes()))
def test_code_is_told_may_be_entered_and_has_its_name(letter: str, code: str) -> None:
    _, enum, told, (register, step) = FAMILIES[letter]
    assert enum(code) == code
    assert f'"{code}"' in SCHEMAS[told]
    assert code in options(register, step)
    names = {Words(CATALOGUE, lang).code(enum.__name__, code) for lang in Lang}
    assert len(names) == 4
    assert code not in names


def test_the_four_questions_are_answered_by_structures() -> None:
    questions = {"Q1": "understanding", "Q2": "problems", "Q3": "main_partners", "Q4": "gifts"}
    _, description = described("self-assessments")
    assert description.create is not None
    asked = {each.name: each for each in description.create.body or ()}
    for code, name in questions.items():
        assert name in SelfAssessmentState.model_fields
        assert asked[name].required or asked[name].fields, code
        assert all(code in Words(CATALOGUE, lang).label("self-assessments", name) for lang in Lang)


@pytest.mark.parametrize("code", [f"R{number}" for number in range(1, 14)])
def test_result_has_a_gate_its_evidence_and_a_page_that_brings_it_nearer(code: str) -> None:
    gate = GATES[code]
    assert code in DECLARED.gate_stages[("preparation", "organisation", "final")[gate.stage - 1]]
    register = DECLARED.register_of(DECLARED.gates[code])
    assert register is not None
    assert code in register.results
    assert CATALOGUE.has(f"gate.{code}")
    evidence = {name for ask in gate.asks for name, _ in ask.alternatives}
    assert gate.by_category or evidence
    assert evidence <= set(EVIDENCE)


@pytest.mark.parametrize("form", list(Form))
def test_work_under_each_form_stands_in_registers_of_its_own(form: Form) -> None:
    agreements = described("agreements")[0]
    under = {name for name, _ in agreements.under_of({"form": form.value})}
    for name in WORK[form]:
        aggregate = name.replace("-", "_").removesuffix("s").replace("activitie", "activity")
        assert described(name)[1].create is not None
        assert f"agreements.{aggregate}.v1" in SCHEMAS
    others = {name for each, names in WORK.items() if each != form for name in names}
    assert not under & others


def test_every_category_of_partner_may_sign() -> None:
    assert {each.value for each in PartnerCategory} <= options("agreements", "")
