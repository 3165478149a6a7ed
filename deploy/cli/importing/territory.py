"""The territory: nation, regions, districts by SOATO code with their names in four languages."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from deploy.api_client import Api
from deploy.cli.importing.columns import Column
from deploy.cli.importing.registers import Entry, Known, Outcome, Plan, Register, Step
from deploy.cli.importing.rows import Fault, Line, Lowered, Parsed
from shared.contracts.fields import Name
from shared.contracts.vocabulary import TerritoryLevel

LEVELS = {2: TerritoryLevel.NATION, 4: TerritoryLevel.REGION, 7: TerritoryLevel.DISTRICT}
PARENT_LENGTH = {4: 2, 7: 4}


def _soato(value: str) -> str:
    if not value.isdigit() or not value.startswith("17") or len(value) not in LEVELS:
        raise ValueError("soato")
    return value


class TerritoryLine(Line):
    """A unit of the territory."""

    soato: Annotated[str, AfterValidator(_soato)]
    level: Annotated[TerritoryLevel | None, Lowered] = None
    parent: str | None = None
    iso_3166_2: str | None = None
    name_uz_latn: Name
    name_uz_cyrl: Name
    name_ru: Name
    name_en: Name

    @property
    def names(self) -> dict[str, str]:
        """The names as the API wants them."""
        return {"uz": self.name_uz_latn, "uz-Cyrl": self.name_uz_cyrl, "ru": self.name_ru, "en": self.name_en}


class TerritoryRegister(Register[TerritoryLine]):
    """Nation first, then regions, then districts."""

    name: ClassVar[str] = "territory"
    about: ClassVar[str] = "the territory: nation, regions and districts by SOATO code"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "soato", "SOATO kodi", "Код СОАТО", "17, four or seven digits", "1708401", also=("kod", "code", "soato")
        ),
        Column("level", "Daraja", "Уровень", "nation, region or district", "district", required=False),
        Column("parent", "Yuqori hudud", "Вышестоящая территория", "SOATO code above", "1708", required=False),
        Column("iso_3166_2", "ISO 3166-2", "ISO 3166-2", "kept for reference, not sent", "", required=False),
        Column("name_uz_latn", "Nomi (lotin)", "Название (узб. лат.)", "name in Uzbek, Latin", "Jizzax shahri"),
        Column("name_uz_cyrl", "Nomi (kirill)", "Название (узб. кир.)", "name in Uzbek, Cyrillic", "Жиззах шаҳри"),
        Column("name_ru", "Nomi (rus)", "Название (рус.)", "name in Russian", "город Джизак"),
        Column("name_en", "Nomi (ingliz)", "Название (англ.)", "name in English", "Jizzakh City"),
    )
    line = TerritoryLine

    def key_of(self, line: TerritoryLine) -> tuple[str, str]:
        """The SOATO code."""
        return "soato", line.soato

    def wave(self, line: TerritoryLine) -> int:
        """A unit needs the one above it."""
        return len(line.soato)

    def check(self, parsed: Parsed[TerritoryLine], known: Known) -> list[Fault]:
        """Level and parent, where they are given, must be what the code says."""
        del known
        line, faults = parsed.line, []
        if line.level is not None and line.level is not LEVELS[len(line.soato)]:
            faults.append(Fault(parsed.row, "level", line.level.value, "level"))
        parent = _parent(line.soato)
        if line.parent is not None and line.parent != parent:
            faults.append(Fault(parsed.row, "parent", line.parent, "parent", {"expected": parent or "–"}))
        return faults

    def check_together(self, entries: Sequence[Entry[TerritoryLine]], known: Known) -> list[Fault]:
        """The unit above must be in the file or in the platform."""
        there = {entry.key for entry in entries} | known.territory.keys()
        return [
            Fault(entry.row, "soato", entry.key, "no_parent", {"parent": parent})
            for entry in entries
            if (parent := _parent(entry.key)) is not None and parent not in there
        ]

    async def plan(self, entry: Entry[TerritoryLine], known: Known, api: Api, user: str) -> Plan:
        """The names may differ."""
        del api, user
        names = entry.lines[0].line.names
        state = known.territory.get(entry.key)
        if state is not None and state["names"] == names:
            return Plan(Outcome.UNCHANGED)
        version = int(state["version"]) if state else 0
        step = Step("PUT", f"/v1/territory/{entry.key}", {"names": names}, versioned=state is not None)
        return Plan(Outcome.CHANGED if state else Outcome.NEW, (step,), entry.key, version)

    def column_of(self, field_path: str) -> str:
        """The names are four columns."""
        first, _, language = field_path.partition(".")
        if first == "names":
            return {"uz": "name_uz_latn", "uz-Cyrl": "name_uz_cyrl", "ru": "name_ru", "en": "name_en"}.get(language, "")
        return super().column_of(field_path)


def _parent(soato: str) -> str | None:
    length = PARENT_LENGTH.get(len(soato))
    return soato[:length] if length else None
