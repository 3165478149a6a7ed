"""Who may write a register may read it: commands answer with the entry, so writing shows what reading hides."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from shared.scope import TERRITORIAL, Role
from shared.web.registers import Register

SERVICES = ("partners", "agreements", "surveys")
OF_PERSONS = frozenset(
    {
        "employments",
        "outcomes",
        "specialists",
        "staff-internships",
        "trainings",
        "graduate-statuses",
        "invitations",
    }
)

WRITTEN_BY_THEIR_OWN = OF_PERSONS | {"placements"}
"""Of placements offices are shown where and when; they write none."""


def registers(service: str) -> Iterator[Register]:
    """Every register of a service that can be written."""
    api = importlib.import_module(f"services.{service}.api")
    seen: set[str] = set()
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Register) and each.create is not None and each.name not in seen:
                    seen.add(each.name)
                    yield each


def test_who_may_write_a_register_may_read_it() -> None:
    names = set()
    for service in SERVICES:
        permissions = importlib.import_module(f"services.{service}.api").PERMISSIONS
        for register in registers(service):
            assert register.create is not None
            names.add(register.name)
            assert permissions[register.create.action] <= permissions[register.read], register.name
    assert names >= OF_PERSONS


@pytest.mark.parametrize("service", SERVICES)
def test_records_of_persons_are_neither_read_nor_written_by_offices(service: str) -> None:
    permissions = importlib.import_module(f"services.{service}.api").PERMISSIONS
    for register in registers(service):
        if register.name in OF_PERSONS:
            assert not permissions[register.read] & TERRITORIAL, register.name
        if register.name in WRITTEN_BY_THEIR_OWN:
            assert register.create is not None
            assert permissions[register.create.action] == {Role.INSTITUTION}, register.name
