"""An import through the running service's API: as said, once, and again."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.api_client import Api, fixed_token
from deploy.cli.importing.enterprises import EnterpriseBulk, EnterpriseRegister
from deploy.cli.importing.institutions import InstitutionRegister
from deploy.cli.importing.registers import Known, Outcome, Register
from deploy.cli.importing.run import Import, Result, check_file
from deploy.cli.importing.territory import TerritoryRegister
from deploy.local.environment import ROOT
from shared.scope import Role
from tests.support.services import Running

TERRITORY = ROOT / "shared" / "reference" / "territory.csv"
HEADER = "code;name;kind;district;opened_on;moved_on;programme_code;programme_title;isced_level;isced_field;occupations"


@pytest.fixture
def api(partners: Running, http: httpx.AsyncClient) -> Api:
    return Api(http, lambda _: partners.base, fixed_token(partners.issuer.token(Role.MINISTRY, "17")))


async def import_(api: Api, register: Register[Any], path: Path, *, commit: bool = True) -> Result:
    known = await Known.of_platform(api, "")
    checked = check_file(path, register, known)
    result = await Import(register, known, api, "", commit).run(checked.entries, lambda: None)
    result.faults = [*checked.faults, *result.faults]
    return result


def a_file(folder: Path, *lines: str) -> Path:
    path = folder / "file.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def test_territory_is_imported_once_and_only_when_told_to(api: Api) -> None:
    dry = await import_(api, TerritoryRegister(), TERRITORY, commit=False)
    assert (dry.counts[Outcome.NEW], dry.faults) == (221, [])
    assert (await Known.of_platform(api, "")).territory == {}
    first = await import_(api, TerritoryRegister(), TERRITORY)
    assert (first.counts, first.faults) == ({Outcome.NEW: 221}, [])
    again = await import_(api, TerritoryRegister(), TERRITORY)
    assert again.counts == {Outcome.UNCHANGED: 221}


async def test_enterprises_new_changed_unchanged_and_wrong(api: Api, tmp_path: Path) -> None:
    await import_(api, TerritoryRegister(), TERRITORY)
    header, one = "stir;name;size;isic_section;district", "301234567;A;small;C;1708401"
    result = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, one, "7;B;small;C;1708401"))
    assert result.counts == {Outcome.NEW: 1}
    assert [(fault.row, fault.column) for fault in result.faults] == [(3, "stir")]
    two = "301234568;B;large;F;1708401"
    result = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, one.replace("small", "large"), two))
    assert result.counts == {Outcome.CHANGED: 1, Outcome.NEW: 1}
    # Back and forth: the same change once more is another command, not a repetition of the first.
    for size in ("small", "large", "small"):
        result = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, one.replace("small", size)))
        assert result.counts == {Outcome.CHANGED: 1}
        state = (await api.get("", "partners", "/v1/enterprises", stir="301234567")).body["items"][0]
        assert state["size"] == size


@pytest.mark.slow
async def test_many_enterprises_go_together_with_the_same_result(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_(api, TerritoryRegister(), TERRITORY)
    monkeypatch.setattr(EnterpriseRegister, "many", 10)
    monkeypatch.setattr(EnterpriseBulk, "at_once", 8)
    header = "stir;name;size;isic_section;district"
    lines = [f"3012345{number:02};A;small;C;1708401" for number in range(20)]
    dry = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, *lines), commit=False)
    assert (dry.counts[Outcome.NEW], dry.looked_at) == (20, 20)
    result = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, *lines, "7;B;small;C;1708401"))
    assert (result.counts[Outcome.NEW], [fault.row for fault in result.faults]) == (20, [22])
    closed = (await api.get("", "partners", "/v1/enterprises", stir="301234512")).body["items"][0]
    await api.command("", "POST", "partners", f"/v1/enterprises/{closed['id']}/close")
    changed = [line.replace("small", "large") for line in lines[10:]]
    result = await import_(api, EnterpriseRegister(), a_file(tmp_path, header, *lines[:10], *changed))
    assert {outcome: count for outcome, count in result.counts.items() if count} == {
        Outcome.UNCHANGED: 10,
        Outcome.CHANGED: 9,
        Outcome.WRONG: 1,
    }
    (fault,) = result.faults
    assert (fault.row, fault.column, fault.rule) == (14, "stir", "enterprise_ended")
    assert fault.message
    assert fault.remedy


async def test_institution_is_updated_moved_and_given_programmes(api: Api, tmp_path: Path) -> None:
    await import_(api, TerritoryRegister(), TERRITORY)
    register = InstitutionRegister()
    line = "J-1;A;technikum;{district};2005-09-01;{moved}"
    programme = ";{code};Payvandchi;3;0715;7212"

    def rows(district: str = "1708401", moved: str = "", codes: tuple[str, ...] = ("P1",)) -> Path:
        start = line.format(district=district, moved=moved)
        return a_file(tmp_path, HEADER, *(start + programme.format(code=code) for code in codes))

    assert (await import_(api, register, rows())).counts == {Outcome.NEW: 1}
    assert (await import_(api, register, rows())).counts == {Outcome.UNCHANGED: 1}
    assert (await import_(api, register, rows(codes=("P1", "P2")))).counts == {Outcome.CHANGED: 1}
    refused = await import_(api, register, rows(district="1708201"))
    assert [(fault.column, fault.rule) for fault in refused.faults] == [("district", "moved")]
    early = await import_(api, register, rows(district="1708201", moved="2001-01-01"))
    assert [(fault.column, fault.rule) for fault in early.faults] == [("moved_on", "moved_too_early")]
    moved = rows(district="1708201", moved="2026-09-01", codes=("P1", "P2"))
    assert (await import_(api, register, moved)).counts == {Outcome.CHANGED: 1}
    assert (await import_(api, register, moved)).counts == {Outcome.UNCHANGED: 1}
    state = (await api.get("", "partners", "/v1/institutions", code="J-1")).body["items"][0]
    assert [part["district"] for part in state["membership"]] == ["1708401", "1708201"]
    assert [part["code"] for part in state["programmes"]] == ["P1", "P2"]
    await api.command("", "POST", "partners", f"/v1/institutions/{state['id']}/close", {"closed_on": "2026-10-01"})
    closed = await import_(api, register, moved)
    assert [(fault.column, fault.rule) for fault in closed.faults] == [("code", "ended")]


@pytest.mark.slow
async def test_interrupted_import_goes_on_where_it_stopped(api: Api) -> None:
    known = await Known.of_platform(api, "")
    checked = check_file(TERRITORY, TerritoryRegister(), known)
    run = Import(TerritoryRegister(), known, api, "", commit=True, at_once=4)
    seen = 0

    def stop_after_fifty() -> None:
        nonlocal seen
        seen += 1
        if seen == 50:
            run.stop.set()

    first = await run.run(checked.entries, stop_after_fifty)
    assert first.interrupted
    assert 50 <= first.looked_at < 60
    rest = await import_(api, TerritoryRegister(), TERRITORY)
    assert rest.counts == {Outcome.NEW: 221 - first.looked_at, Outcome.UNCHANGED: first.looked_at}


async def test_what_the_service_refuses_names_row_and_remedy(api: Api, partners: Running, tmp_path: Path) -> None:
    await import_(api, TerritoryRegister(), TERRITORY)
    known = await Known.of_platform(api, "")
    path = a_file(tmp_path, "stir;name;size;isic_section;district", "301234567;A;small;C;1708401")
    entries = check_file(path, EnterpriseRegister(), known).entries
    enterprise = Api(api.http, lambda _: partners.base, fixed_token(partners.issuer.token(Role.ENTERPRISE, "0198-x")))
    result = await Import(EnterpriseRegister(), known, enterprise, "", commit=True).run(entries, lambda: None)
    (fault,) = result.faults
    assert (fault.row, fault.rule) == (2, "forbidden")
    assert fault.message
    assert fault.remedy
