"""Our codes, periods and values in DHIS2's notation: pure, and the same for the same code for ever."""

import hashlib
import string
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.monitoring.domain.formulas import Indicator, Unit
from services.monitoring.domain.measures import CATEGORY_ACTIVE, CAUSES, GRADUATES_BY_GROUP, TRAINEES
from services.monitoring.domain.periods import Period, PeriodKind
from services.monitoring.domain.values import Value
from shared.contracts.vocabulary import Form

PREFIX: Final = "HAMKOR"
_FIRST: Final = string.ascii_letters
_REST: Final = string.digits + string.ascii_letters
UID_LENGTH: Final = 11

PERIOD_TYPES: Final = {
    PeriodKind.MONTH: "Monthly",
    PeriodKind.QUARTER: "Quarterly",
    PeriodKind.FISCAL_YEAR: "Yearly",
    PeriodKind.ACADEMIC_YEAR: "FinancialSep",
}
"""DHIS2's period types; September to August there is since 2.42. Rolling months it computes itself, from months."""

BREAKDOWNS: Final[dict[str, tuple[str, ...]]] = {
    "forms": tuple(str(form) for form in Form),
    "categories": tuple(map(str, CATEGORY_ACTIVE)),
    "isco": tuple(f"isco_{group}" for group in GRADUATES_BY_GROUP),
    "courses": tuple(map(str, TRAINEES)),
    "causes": tuple(map(str, CAUSES)),
    "gates": ("met", "in_progress", "lapsed", "missing"),
    "stages": ("stage_0", "stage_1", "stage_2", "stage_3"),
}
"""Breakdowns that become a category with these options; other parts become data elements of their own."""
_BREAKDOWN_OF = {option: name for name, options in BREAKDOWNS.items() for option in options}


class Scheme(StrEnum):
    """How data values name things: by our UIDs, or by codes, where places and elements already are in DHIS2."""

    UID = "uid"
    CODE = "code"


class NoSuchPeriod(ValueError):
    """DHIS2 has no period like that."""


def uid(kind: str, code: str) -> str:
    """The 11 characters that DHIS2 knows a thing by: a letter, then letters and digits, made from kind and code."""
    number = int.from_bytes(hashlib.sha256(f"hamkor/{kind}/{code}".encode()).digest(), "big")
    number, first = divmod(number, len(_FIRST))
    letters = [_FIRST[first]]
    while len(letters) < UID_LENGTH:
        number, at = divmod(number, len(_REST))
        letters.append(_REST[at])
    return "".join(letters)


def period_of(period: Period) -> str:
    """202601, 2026Q1, 2026, 2026Sep; raises NoSuchPeriod for rolling months."""
    year, month = divmod(period.first, 12)
    match period.kind:
        case PeriodKind.MONTH:
            return f"{year:04d}{month + 1:02d}"
        case PeriodKind.QUARTER:
            return f"{year:04d}Q{month // 3 + 1}"
        case PeriodKind.FISCAL_YEAR:
            return f"{year:04d}"
        case PeriodKind.ACADEMIC_YEAR:
            return f"{year:04d}Sep"
    raise NoSuchPeriod(period.text)


@dataclass(frozen=True, slots=True)
class Element:
    """A data element: an indicator's value, its numerator, denominator, one part of it, or all of a breakdown."""

    indicator: Indicator
    what: str
    breakdown: str | None = None

    @property
    def code(self) -> str:
        """Its code in DHIS2, and what its UID is made from."""
        return ".".join(each for each in (f"{PREFIX}_{self.indicator.code}", self.what.upper()) if each)

    @property
    def id(self) -> str:
        """Its UID."""
        return uid("dataElement", self.code)

    @property
    def value_type(self) -> str:
        """DHIS2's value type."""
        fraction = self.what == "spread" or (not self.what and self.indicator.unit in (Unit.RATIO, Unit.SCORE))
        return "NUMBER" if fraction else "INTEGER"


def elements(indicator: Indicator) -> list[Element]:
    """The data elements of an indicator; where there is no denominator the value is the numerator."""
    found = [Element(indicator, "")]
    if indicator.denominator:
        found += [Element(indicator, "n"), Element(indicator, "d")]
    for part in indicator.parts:
        breakdown = _BREAKDOWN_OF.get(part)
        element = Element(indicator, f"by_{breakdown}", breakdown) if breakdown else Element(indicator, part)
        if element not in found:
            found.append(element)
    return [*found, Element(indicator, "spread")] if indicator.spread else found


def option_combo(scheme: Scheme, breakdown: str, option: str) -> str:
    """The category option combination of one option of a breakdown."""
    code = option_code(breakdown, option)
    return code if scheme is Scheme.CODE else uid("categoryOptionCombo", code)


def option_code(breakdown: str, option: str) -> str:
    """An option's code."""
    return f"{PREFIX}_{breakdown}_{option}".upper()


def data_values(
    indicator: Indicator, place: str, period: str, value: Value, scheme: Scheme
) -> Iterator[dict[str, Any]]:
    """The data values of an indicator's value; what is withheld, or unknown, is not there: null is not zero."""
    if value.suppressed:
        return
    own: dict[str, float | None] = {"": value.value}
    if indicator.denominator:
        own |= {"n": value.numerator, "d": value.denominator}
    for part, amount in (*own.items(), *value.parts.items()):
        if amount is None:
            continue
        breakdown = _BREAKDOWN_OF.get(part)
        element = Element(indicator, f"by_{breakdown}" if breakdown else part, breakdown)
        told = {
            "dataElement": element.code if scheme is Scheme.CODE else element.id,
            "period": period,
            "orgUnit": place if scheme is Scheme.CODE else uid("organisationUnit", place),
            "value": number_text(amount),
        }
        if breakdown:
            told["categoryOptionCombo"] = option_combo(scheme, breakdown, part)
        yield told


def number_text(amount: float) -> str:
    """A number as DHIS2 reads it: whole, or with a point and no exponent."""
    if float(amount).is_integer():
        return str(int(amount))
    return f"{amount:.9f}".rstrip("0").rstrip(".")
