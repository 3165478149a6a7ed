"""The national register of enterprises, by tax number (STIR)."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from deploy.api_client import Api
from deploy.cli.importing.columns import Column
from deploy.cli.importing.registers import SERVICE, Bulk, Entry, Known, Outcome, Plan, Register, Step
from deploy.cli.importing.rows import Fault, Line, Lowered, Parsed, Uppered
from shared.contracts.fields import DistrictCode, IsicSection, Name, Stir
from shared.contracts.vocabulary import EnterpriseSize
from shared.ids import new_id


class EnterpriseLine(Line):
    """An enterprise."""

    stir: Stir
    name: Name
    size: Annotated[EnterpriseSize, Lowered]
    isic_section: Annotated[IsicSection, Uppered]
    district: DistrictCode
    union_affiliation: Name | None = None


class EnterpriseBulk(Bulk[EnterpriseLine]):
    """Files of many rows go as imports of the register, which does thousands of rows a second, and are watched."""

    at_once: ClassVar[int] = 5_000  # less than a megabyte: what every door lets through
    look_s: ClassVar[float] = 0.2

    async def send(
        self, entries: Sequence[Entry[EnterpriseLine]], api: Api, user: str, *, commit: bool
    ) -> tuple[dict[Outcome, int], list[Fault]]:
        """One import; its faults are told of the rows that the entries stand in."""
        sent = await api.send(
            user,
            "POST",
            SERVICE,
            "/v1/enterprises/import",
            key=new_id(),  # the same rows another day are another import: the register may have changed
            parameters={"commit": str(commit).lower()},
            file=(self._content(entries), "text/csv"),
        )
        path = f"/v1/imports/{sent.body['id']}"
        while (job := (await api.get(user, SERVICE, path)).body)["status"] != "done":  # noqa: ASYNC110 - it lies elsewhere
            await asyncio.sleep(self.look_s)
        counts = {
            Outcome.NEW: job["new"],
            Outcome.CHANGED: job["changed"],
            Outcome.UNCHANGED: job["unchanged"],
            Outcome.WRONG: job["wrong"],
        }
        return counts, await self._faults(entries, api, user, path)

    def _content(self, entries: Sequence[Entry[EnterpriseLine]]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(EnterpriseLine.model_fields))
        writer.writeheader()
        writer.writerows(entry.lines[0].line.model_dump(mode="json") for entry in entries)
        return text.getvalue().encode()

    async def _faults(self, entries: Sequence[Entry[EnterpriseLine]], api: Api, user: str, path: str) -> list[Fault]:
        faults: list[Fault] = []
        after: dict[str, str | int] = {}
        while True:
            page = (await api.get(user, SERVICE, f"{path}/faults", limit=500, **after)).body
            faults += [self._fault(entries[each["row"] - 2], each) for each in page["items"]]
            if page["next"] is None:
                return faults
            after = {"after": page["next"]}

    def _fault(self, entry: Entry[EnterpriseLine], said: dict[str, Any]) -> Fault:
        texts = {"message": said["message"], "remedy": said["remedy"]}
        return Fault(entry.row, said["column"], said["value"], said["rule"], **texts)


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

    many: ClassVar[int] = 1_000
    """From so many entries on they go together."""

    def in_bulk(self, entries: Sequence[Entry[EnterpriseLine]]) -> Bulk[EnterpriseLine] | None:
        """Together where they are many."""
        return EnterpriseBulk() if len(entries) >= self.many else None

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
