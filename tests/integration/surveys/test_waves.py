"""Waves: a campaign at every institution that matches, now and later; quotas said at the door; rates by stratum."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.surveys.commands import waves
from services.surveys.subscribers import Surroundings
from shared.contracts.partners import InstitutionStatus
from shared.contracts.vocabulary import InstitutionKind
from shared.persistence.engine import make_session
from shared.scope import Role, Scope
from tests.integration.surveys.asking import facts, pass_time, told
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, OTHER_DISTRICT, K, Office, an_institution, today
from tests.support.services import eventually

NEWCOMER = "019a0000-0000-7000-8000-000000000003"


def a_wave(**changes: Any) -> dict[str, Any]:
    period = {"from": today().isoformat(), "to": (today() + timedelta(days=20)).isoformat()}
    return {"instrument": "S3", "territory": "17", "kinds": ["technikum"], "period": period} | changes


MORE = 33_000


async def plan(office: Office, role: Role = Role.MINISTRY, org: str = "17", **changes: Any) -> dict[str, Any]:
    answer = await office.running.as_(role, org).post("/v1/waves", a_wave(**changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def campaigns(office: Office, wave: str) -> list[dict[str, Any]]:
    answer = await office.running.as_(Role.MINISTRY, "17").get("/v1/campaigns", wave=wave)
    return list(answer.json()["items"])


async def came(office: Office, *states: Any) -> None:
    surroundings = Surroundings(K)
    async with office.database.unit_of_work() as uow:
        nothing: Any = None  # the projection reads the states alone
        await surroundings.apply(uow, [(nothing, state) for state in states])


async def test_a_wave_opens_by_itself_at_its_institutions_and_closes_with_them(office: Office) -> None:
    wave = await plan(office, title="Kuzgi", target_invited=30, minimum_responses=10)
    assert (wave["status"], wave["title"], wave["group"]) == ("planned", "Kuzgi", "S3")
    await pass_time(office)
    found = await campaigns(office, wave["id"])
    assert {(each["institution_id"], each["status"]) for each in found} == {(MINE, "open"), (OTHER, "open")}
    progress = (await office.running.as_(Role.MINISTRY, "17").get(f"/v1/waves/{wave['id']}/progress")).json()
    assert (progress["institutions"], progress["waiting"], progress["campaigns"]["open"]) == (2, 0, 2)
    assert facts(await told(office, "campaign", wave_id=wave["id"], institution_id=MINE)) == ["planned", "opened"]
    await pass_time(office, 21)
    assert {each["status"] for each in await campaigns(office, wave["id"])} == {"closed"}
    assert facts(await told(office, "wave", id=wave["id"])) == ["planned", "opened", "closed"]
    assert not await told(office, "wave", title="Kuzgi")  # free text is told to nobody


async def test_institutions_that_come_move_in_or_close_are_followed(office: Office) -> None:
    wave = await plan(office, Role.REGION, "1708", territory="1708")
    await pass_time(office)
    assert [each["institution_id"] for each in await campaigns(office, wave["id"])] == [MINE]
    school = an_institution(NEWCOMER).model_copy(update={"kind": InstitutionKind.SCHOOL})
    await came(office, school)
    await pass_time(office)
    assert len(await campaigns(office, wave["id"])) == 1  # another kind
    await came(office, an_institution(NEWCOMER, version=2), an_institution(OTHER, DISTRICT, version=2))
    await pass_time(office)
    assert {each["institution_id"] for each in await campaigns(office, wave["id"])} == {MINE, OTHER, NEWCOMER}
    # Who moves out keeps what was asked; who closes asks nobody any more.
    await came(
        office,
        an_institution(OTHER, OTHER_DISTRICT, version=3),
        an_institution(MINE, version=2, status=InstitutionStatus.CLOSED),
    )
    await pass_time(office)
    assert {each["institution_id"]: each["status"] for each in await campaigns(office, wave["id"])} == {
        MINE: "closed",
        OTHER: "open",
        NEWCOMER: "open",
    }


async def test_who_comes_while_a_waves_last_campaigns_are_made_gets_one_too(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = await plan(office)
    without = waves._without
    read, goes_on = asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        found = await without(*asked)
        read.set()
        await goes_on.wait()
        return found

    monkeypatch.setattr(waves, "_without", slowly)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pass_time(office))
        await read.wait()
        coming = tasks.create_task(came(office, an_institution(NEWCOMER, DISTRICT)))
        await done_or_waiting(office, coming)
        goes_on.set()
    await pass_time(office)
    assert {each["institution_id"] for each in await campaigns(office, wave["id"])} == {MINE, OTHER, NEWCOMER}


async def done_or_waiting(office: Office, task: asyncio.Task[None]) -> None:
    """Until the task is done, or a transaction of this database waits for what another one holds."""
    waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

    async def either() -> bool:
        return task.done() or bool(await office.rows(waits))

    await eventually(either, "it is done, or waits")


async def test_steps_follow_the_table_with_versions_and_keys(office: Office) -> None:
    later = {"from": (today() + timedelta(days=5)).isoformat(), "to": (today() + timedelta(days=9)).isoformat()}
    wave = await plan(office, period=later)
    ministry = office.running.as_(Role.MINISTRY, "17")
    path = f"/v1/waves/{wave['id']}"
    assert (await ministry.patch(path, {"minimum_responses": 7})).status_code == 428
    amended = await ministry.patch(path, {"minimum_responses": 7}, version=1)
    assert (amended.json()["minimum_responses"], amended.json()["version"]) == (7, 2)
    assert (await ministry.post(f"{path}/open", version=1)).status_code == 412
    opened = await ministry.post(f"{path}/open", version=2, key="open")
    assert opened.json()["status"] == "open"
    again = await ministry.post(f"{path}/open", version=2, key="open")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (opened.json(), "true")
    refused = await ministry.post(f"{path}/cancel", version=3)
    assert (refused.status_code, refused.json()["possible"]) == (409, ["close"])
    assert (await ministry.post(f"{path}/close", version=3)).json()["status"] == "closed"
    listed = (await ministry.get("/v1/waves", status="closed", instrument="S3")).json()["items"]
    assert [each["id"] for each in listed] == [wave["id"]]
    exported = await ministry.get("/v1/waves/export")
    assert wave["id"] in exported.text


@pytest.mark.parametrize(
    ("role", "org", "status"),
    [(Role.REGION, "1703", 403), (Role.DISTRICT, DISTRICT, 403), (Role.INSTITUTION, MINE, 403)],
)
async def test_nobody_plans_beyond_the_own_territory(office: Office, role: Role, org: str, status: int) -> None:
    answer = await office.running.as_(role, org).post("/v1/waves", a_wave(territory="1708"))
    assert answer.status_code == status
    assert answer.json()["remedy"]
    wave = await plan(office, Role.REGION, "1708", territory="1708")
    await pass_time(office)
    stranger = office.running.as_(Role.REGION, "1703")
    for path in ("", "/progress", "/response"):
        assert (await stranger.get(f"/v1/waves/{wave['id']}{path}")).status_code == 404
    async with make_session(office.database.engine, Scope("path", "/17/1703/")) as session:
        assert (await session.execute(text("select count(*) from wave"))).scalar_one() == 0


WRONG = {
    "no territory": (a_wave(territory="9999"), "territory", "territory-unknown"),
    "quota outside": (a_wave(territory="1708", quotas=[{"territory": "1703", "responses": 5}]), None, "quota-outside"),
    "kind outside": (a_wave(quotas=[{"kind": "school", "responses": 5}]), None, "quota-kind-outside"),
    "below k": (
        a_wave(quotas=[{"responses": K - 1, "hard": True}]),
        "quotas.0.responses",
        "quota-below-step",
    ),
    "twice": (a_wave(quotas=[{"responses": 5}, {"responses": 6}]), None, "quota-twice"),
    "no such kind": (a_wave(kinds=["zoo"]), None, "enum"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_wave_names_field_rule_and_remedy(office: Office, name: str) -> None:
    body, field, rule = WRONG[name]
    answer = await office.running.as_(Role.MINISTRY, "17").post("/v1/waves", body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["rule"]) == (422, rule)
    assert field is None or error["field"] == field
    assert error["remedy"]
    assert "{" not in error["message"] + error["remedy"]


async def test_a_full_hard_quota_is_said_at_the_door_and_interrupts_nobody(office: Office) -> None:
    wave = await plan(office, quotas=[{"territory": DISTRICT, "responses": K, "hard": True}])
    await pass_time(office)
    by_institution = {each["institution_id"]: each["id"] for each in await campaigns(office, wave["id"])}

    async def codes(institution: str, count: int) -> list[str]:
        client = office.running.as_(Role.INSTITUTION, institution)
        answer = await client.post(f"/v1/campaigns/{by_institution[institution]}/codes", {"count": count})
        return [item["code"] for item in answer.json()["items"]]

    async def count() -> None:
        async with office.database.unit_of_work() as uow:
            await waves.count_quotas(uow, wave["id"], K)

    async def told() -> list[str]:
        """All that an office reads of the wave."""
        above = office.running.as_(Role.DISTRICT, DISTRICT)
        paths = [f"/v1/waves/{wave['id']}{part}" for part in ("", "/response", "/progress")]
        paths += [f"/v1/campaigns/{by_institution[MINE]}{part}" for part in ("", "/results")]
        return [(await above.get(path)).text for path in paths]

    mine, others = await codes(MINE, K + 2), await codes(OTHER, 1)
    begun = await office.open_form(mine[-1])
    before = await told()
    for code in mine[: K - 1]:
        assert (await office.respond(code)).status_code == 303
        await count()
        assert await told() == before
        assert (await office.open_form(mine[K])).response.status_code == 200
    assert (await office.respond(mine[K - 1])).status_code == 303
    await count()
    late = await office.open_form(mine[K])
    assert (late.response.status_code, "Enough answers" in late.text) == (410, True)
    spent = await office.open_form(mine[0])
    assert (spent.response.status_code, spent.text) == (410, late.text), "whoever gave the codes learns nothing by them"
    assert (await office.submit(begun.answer_all())).status_code == 303
    assert (await office.open_form(others[0])).response.status_code == 200
    rates = (
        await office.running.as_(Role.MINISTRY, "17").get(f"/v1/waves/{wave['id']}/response", by="district")
    ).json()
    strata = {each["stratum"]: each for each in rates["items"]}
    assert (strata[DISTRICT]["full"], strata[DISTRICT]["target"], strata[OTHER_DISTRICT]["full"]) == (1, K, 0)


async def test_a_hard_quota_tells_no_office_of_answers_whose_floors_do_not_move(office: Office) -> None:
    await office.take_over(an_institution(NEWCOMER, DISTRICT))
    wave = await plan(office, territory=DISTRICT, quotas=[{"responses": K, "hard": True}])
    await pass_time(office)
    of = {each["institution_id"]: each["id"] for each in await campaigns(office, wave["id"])}
    codes = {}
    for institution in (MINE, NEWCOMER):
        school = office.running.as_(Role.INSTITUTION, institution)
        answer = await school.post(f"/v1/campaigns/{of[institution]}/codes", {"count": K + 1})
        codes[institution] = [item["code"] for item in answer.json()["items"]]
    asked: list[tuple[str, dict[str, str]]] = [
        *((path, {}) for path in ("/v1/waves", "/v1/campaigns", "/v1/gaps")),
        *((path, {"instrument": "S3"}) for path in ("/v1/results", "/v1/trend")),
        ("/v1/results", {"instrument": "S3", "wave": wave["id"]}),
        *((path, {"by": "institution"}) for path in ("/v1/response-rates", f"/v1/waves/{wave['id']}/response")),
        *((f"/v1/waves/{wave['id']}{part}", {}) for part in ("", "/progress")),
        *((f"/v1/campaigns/{id_}{part}", {}) for id_ in of.values() for part in ("", "/results")),
    ]
    offices = [
        office.running.as_(role, org)
        for role, org in ((Role.MINISTRY, "17"), (Role.REGION, DISTRICT[:4]), (Role.DISTRICT, DISTRICT))
    ]

    async def heard() -> list[tuple[int, str]]:
        """All that offices read, and what the doors say, once the quotas are counted."""
        async with office.database.unit_of_work() as uow:
            await waves.count_quotas(uow, wave["id"], K)
        answers = [await each.get(path, **params) for each in offices for path, params in asked]
        found = [(answer.status_code, answer.text) for answer in answers]
        doors = [(await office.open_form(own[-1])).response.status_code for own in codes.values()]
        return found + [(status, "") for status in doors]

    async def one_more(institution: str, number: int) -> None:
        assert (await office.respond(codes[institution][number])).status_code == 303

    for number in range(K - 1):
        await one_more(MINE, number)
    before = await heard()
    assert {status for status, _ in before} == {200}
    for number in range(K - 1):
        # From the first of them on k and more are in, of which no campaign has k.
        await one_more(NEWCOMER, number)
        assert await heard() == before
    await one_more(MINE, K - 1)
    assert (await heard())[-2:] == [(410, ""), (410, "")]


async def test_rates_move_in_steps_of_k_and_show_who_is_missing(office: Office) -> None:
    wave = await plan(office)
    await pass_time(office)
    campaign = next(each["id"] for each in await campaigns(office, wave["id"]) if each["institution_id"] == MINE)
    codes = (await office.coordinator.post(f"/v1/campaigns/{campaign}/codes", {"count": 2 * K})).json()["items"]
    entry = {"campaign_id": campaign, "respondent": "student", "ref": "S-1"}
    assert (await office.coordinator.post("/v1/invitations", entry)).status_code == 201

    async def of(client: Any, **asked: str) -> Any:
        return (await client.get(f"/v1/waves/{wave['id']}/response", **asked)).json()

    ministry = office.running.as_(Role.MINISTRY, "17")
    for number, item in enumerate(codes[: K + 1], start=1):
        assert (await office.respond(item["code"])).status_code == 303
        if number == K - 1:
            assert (await of(ministry))["total"]["responses"] == 0
    found = await of(ministry, by="region-kind")
    assert found["total"]["responses"] == K
    strata = {each["stratum"]: each for each in found["items"]}
    here, there = strata["1708/technikum"], strata["1703/technikum"]
    assert (here["invited"], here["codes"], here["responses"], here["answering"]) == (1, 2 * K, K, 1)
    assert here["rate"] == round(K / (2 * K + 1), 4)
    assert (there["responses"], there["rate"], there["answering"]) == (0, None, 0)
    # The same for one's own part alone, and over campaigns of any wave.
    own = (await office.coordinator.get("/v1/response-rates", by="institution", instrument="S3")).json()
    assert [each["stratum"] for each in own["items"]] == [MINE]
    assert own["total"]["responses"] == K


async def test_a_campaign_that_opens_by_itself_does_so_on_its_first_day(office: Office) -> None:
    body = {
        "instrument": "S3",
        "institution": MINE,
        "scheduled": True,
        "period": {"from": (today() + timedelta(days=2)).isoformat(), "to": (today() + timedelta(days=9)).isoformat()},
    }
    campaign = (await office.coordinator.post("/v1/campaigns", body)).json()
    await pass_time(office, 1)
    assert (await office.coordinator.get(f"/v1/campaigns/{campaign['id']}")).json()["status"] == "draft"
    await pass_time(office, 2)
    assert (await office.coordinator.get(f"/v1/campaigns/{campaign['id']}")).json()["status"] == "open"


async def test_a_nations_rates_are_of_more_campaigns_than_a_statement_has_parameters(office: Office) -> None:
    wave = await plan(office)
    await pass_time(office)
    (mine,) = [each["id"] for each in await campaigns(office, wave["id"]) if each["institution_id"] == MINE]
    async with office.database.unit_of_work() as uow:
        await uow.session.execute(
            text(
                "insert into campaign select (jsonb_populate_record(campaign, "
                "jsonb_build_object('id', 'more-' || number, 'wave_id', null))).* "
                "from campaign, generate_series(1, :more) number where id = :id"
            ),
            {"id": mine, "more": MORE},
        )
    ministry = office.running.as_(Role.MINISTRY, "17")
    found = (await ministry.get("/v1/response-rates", instrument="S3")).json()
    assert found["total"]["campaigns"] > MORE
