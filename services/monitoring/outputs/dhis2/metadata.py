"""The metadata that DHIS2 imports before any value: places, data elements, categories, indicators, data sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator, Unit
from services.monitoring.domain.territory import Level, Place
from services.monitoring.outputs.dhis2.mapping import (
    BREAKDOWNS,
    PERIOD_TYPES,
    PREFIX,
    Element,
    elements,
    option_code,
    uid,
)
from services.monitoring.outputs.dictionary import Entry, entries, group_name, part_name
from shared.i18n import Catalogue, Lang

DEFAULT_COMBO: Final = "bjDvmb4bfuf"
"""The category combination "default", which has this UID in every DHIS2."""
FOUNDED: Final = date(1991, 9, 1)
"""The opening of units of the territory, whose own dates no event tells; DHIS2 asks for one before the first value."""
LOCALES: Final = {Lang.UZ: "uz_UZ_Latn", Lang.UZ_CYRL: "uz_UZ_Cyrl", Lang.RU: "ru", Lang.EN: "en"}
NAME, SHORT, CODE = 230, 50, 50


@dataclass(frozen=True, slots=True)
class OrgUnit:
    """A place with its dates and, where known, its outline as GeoJSON."""

    place: Place
    opened: date = FOUNDED
    closed: date | None = None
    geometry: Mapping[str, Any] | None = None


class Metadata:
    """What one metadata import holds, in words of one language with translations into the others."""

    def __init__(self, catalogue: Catalogue, lang: Lang, k: int) -> None:
        self._catalogue = catalogue
        self._lang = lang
        self._told: dict[Lang, dict[str, Entry]] = {
            each: {entry.code: entry for entry in entries(catalogue, each, k)} for each in Lang
        }

    def all(self, units: Sequence[OrgUnit]) -> dict[str, Any]:
        """The whole import: these units, and everything that values are about."""
        made = [element for indicator in INDICATORS.values() for element in elements(indicator)]
        return {
            "organisationUnitLevels": [self._level(level) for level in Level],
            "organisationUnits": [self._unit(unit) for unit in units],
            **self._categories(),
            "dataElements": [self._element(element) for element in made],
            "dataElementGroups": self._groups(made),
            "indicatorTypes": [self._indicator_type("percent", 100), self._indicator_type("score", 1)],
            "indicators": [
                self._indicator(each)
                for each in INDICATORS.values()
                if each.denominator and each.unit in (Unit.RATIO, Unit.SCORE)
            ],
            "dataSets": [self._data_set(kind.value, made, units) for kind in PERIOD_TYPES],
        }

    def _say(self, key: str, lang: Lang | None = None, **params: object) -> str:
        return self._catalogue.text(f"dhis2.{key}", lang or self._lang, **params)

    def _translations(self, names: Mapping[Lang, str], longest: int = NAME) -> list[dict[str, str]]:
        return [
            {"locale": LOCALES[lang], "property": "NAME", "value": name[:longest]}
            for lang, name in names.items()
            if lang is not self._lang and name
        ]

    def _named(self, kind: str, code: str, names: Mapping[Lang, str], short: str | None = None) -> dict[str, Any]:
        named: dict[str, Any] = {
            "id": uid(kind, code),
            "code": code[:CODE],
            "name": names[self._lang][:NAME],
            "translations": self._translations(names),
        }
        return named if short is None else {**named, "shortName": short[:SHORT]}

    def _level(self, level: Level) -> dict[str, Any]:
        names = {lang: self._say(f"level.{level.name.lower()}", lang) for lang in Lang}
        return {**self._named("organisationUnitLevel", f"{PREFIX}_{level.name}", names), "level": level + 1}

    def _unit(self, unit: OrgUnit) -> dict[str, Any]:
        place = unit.place
        names = {lang: place.names.get("") or place.names.get(lang.value) or place.code for lang in Lang}
        own = names[self._lang].strip() or place.code
        codes = [*(code for code in place.units if code != place.code), place.code]
        told: dict[str, Any] = {
            "id": uid("organisationUnit", place.code),
            "code": place.code,
            "name": own[:NAME],
            "shortName": own[:SHORT],
            # DHIS2 reads the level off the path, and names combinations after their options itself.
            "path": "".join(f"/{uid('organisationUnit', code)}" for code in codes),
            "openingDate": _moment(unit.opened),
            "aggregationType": "NONE",
        }
        if "" not in place.names:
            told["translations"] = self._translations(names)
        if place.parent:
            told["parent"] = {"id": uid("organisationUnit", place.parent)}
        if unit.closed:
            told["closedDate"] = _moment(unit.closed)
        if unit.geometry:
            told["geometry"] = dict(unit.geometry)
        return told

    def _categories(self) -> dict[str, list[dict[str, Any]]]:
        made: dict[str, list[dict[str, Any]]] = {
            "categoryOptions": [],
            "categories": [],
            "categoryCombos": [],
            "categoryOptionCombos": [],
        }
        for breakdown, options in BREAKDOWNS.items():
            code = f"{PREFIX}_{breakdown}".upper()
            names = {lang: f"Hamkor: {self._say(f'breakdown.{breakdown}', lang)}" for lang in Lang}
            combo = uid("categoryCombo", code)
            references = []
            for option in options:
                own = option_code(breakdown, option)
                told = {lang: f"Hamkor: {part_name(self._catalogue, lang, option)}" for lang in Lang}
                references.append({"id": uid("categoryOption", own)})
                made["categoryOptions"].append(self._named("categoryOption", own, told, own))
                made["categoryOptionCombos"].append(
                    {
                        "id": uid("categoryOptionCombo", own),
                        "code": own,
                        "categoryCombo": {"id": combo},
                        "categoryOptions": [references[-1]],
                        "ignoreApproval": False,
                    }
                )
            made["categories"].append(
                {
                    **self._named("category", code, names, code),
                    "dataDimensionType": "DISAGGREGATION",
                    "dataDimension": False,
                    "categoryOptions": references,
                }
            )
            # A total over the options is a data element of its own: an agreement with two partners counts in both.
            made["categoryCombos"].append(
                {
                    **self._named("categoryCombo", code, names),
                    "dataDimensionType": "DISAGGREGATION",
                    "skipTotal": True,
                    "categories": [{"id": uid("category", code)}],
                }
            )
        return made

    def _element_name(self, element: Element, lang: Lang) -> str:
        entry = self._told[lang][element.indicator.code]
        own = f"{entry.code} {entry.name}"
        if not element.what:
            return own
        if element.what in ("n", "d"):
            return self._say("numerator" if element.what == "n" else "denominator", lang, name=own)
        if element.breakdown:
            return f"{own}: {self._say(f'breakdown.{element.breakdown}', lang)}"
        return f"{own}: {part_name(self._catalogue, lang, element.what)}"

    def _element(self, element: Element) -> dict[str, Any]:
        names = {lang: self._element_name(element, lang) for lang in Lang}
        entry = self._told[self._lang][element.indicator.code]
        combo = uid("categoryCombo", f"{PREFIX}_{element.breakdown}".upper()) if element.breakdown else DEFAULT_COMBO
        return {
            **self._named("dataElement", element.code, names, element.code),
            "description": f"{entry.definition} {entry.formula}",
            "domainType": "AGGREGATE",
            "valueType": element.value_type,
            # Every level has values of its own, of which persons and shares are no sums: nothing is added up again.
            "aggregationType": "NONE",
            "aggregationLevels": [level + 1 for level in Level],
            "zeroIsSignificant": True,
            "categoryCombo": {"id": combo},
        }

    def _groups(self, made: Sequence[Element]) -> list[dict[str, Any]]:
        groups: dict[str, list[Element]] = {}
        for element in made:
            groups.setdefault(element.indicator.group, []).append(element)
        found = []
        for group, members in groups.items():
            names = {lang: self._say("group", lang, name=group_name(self._catalogue, lang, group)) for lang in Lang}
            code = f"{PREFIX}_{group}".upper()
            found.append(
                {
                    **self._named("dataElementGroup", code, names, code),
                    "dataElements": [{"id": element.id} for element in members],
                }
            )
        return found

    def _indicator_type(self, name: str, factor: int) -> dict[str, Any]:
        names = {lang: f"Hamkor: {self._say(name, lang)}" for lang in Lang}
        code = f"{PREFIX}_{name}".upper()
        return {**self._named("indicatorType", code, names), "factor": factor, "number": False}

    def _indicator(self, indicator: Indicator) -> dict[str, Any]:
        code = f"{PREFIX}_{indicator.code}"
        names = {lang: f"{indicator.code} {self._told[lang][indicator.code].name}" for lang in Lang}
        entry = self._told[self._lang][indicator.code]
        numerator, denominator = (f"#{{{Element(indicator, what).id}}}" for what in ("n", "d"))
        if indicator.scale != 1:
            numerator = f"{numerator}/{indicator.scale}"
        kind = "percent" if indicator.unit is Unit.RATIO else "score"
        return {
            **self._named("indicator", code, names, f"Hamkor {indicator.code}"),
            "description": f"{entry.definition} {entry.formula}",
            "annualized": False,
            "decimals": 1,
            "indicatorType": {"id": uid("indicatorType", f"{PREFIX}_{kind}".upper())},
            "numerator": numerator,
            "numeratorDescription": entry.numerator,
            "denominator": denominator,
            "denominatorDescription": entry.denominator,
            "aggregationType": "NONE",
        }

    def _data_set(self, kind: str, made: Iterable[Element], units: Sequence[OrgUnit]) -> dict[str, Any]:
        code = f"{PREFIX}_{kind}".upper()
        names = {lang: self._say("data_set", lang, kind=self._say(f"kind.{kind}", lang)) for lang in Lang}
        own = {"id": uid("dataSet", code)}
        wanted = [element for element in made if kind in element.indicator.period_kinds]
        return {
            **self._named("dataSet", code, names, code),
            "periodType": next(type_ for each, type_ in PERIOD_TYPES.items() if each.value == kind),
            "categoryCombo": {"id": DEFAULT_COMBO},
            "dataSetElements": [{"dataSet": own, "dataElement": {"id": element.id}} for element in wanted],
            "organisationUnits": [{"id": uid("organisationUnit", unit.place.code)} for unit in units],
            "aggregationType": "NONE",
            "formType": "DEFAULT",
            "mobile": False,
            "version": 1,
            "expiryDays": 0,
            "timelyDays": 15,
            # Values of the period under way move every day.
            "openFuturePeriods": 1,
            "openPeriodsAfterCoEndDate": 0,
        }


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000"
