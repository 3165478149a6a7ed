"""The national register of enterprises, by tax number (STIR)."""

from typing import Annotated, ClassVar

from deploy.api_client import Api
from deploy.cli.importing.columns import Column
from deploy.cli.importing.registers import SERVICE, Entry, Known, Outcome, Plan, Register, Step
from deploy.cli.importing.rows import Fault, Line, Lowered, Parsed, Uppered
from shared.contracts.fields import DistrictCode, IsicSection, Name, Stir
from shared.contracts.vocabulary import EnterpriseSize


class EnterpriseLine(Line):
    """An enterprise."""

    stir: Stir
    name: Name
    size: Annotated[EnterpriseSize, Lowered]
    isic_section: Annotated[IsicSection, Uppered]
    district: DistrictCode
    union_affiliation: Name | None = None


class EnterpriseRegister(Register[EnterpriseLine]):
    """New ones are registered, changed ones updated; an empty cell leaves what the register has."""

    name: ClassVar[str] = "enterprises"
    about: ClassVar[str] = "enterprises by tax number (STIR)"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("stir", "STIR", "ИНН", "tax number, 9 digits", "301234567", also=("inn", "стир", "tax_id")),
        Column("name", "Nomi", "Наименование", "full name", "“Jizzax Plastmassa” AJ", also=("nom", "название")),
        Column("size", "Hajmi", "Размер", "micro, small, medium or large", "medium"),
        Column("isic_section", "ISIC boʻlimi", "Раздел МСОК", "ISIC Rev. 4 section, A to U", "C", also=("isic",)),
        Column("district", "Tuman", "Район", "SOATO code, 7 digits", "1708401", also=("soato", "tuman_kodi")),
        Column("union_affiliation", "Kasaba uyushmasi", "Профсоюз", "trade union, if any", "", required=False),
    )
    line = EnterpriseLine

    def key_of(self, line: EnterpriseLine) -> tuple[str, str]:
        """The STIR."""
        return "stir", line.stir

    def check(self, parsed: Parsed[EnterpriseLine], known: Known) -> list[Fault]:
        """The district must be there."""
        if parsed.line.district in known.territory:
            return []
        return [Fault(parsed.row, "district", parsed.line.district, "unknown_territory")]

    async def plan(self, entry: Entry[EnterpriseLine], known: Known, api: Api, user: str) -> Plan:
        """Register, or update the fields that differ."""
        del known
        body = entry.lines[0].line.model_dump(mode="json", exclude_none=True)
        answer = await api.get(user, SERVICE, "/v1/enterprises", stir=entry.key, limit=1)
        if not answer.body["items"]:
            return Plan(Outcome.NEW, (Step("POST", "/v1/enterprises", body, versioned=False),))
        state = answer.body["items"][0]
        if state["status"] != "active":
            return Plan(
                Outcome.WRONG, faults=(Fault(entry.row, "stir", entry.key, "ended", {"state": state["status"]}),)
            )
        changes = {name: value for name, value in body.items() if state.get(name) != value}
        if not changes:
            return Plan(Outcome.UNCHANGED)
        step = Step("PATCH", "/v1/enterprises/{id}", changes)
        return Plan(Outcome.CHANGED, (step,), state["id"], int(state["version"]))
