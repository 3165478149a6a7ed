"""The declaration and the services agree: what stands in registers.toml exists and has its words and possible steps."""

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from services.agreements.domain import employments as employment_domain
from services.agreements.domain import lifecycle as agreement_life
from services.agreements.domain.practice import placements as placement_domain
from services.partners.domain.visits import visits as visit_domain
from services.portal.work.controls import inside_of
from services.portal.work.declaration import declaration
from services.portal.work.schema import Field, Kind, every
from services.portal.work.words import OWN_SECTIONS, Words, choices, named
from shared.clock import local_day, now
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.scope import Role
from tests.unit.portal.described import PACKAGES, ROUTERS, described

CATALOGUE = Catalogue.load(SHARED_MESSAGES, Path(__file__).parents[3] / "services/portal/messages")
DECLARED = declaration()
NAMES = [each.name for each in DECLARED.registers]


def fields_of(name: str) -> Iterator[Field]:
    """Every field a page of this register can show or ask for."""
    _, description = described(name)
    steps = [*description.steps.values(), *([description.create] if description.create else [])]
    for step in steps:
        yield from every(step.places)
        yield from every(step.body or ())
    yield from every(description.shown)
    yield from every(description.filters)


SELF = "01980000-0000-7000-8000-00000000000e"
"""An enterprise that reads."""


@pytest.mark.parametrize("name", NAMES)
def test_register_is_there_with_everything_that_is_declared_of_it(name: str) -> None:
    register, description = described(name)
    shown = {each.name for each in description.shown}
    assert register.service in ROUTERS
    assert register.stage in DECLARED.stages
    assert description.read
    assert set(register.columns) | set(register.title) <= shown
    assert not register.state or register.state in shown
    assert set(register.parts) <= description.parts
    for other, key in register.under.items():
        assert key in {each.name for each in described(other)[1].filters}, f"{other} can't be narrowed by {key}"
    assert set(register.steps) <= set(description.steps)
    assert register.under_when.keys() <= register.under.keys()


@pytest.mark.parametrize("name", NAMES)
def test_everything_on_a_registers_pages_has_its_word(name: str) -> None:
    _, description = described(name)
    keys = {f"register.{name}"} | ({f"new.{name}"} if description.create else set())
    assert {key for key in keys if not CATALOGUE.has(key)} == set()
    without = {
        each.name
        for each in fields_of(name)
        if not (CATALOGUE.has(f"field.{each.name}") or CATALOGUE.has(f"field_of.{name}.{each.name}"))
    }
    assert without == set(), "fields without a label"
    codes = {
        f"{each.enum}.{option}"
        for each in fields_of(name)
        for option in each.options
        if not any(
            CATALOGUE.has(f"{section}.{option}")
            for section in ("code", f"code_of.{each.enum}", OWN_SECTIONS.get(each.enum, "code"))
        )
    }
    assert codes == set(), "codes without a word"
    steps = {step for step in description.steps if not (CATALOGUE.has(f"step.{step}"))}
    assert steps == set(), "steps without a word"


def test_desk_and_gates_lead_to_registers_that_exist() -> None:
    for waiting in DECLARED.desk:
        register, description = described(waiting.register_)
        assert set(waiting.filters) <= {each.name for each in description.filters}
        assert waiting.roles <= register.readers
        assert CATALOGUE.has(f"desk.{waiting.name}")
    for code, name in DECLARED.gates.items():
        assert name in NAMES
        assert CATALOGUE.has(f"gate.{code}")
    assert [code for codes in DECLARED.gate_stages.values() for code in codes] == [f"R{n}" for n in range(1, 14)]


LIVES: list[tuple[str, Mapping[Any, Any], dict[str, str]]] = [
    (
        "agreements",
        agreement_life.LIFECYCLE,
        {
            "schedule": "schedule",
            "schedule-term": "report",
            "activities": "record_activity",
            "confirm-amendment": "confirm_amendment",
            "notice": "give_notice",
        },
    ),
    ("employments", employment_domain.LIFECYCLE, {}),
    ("placements", placement_domain.LIFE.table, {"break-off": "break_off"}),
    ("visits", visit_domain.LIFECYCLE, {"checklist-check": "check", "protocol": "record"}),
]


@pytest.mark.parametrize(("name", "table", "called"), LIVES, ids=[life[0] for life in LIVES])
def test_step_is_offered_exactly_where_the_service_permits_it(
    name: str, table: Mapping[tuple[StrEnum, StrEnum], StrEnum], called: dict[str, str]
) -> None:
    register, _ = described(name)
    known = {step.value for _, step in table}
    for step, rule in register.steps.items():
        inside = called.get(step, step)
        if inside not in known:
            continue
        possible = frozenset(state.value for state, each in table if each.value == inside)
        assert rule.states == possible, f"{name}: {step}"


ACTION = re.compile(r"""edge\.command\(\s*(?:"([a-z_.]+)"|(RECORD))""")


