"""Workbooks over HTTP: exported, sent in again, judged without being kept, and refused with every cell named."""

import io
from typing import Any

import httpx
from openpyxl import load_workbook

from shared.scope import Role
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, Office
from tests.support.services import Client
from tests.unit.surveys.forms import HOUSEHOLD_WITH_RANGE, a_workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def send(
    client: Client,
    content: bytes,
    *,
    key: str,
    path: str = "/v1/instruments/xlsform",
    method: str = "POST",
    **more: Any,
) -> httpx.Response:
    """A workbook as a browser's form sends it."""
    headers = {"Authorization": f"Bearer {client.token}", "Accept-Language": "ru", "Idempotency-Key": key}
    if "version" in more:
        headers["If-Match"] = f'"{more.pop("version")}"'
    files = {"file": ("form.xlsx", content, XLSX)}
    return await client.http.request(method, client.base + path, params=more, files=files, headers=headers)


async def test_a_workbook_goes_out_and_comes_in_as_a_draft(office: Office) -> None:
    region = office.running.as_(Role.REGION, DISTRICT[:4])
    answer = await region.get("/v1/instruments/S4/xlsform")
    assert (answer.status_code, answer.headers["content-type"]) == (200, XLSX)
    assert answer.headers["content-disposition"] == 'attachment; filename="S4.v2.xlsx"'
    assert load_workbook(io.BytesIO(answer.content))["settings"]["B2"].value == "S4"

    judged = await send(region, answer.content, key="judge", dry_run=True)
    assert judged.status_code == 200, judged.text
    assert (judged.json()["faults"], judged.json()["warnings"]) == ([], [])
    assert (await region.get("/v1/instruments", status="draft")).json()["items"] == []

    first = await send(region, answer.content, key="bring-in")
    assert first.status_code == 201, first.text
    assert first.headers["etag"] == '"1"'
    assert first.json()["code"] == "R1708-S4"
    again = await send(region, answer.content, key="bring-in")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    standard = (await region.get("/v1/instruments/S4")).json()
    mine = (await region.get("/v1/instruments/R1708-S4")).json()
    assert mine["title"] == standard["title"]
    published = await region.post("/v1/instruments/R1708-S4/versions/1/publish", version=1)
    assert published.status_code == 200, published.text
    assert published.json()["document"]["sections"] == standard["sections"]
    teacher = office.running.as_(Role.INSTITUTION, MINE)
    assert (await teacher.get("/v1/instruments/R1708-S4/xlsform")).status_code == 200
    assert (
        await office.running.as_(Role.INSTITUTION, OTHER).get("/v1/instruments/R1708-S4/xlsform")
    ).status_code == 404


async def test_a_form_of_others_comes_in_with_warnings_and_may_be_replaced(office: Office) -> None:
    mine = office.running.as_(Role.INSTITUTION, MINE)
    content = a_workbook(**HOUSEHOLD_WITH_RANGE)
    answer = await send(mine, content, key="one", group="S3", code="HOME")
    assert answer.status_code == 201, answer.text
    code = f"I{MINE[-8:]}-HOME"
    assert answer.json()["code"] == code
    assert {"survey.2.type", "survey.15.required"} <= {each["field"] for each in answer.json()["warnings"]}
    assert all(each["message"] and each["remedy"] and each["sheet"] == "survey" for each in answer.json()["warnings"])
    refused = await mine.post(f"/v1/instruments/{code}/versions/1/publish", version=1)
    assert "sections[work].title.uz" in {error["field"] for error in refused.json()["errors"]}
    path = f"/v1/instruments/{code}/versions/1/xlsform"
    replaced = await send(mine, content, key="two", path=path, method="PUT", group="S1", language="ru", version=1)
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["document"]["group"], replaced.json()["version"]) == ("S1", 2)
    stale = await send(mine, content, key="three", path=path, method="PUT", group="S1", version=1)
    assert stale.status_code == 412


async def test_a_workbook_with_faults_is_refused_with_every_cell_named(office: Office) -> None:
    mine = office.running.as_(Role.INSTITUTION, MINE)
    rows = [
        ["type", "name", "label", "relevant"],
        ["calculate", "total", "", ""],
        ["integer", "age", "Age", "${total} > 1"],
    ]
    content = a_workbook(survey=rows)
    answer = await send(mine, content, key="faulty")
    assert answer.status_code == 422
    found = {error["field"]: error["rule"] for error in answer.json()["errors"]}
    assert found == {
        "survey.2.type": "xlsform-calculate",
        "survey.3.relevant": "unknown-question",
        "settings.2.hamkor::group": "xlsform-group-unknown",
    }
    assert "Удалите строку" in next(e["remedy"] for e in answer.json()["errors"] if e["field"] == "survey.2.type")
    judged = await send(mine, content, key="judged", dry_run=True)
    faults = judged.json()["faults"]
    assert {(each["sheet"], each["row"], each["column"]) for each in faults} >= {("survey", 3, "relevant")}
    nothing = await mine.http.post(
        mine.base + "/v1/instruments/xlsform",
        files={"other": ("x", b"")},
        headers={"Authorization": f"Bearer {mine.token}", "Idempotency-Key": "n"},
    )
    assert [error["field"] for error in nothing.json()["errors"]] == ["file"]
    assert (await send(mine, b"PK" + b"x" * 1_100_000, key="large")).status_code == 413
    enterprise = office.running.as_(Role.ENTERPRISE, OTHER)
    assert (await send(enterprise, content, key="e")).status_code == 403
