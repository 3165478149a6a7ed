"""The register of institutions by national code, with their programmes where the file has them."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, Field

from deploy.api_client import Api
from deploy.cli.importing.columns import Column
from deploy.cli.importing.registers import SERVICE, Entry, Known, Outcome, Plan, Register, Step
from deploy.cli.importing.rows import Day, Fault, Line, Lowered, Parsed, Uppered
from shared.clock import TASHKENT
from shared.contracts.codes import isco_unit_groups
from shared.contracts.fields import DistrictCode, IsicSection, Name, Ref
from shared.contracts.vocabulary import InstitutionKind

PROGRAMME: Final = ("programme_code", "programme_title", "isced_level", "isced_field", "occupations")
OWN: Final = ("name", "kind", "district", "sector", "opened_on", "moved_on")


def _occupations(value: Any) -> Any:
    return tuple(value.replace(",", " ").replace(";", " ").split()) if isinstance(value, str) else value


def _all_isco(value: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [code for code in value if code not in isco_unit_groups()]:
        raise ValueError(f"isco:{', '.join(unknown)}")
    return value


def _isced_field(value: str) -> str:
    if not value.isdigit() or not 2 <= len(value) <= 4:
        raise ValueError("isced_field")
    return value


def _past(value: date) -> date:
    if value > datetime.now(TASHKENT).date():
        raise ValueError("in_future")
    return value


class InstitutionLine(Line):
    """An institution and, in the last five columns, one of its programmes."""

    code: Ref
    name: Name
    kind: Annotated[InstitutionKind, Lowered]
    district: DistrictCode
    sector: Annotated[IsicSection | None, Uppered] = None
    opened_on: Annotated[Day, AfterValidator(_past)]
    moved_on: Annotated[Day, AfterValidator(_past)] | None = None
    programme_code: Ref | None = None
    programme_title: Name | None = None
    isced_level: Annotated[int, Field(ge=0, le=8)] | None = None
    isced_field: Annotated[str, AfterValidator(_isced_field)] | None = None
    occupations: Annotated[tuple[str, ...], AfterValidator(_all_isco), BeforeValidator(_occupations)] | None = None

    @property
    def programme(self) -> dict[str, Any] | None:
        """The programme as the API wants it, or None."""
        if self.programme_code is None:
            return None
        return {
            "code": self.programme_code,
            "title": self.programme_title,
            "isced_level": self.isced_level,
            "isced_field": self.isced_field,
            "occupations": list(self.occupations or ()),
        }


class InstitutionRegister(Register[InstitutionLine]):
    """One row an institution, or one row for each of its programmes."""

    name: ClassVar[str] = "institutions"
    about: ClassVar[str] = "institutions by national code; one row, or one for each programme"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("code", "Kodi", "Код", "national register code", "JZ-0001", also=("kod", "institution_code")),
        Column("name", "Nomi", "Наименование", "full name", "Jizzax politexnika texnikumi", also=("nom", "название")),
        Column("kind", "Turi", "Вид", ", ".join(InstitutionKind), "technikum", also=("tur", "тип", "type")),
        Column("district", "Tuman", "Район", "SOATO code, 7 digits", "1708401", also=("soato", "tuman_kodi")),
        Column("sector", "Soha", "Отрасль", "ISIC Rev. 4 section it trains for", "C", required=False),
        Column("opened_on", "Ochilgan sana", "Дата открытия", "day it opened", "2005-09-01"),
        Column("moved_on", "Koʻchgan sana", "Дата перевода", "day it came to this district", "", required=False),
        Column("programme_code", "Dastur kodi", "Код программы", "code of a programme", "30720102", required=False),
        Column("programme_title", "Dastur nomi", "Название программы", "its title", "Payvandchi", required=False),
        Column("isced_level", "ISCED darajasi", "Уровень МСКО", "ISCED 2011, 0 to 8", "3", required=False),
        Column("isced_field", "ISCED sohasi", "Область МСКО-О", "ISCED-F 2013, 2–4 digits", "0715", required=False),
        Column("occupations", "Kasblar (ISCO)", "Профессии (МСКЗ)", "ISCO-08, 4 digits each", "7212", required=False),
    )
    line = InstitutionLine

    def key_of(self, line: InstitutionLine) -> tuple[str, str]:
        """The national code."""
        return "code", line.code

    def check(self, parsed: Parsed[InstitutionLine], known: Known) -> list[Fault]:
        """The district must be there, and a programme complete."""
        line, faults = parsed.line, []
        if line.district not in known.territory:
            faults.append(Fault(parsed.row, "district", line.district, "unknown_territory"))
        lacking = [name for name in PROGRAMME if getattr(line, name) is None]
        if 0 < len(lacking) < len(PROGRAMME):
            faults.append(Fault(parsed.row, lacking[0], "", "programme_incomplete", {"lacking": ", ".join(lacking)}))
        return faults

    def gather(self, parsed: Iterable[Parsed[InstitutionLine]]) -> tuple[list[Entry[InstitutionLine]], list[Fault]]:
        """Rows of one code belong together where each names another programme and nothing else differs."""
        groups: dict[str, list[Parsed[InstitutionLine]]] = {}
        faults: list[Fault] = []
        for each in parsed:
            group = groups.setdefault(each.line.code, [])
            if fault := _contradiction(group, each):
                faults.append(fault)
            else:
                group.append(each)
        return [Entry(code, tuple(group)) for code, group in groups.items() if group], faults

    async def plan(self, entry: Entry[InstitutionLine], known: Known, api: Api, user: str) -> Plan:
        """Register, or update, move and set programmes where the file says something else."""
        del known
        line = entry.lines[0].line
        programmes = [each.line.programme for each in entry.lines if each.line.programme is not None]
        answer = await api.get(user, SERVICE, "/v1/institutions", code=entry.key, limit=1)
        if not answer.body["items"]:
            body = line.model_dump(mode="json", include={"code", *OWN} - {"moved_on"}, exclude_none=True)
            steps = [Step("POST", "/v1/institutions", body, versioned=False)]
            if programmes:
                steps.append(_set(programmes))
            return Plan(Outcome.NEW, tuple(steps))
        state = answer.body["items"][0]
        if faults := _refusals(entry, state):
            return Plan(Outcome.WRONG, faults=tuple(faults))
        steps = []
        wished = line.model_dump(mode="json", include={"name", "kind", "sector"}, exclude_none=True)
        if changes := {name: value for name, value in wished.items() if state.get(name) != value}:
            steps.append(Step("PATCH", "/v1/institutions/{id}", changes))
        if line.district != state["membership"][-1]["district"] and line.moved_on is not None:
            body = {"district": line.district, "since": line.moved_on.isoformat()}
            steps.append(Step("POST", "/v1/institutions/{id}/move", body))
        if programmes and programmes != state["programmes"]:
            steps.append(_set(programmes))
        return Plan(Outcome.CHANGED if steps else Outcome.UNCHANGED, tuple(steps), state["id"], int(state["version"]))

    def column_of(self, field_path: str) -> str:
        """A programme's fields are columns of their own."""
        parts = field_path.split(".")
        if parts[0] == "programmes":
            last = next((part for part in reversed(parts) if not part.isdigit()), "")
            return {"code": "programme_code", "title": "programme_title"}.get(last, super().column_of(last))
        return {"since": "moved_on"}.get(parts[0], super().column_of(field_path))


