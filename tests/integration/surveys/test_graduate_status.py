"""Graduates' own statuses: with consent only, corrected, confirmed against employments, deleted when taken back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.contracts.agreements import EmploymentStatus
from shared.contracts.partners import EnterpriseStatus
from shared.persistence.engine import make_session
from shared.scope import Role, Scope
from tests.integration.surveys.asking import (
    FIRM,
    STIR,
    TWIN,
    an_employment,
    an_enterprise,
    facts,
    hear,
    months_ago,
    told,
)
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, Office, today


def a_status(**changes: Any) -> dict[str, Any]:
    consent = {"text_version": 1, "lang": "uz", "means": "paper", "given_on": today().isoformat()}
    told = {
        "institution_id": MINE,
        "graduate_ref": "G-1",
        "graduated_on": months_ago(6).isoformat(),
        "months": 6,
        "status": "employed",
        "profession": "7212",
        "employer_stir": STIR,
        "match": "full",
        "consent": consent,
    }
    return told | changes


async def tell(office: Office, **changes: Any) -> dict[str, Any]:
    answer = await office.coordinator.post("/v1/graduate-statuses", a_status(**changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_status_is_told_once_a_graduate_and_corrected_afterwards(office: Office) -> None:
    await hear(office, an_enterprise())
    first = await tell(office)
    assert (first["enterprise_id"], first["employment_id"], first["version"]) == (FIRM, None, 1)
    second = await tell(office, status="unemployed", profession=None, employer_stir=None, match=None)
    assert (second["id"], second["version"], second["enterprise_id"]) == (first["id"], 2, None)
    assert facts(await told(office, "graduate_status", id=first["id"])) == ["reported", "corrected"]
    unknown = await tell(office, graduate_ref="G-9", employer_stir="999999999")
    assert unknown["enterprise_id"] is None


async def test_the_own_word_confirms_the_employment_that_was_reported(office: Office) -> None:
    await hear(office, an_enterprise())
    status = await tell(office)
    job = an_employment(started_on=months_ago(4))
    await hear(office, job)
    (last,) = [state for _, state in (await told(office, "graduate_status", id=status["id"]))[-1:]]
    assert (last["employment_id"], last["employed_since"]) == ("em-1", months_ago(4).isoformat())
    await hear(office, job)  # again: nothing new
    await hear(office, job.model_copy(update={"version": 2, "status": EmploymentStatus.CANCELLED}))
    history = await told(office, "graduate_status", id=status["id"])
    assert [state["employment_id"] for _, state in history] == [None, "em-1", None]
    assert [state["version"] for _, state in history] == [1, 2, 3]


async def test_employers_that_merge_are_followed(office: Office) -> None:
    await hear(office, an_enterprise(), an_enterprise(TWIN, stir="302118805"))
    status = await tell(office, employer_stir="302118805")
    merged = {"stir": "302118805", "status": EnterpriseStatus.MERGED, "merged_into": FIRM}
    await hear(office, an_enterprise(TWIN, 2, **merged))
    found = (await office.coordinator.get(f"/v1/graduate-statuses/{status['id']}")).json()
    assert (found["enterprise_id"], found["version"]) == (FIRM, 2)
    # A STIR of the merged entry leads to the living one.
    assert (await tell(office, graduate_ref="G-2", employer_stir="302118805"))["enterprise_id"] == FIRM


async def test_consent_taken_back_deletes_what_was_told_and_tells_so(office: Office) -> None:
    status = await tell(office)
    path = f"/v1/graduate-statuses/{status['id']}"
    assert (await office.running.as_(Role.INSTITUTION, OTHER).post(f"{path}/withdraw-consent")).status_code == 404
    gone = await office.coordinator.post(f"{path}/withdraw-consent", version=1)
    assert (gone.status_code, gone.json()["withdrawn"], gone.json()["graduate_ref"]) == (200, True, None)
    assert (await office.coordinator.get(path)).status_code == 404
    assert await office.count("graduate_status") == 0
    fact, state = (await told(office, "graduate_status", id=status["id"]))[-1]
    assert (fact, state["version"]) == ("withdrawn", 2)
    assert "G-1" not in json.dumps(state)
    ((version, withdrawn_on),) = await office.rows("select text_version, withdrawn_on from consent")
    assert (version, withdrawn_on) == (1, today())
    # Told again with consent, it is another status.
    assert (await tell(office))["id"] != status["id"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "without consent": ({"consent": None}, "model_attributes_type"),
    "an old text": ({"consent": a_status()["consent"] | {"text_version": 0}}, "consent-outdated"),
    "consent of tomorrow": (
        {"consent": a_status()["consent"] | {"given_on": (today() + timedelta(days=1)).isoformat()}},
        "consent-day",
    ),
    "too early": ({"graduated_on": today().isoformat()}, "status-too-early"),
    "nine months": ({"months": 9}, "literal_error"),
    "a job without work": ({"status": "unemployed"}, "status-without-work"),
    "nobody told": ({"status": "unknown"}, "status_unknown_told"),
    "no such profession": ({"profession": "0000"}, "isco"),
    "a name for a reference": ({"graduate_ref": "Ali Valiyev"}, "string_pattern_mismatch"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_told_names_rule_and_remedy(office: Office, name: str) -> None:
    changes, rule = WRONG[name]
    answer = await office.coordinator.post("/v1/graduate-statuses", a_status(**changes))
    assert answer.status_code == 422
    rules = {error["rule"] for error in answer.json()["errors"]}
    assert rule in rules, answer.text
    assert all(error["remedy"] and error["message"] for error in answer.json()["errors"])


async def test_statuses_stay_with_the_institution_that_knows_the_graduate(office: Office) -> None:
    await tell(office)
    above = office.running.as_(Role.DISTRICT, DISTRICT)
    assert (await above.get("/v1/graduate-statuses")).status_code == 403
    assert (await above.post("/v1/graduate-statuses", a_status(graduate_ref="G-3"))).status_code == 403
    stranger = office.running.as_(Role.INSTITUTION, OTHER)
    assert (await stranger.get("/v1/graduate-statuses")).json()["items"] == []
    assert (await stranger.post("/v1/graduate-statuses", a_status())).status_code == 404
    for scope, count in ((Scope("institution", MINE), 1), (Scope("institution", OTHER), 0), (Scope("none"), 0)):
        async with make_session(office.database.engine, scope) as session:
            for table in ("graduate_status", "consent"):
                found = (await session.execute(text(f"select count(*) from {table}"))).scalar_one()
                assert found == count, (scope, table)
    texts = (await office.coordinator.get("/v1/consent-text")).json()
    assert texts["version"] == 1
    assert len(set(texts["texts"].values())) == 4


async def test_a_list_of_statuses_reports_every_row(office: Office) -> None:
    rows = [{"row_key": f"r{number}", "entry": a_status(graduate_ref=f"G-{number}")} for number in range(3)]
    rows.append({"row_key": "bad", "entry": a_status(months=7)})
    answer = await office.coordinator.post("/v1/graduate-statuses/bulk", {"items": rows})
    assert (answer.status_code, answer.json()["done"], answer.json()["failed"]) == (207, 3, 1)
    again = await office.coordinator.post("/v1/graduate-statuses/bulk", {"items": rows[:3]})
    assert {item["status"] for item in again.json()["items"]} == {200}