def permitted(service: str, method: str, path: str) -> frozenset[Role]:
    """Who may send a command, as the service's own table says."""
    package = PACKAGES[service]
    for room in package.ROOMS:
        for route in room.router.routes:
            if isinstance(route, APIRoute) and route.path == path and method in (route.methods or ()):
                found = ACTION.search(inspect.getsource(route.endpoint))
                assert found is not None, path
                roles: frozenset[Role] = package.PERMISSIONS[found[1] or room.RECORD]
                return roles
    raise AssertionError(path)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_offered_a_command_the_service_refuses_their_role(name: str) -> None:
    register, description = described(name)
    package = PACKAGES[register.service]
    declared = {each.name: each for room in package.ROOMS for each in getattr(room, "REGISTERS", ())}.get(name)
    if declared is not None and declared.create is not None:
        creators = register.writers if register.creators is None else register.creators
        assert creators <= package.PERMISSIONS[declared.create.action]
    for step in description.steps.values():
        roles = register.rule(step.name).roles
        may = permitted(register.service, step.method, step.path)
        assert (register.writers if roles is None else roles) <= may, step.name


def test_amendment_is_offered_for_agreement_while_it_awaits_somebody() -> None:
    agreements = described("agreements")[0]
    parties = [{"party_id": "p1", "category": "institution"}, {"party_id": "p2", "category": "enterprise", "ref": SELF}]
    entry = {"status": "active", "form": "AF1", "pending": None, "renewal": None, "parties": parties}
    assert not agreements.offers("confirm-amendment", Role.ENTERPRISE, entry, SELF)
    assert not agreements.offers("notice", Role.ENTERPRISE, entry, SELF)
    awaited = entry | {"pending": {"awaits": ["p2"]}, "renewal": {"months": 12, "notice_days": 30}}
    assert agreements.offers("confirm-amendment", Role.ENTERPRISE, awaited, SELF)
    assert agreements.offers("notice", Role.ENTERPRISE, awaited, SELF)
    assert {name for name, _ in agreements.under_of(entry)} == {"placements", "documents"}
    assert agreements.shows("schedule_complete", entry)
    assert not agreements.shows("schedule_complete", entry | {"form": "AF7"})


def test_nobody_is_offered_what_the_service_never_permits_them() -> None:
    sign = described("agreements")[0]
    draft = {
        "status": "draft",
        "form": "AF1",
        "parties": [{"party_id": "p2", "category": "enterprise", "ref": SELF, "signature": None}],
    }
    assert sign.offers("sign", Role.ENTERPRISE, draft, SELF)
    assert not sign.offers("sign", Role.MINISTRY, draft, SELF)
    assert not sign.offers("sign", Role.INSTITUTION, draft | {"status": "active"}, SELF)
    assert not sign.offers("schedule", Role.INSTITUTION, {"status": "draft", "form": "AF2"}, SELF)
    for status, terms, offered in (("draft", ["t1"], True), ("active", [], True), ("active", ["t1"], False)):
        entry = {"status": status, "form": "AF1", "schedule": list(terms)}
        assert sign.offers("schedule", Role.INSTITUTION, entry, SELF) is offered


def test_what_is_done_about_a_party_is_offered_for_those_that_it_is_for() -> None:
    agreements = described("agreements")[0]
    signed = {"kind": "electronic", "signed_on": "2026-01-05"}
    school = {"party_id": "p1", "category": "institution", "signature": signed}
    firm = {"party_id": "p2", "category": "enterprise", "ref": SELF, "signature": None}
    union = {"party_id": "p3", "category": "trade_union", "signature": None}
    entry = {"status": "draft", "form": "AF7", "parties": [school, firm, union], "pending": {"awaits": ["p1", "p3"]}}

    def chosen(step: str, *reader: Any) -> list[str]:
        rule = agreements.rule(step)
        found = inside_of(
            entry, lambda _, item: item["category"], lambda list_, item: rule.takes(entry, list_, item, *reader)
        )
        return [name for _, name in found.get("party_id", ())]

    at_school, at_firm = (Role.INSTITUTION, "s"), (Role.ENTERPRISE, SELF)
    assert chosen("sign", *at_school) == ["enterprise", "trade_union"], "on paper for others"
    assert chosen("sign", *at_firm) == ["enterprise"]
    assert chosen("confirmation-links", *at_school) == ["trade_union"]
    assert chosen("confirm-amendment", *at_school) == ["institution", "trade_union"]
    assert chosen("confirm-amendment", *at_firm) == []
    assert agreements.offers("sign", Role.ENTERPRISE, entry, SELF)
    assert not agreements.offers("sign", Role.ENTERPRISE, entry, "another party of it")
    assert not agreements.offers("confirm-amendment", Role.ENTERPRISE, entry | {"status": "active"}, SELF)
    assert agreements.offers("confirmation-links", Role.INSTITUTION, entry, SELF)
    assert not agreements.offers("confirmation-links", Role.INSTITUTION, entry | {"parties": [school, firm]}, SELF)
    assert not agreements.offers("sign", Role.INSTITUTION, entry | {"parties": [school]}, SELF)


@pytest.mark.parametrize("lang", list(Lang))
def test_codes_have_names_in_the_readers_language(lang: Lang) -> None:
    words = Words(CATALOGUE, lang)
    assert words.code("AgreementStatus", "draft") != "draft" or lang is Lang.EN
    assert words.label("agreements", "valid_until") != "valid until"
    assert named("isco", "7231", lang).startswith("7231 – ")
    assert named("isco", "0000", lang) == "0000"
    districts = [code for _, options in choices("district", lang, local_day(now())) for code, _ in options]
    assert len(districts) == len(set(districts)) == 206


def test_an_address_is_one_line_however_long_it_may_be() -> None:
    steps = described("webhooks")[1].steps
    fields = [each for step in steps.values() for each in step.body or () if each.name == "url"]
    assert fields
    assert {each.kind for each in fields} == {Kind.TEXT}