def _set(programmes: list[dict[str, Any]]) -> Step:
    return Step("PUT", "/v1/institutions/{id}/programmes", {"programmes": programmes})


def _contradiction(group: list[Parsed[InstitutionLine]], each: Parsed[InstitutionLine]) -> Fault | None:
    if not group:
        return None
    first = group[0]
    for column in OWN:
        here, there = getattr(each.line, column), getattr(first.line, column)
        if here != there:
            params: dict[str, str | int | float] = {"first": first.row, "other": str(there or "–")}
            return Fault(each.row, column, str(here or ""), "contradiction", params)
    for other in group:
        if each.line.programme_code is None or other.line.programme_code is None:
            return Fault(each.row, "code", each.line.code, "duplicate", {"first": other.row})
        if each.line.programme_code == other.line.programme_code:
            return Fault(each.row, "programme_code", each.line.programme_code, "duplicate", {"first": other.row})
    return None


def _refusals(entry: Entry[InstitutionLine], state: dict[str, Any]) -> list[Fault]:
    """What the file says and an import can't do."""
    line, row = entry.lines[0].line, entry.row
    if state["status"] != "active":
        return [Fault(row, "code", entry.key, "ended", {"state": state["status"]})]
    faults = []
    opened_on = line.opened_on.isoformat()
    if state["opened_on"] is not None and state["opened_on"] != opened_on:
        faults.append(Fault(row, "opened_on", opened_on, "fixed", {"registered": state["opened_on"]}))
    last = state["membership"][-1]
    if line.district != last["district"]:
        if line.moved_on is None:
            faults.append(Fault(row, "district", line.district, "moved", {"registered": last["district"]}))
        elif line.moved_on.isoformat() <= last["since"]:
            moved_on = line.moved_on.isoformat()
            faults.append(Fault(row, "moved_on", moved_on, "moved_too_early", {"limit": last["since"]}))
    return faults
