"""Types of fields that commands of several services share, each with the rule it is checked by.

A validator raises ValueError with the rule's code; its texts stand in the message catalogue under `rule.<code>`.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from shared.contracts.codes import isco_unit_groups, isic_sections

# Plain digits to the very end: other alphabets' digits would name the same year or enterprise a second time.
_ACADEMIC_YEAR = re.compile(r"(20[0-9]{2})-([0-9]{2})")
_STIR = re.compile(r"[2-9][0-9]{8}")


def _isco(value: str) -> str:
    if value not in isco_unit_groups():
        raise ValueError("isco")
    return value


def _isic(value: str) -> str:
    if value not in isic_sections():
        raise ValueError("isic_section")
    return value


def _academic_year(value: str) -> str:
    match = _ACADEMIC_YEAR.fullmatch(value)
    if match is None or int(match[2]) != (int(match[1]) + 1) % 100:
        raise ValueError("academic_year")
    return value


def is_stir(value: str) -> bool:
    """Whether a text can be a STIR: nine digits, the first of which is 2 or above."""
    return _STIR.fullmatch(value) is not None


def _stir(value: str) -> str:
    if not is_stir(value):
        raise ValueError("stir")
    return value


def _district(value: str) -> str:
    if len(value) != 7 or not (value.isascii() and value.isdigit()) or not value.startswith("17"):
        raise ValueError("district_code")
    return value


UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of what has no shape of its own, or changes that of others."""


def printable(value: str, *, allowed: str = "") -> str:
    """`value`, if every character of it is `allowed` or can be printed as it is read; raises ValueError(rule)."""
    for character in value:
        if character not in allowed and unicodedata.category(character) in UNPRINTABLE:
            raise ValueError("control_characters")
    return value


JOINERS = "\u200c\u200d"
"""Some scripts are not written without them."""


def _clean(value: str) -> str:
    return printable(value, allowed=JOINERS)


IscoUnitGroup = Annotated[str, AfterValidator(_isco)]
IsicSection = Annotated[str, AfterValidator(_isic)]
AcademicYear = Annotated[str, AfterValidator(_academic_year)]
Stir = Annotated[str, AfterValidator(_stir)]
DistrictCode = Annotated[str, AfterValidator(_district)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True), AfterValidator(_clean)]
REF_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
Ref = Annotated[str, StringConstraints(pattern=REF_PATTERN)]
ID_PATTERN = r"^[0-9a-f-]+$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=ID_PATTERN)]
NAMED_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
"""Of what a list is narrowed by."""
PLAIN_PATTERN = r"^[^\x00-\x1f]*$"
"""Of what is looked for."""
REGION_PATTERN = r"^17[0-9]{2}$"
PLACE_PATTERN = r"^17[0-9]{2}([0-9]{3})?$"
"""Codes of regions and districts."""
TERRITORY_PATTERN = r"^17([0-9]{2}([0-9]{3})?)?$"
"""Those and the nation's."""
