"""Monitoring over HTTP: values, series, lineage, places and changes, each within the caller's scope."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from random import Random
from typing import Any

import pytest

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.gates import GATES
from services.monitoring.domain.measures import COLUMNS, MEASURES
from services.monitoring.domain.periods import key_of
from services.monitoring.domain.standing import stage_of
from services.monitoring.recompute.parts import recompute
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.partners import EnrolmentState
from shared.contracts.preparation import OrientationState, OrientationStatus
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import PartnerCategory, RespondentGroup
from shared.ids import new_id
from shared.scope import Role
from tests.integration.monitoring.support import alone, tell
from tests.support.monitoring import FACTS, Story, a_story, cells_by_name, shown
from tests.support.services import Client, Running, eventually

MONTH = "2026-02"
PERIODS = (MONTH, "2026-Q1", "2025-26", "2025", "2026-02-R12")


@pytest.fixture(scope="session")
def story() -> Story:
    """A small country with two regions of two districts each."""
    return a_story(Random(42), 1200, institutions=8)


@pytest.fixture
async def monitoring(neighbourhood: Callable[..., Any]) -> AsyncIterator[Running]:
    """The service alone, its inbox ready."""
    async with neighbourhood("monitoring") as near, near.service("monitoring") as running:
        await running.app.state.inbox.prepare()
        yield running


@pytest.fixture(scope="session")
async def told(
    story: Story, postgres: Any, issuer: Any, http: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """The service with the whole story told; read only."""
    async with alone(postgres, issuer, http, tmp_path_factory.mktemp("broker")) as (running, _):
        await tell(running, story.events)
        yield running


async def value(client: Client, indicator: str, place: str, period: str) -> dict[str, Any]:
    answer = await client.get("/v1/values", indicator=indicator, place=place, period=period)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["value"]
    return found


async def test_values_follow_from_the_recomputed_amounts_at_every_level(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    proof = shown(recompute(story.country), MONTH)
    places = ["17", "1700", *story.districts, *story.institutions]
    for place in places:
        f1 = await value(ministry, "F1", place, MONTH)
        assert f1["value"] == sum(proof.get((f"form.AF{n}.active", place, MONTH), 0) for n in range(1, 10))
        assert f1["parts"]["enterprises"] == proof.get(("enterprises.active", place, MONTH), 0)
        assert f1["parts"]["signed"] == sum(proof.get((f"form.AF{n}.signed", place, MONTH), 0) for n in range(1, 10))
        for by, names in (("form", [f"AF{n}" for n in range(1, 10)]), ("category", list(PartnerCategory))):
            broken = await ministry.get("/v1/breakdown", indicator="F1", by=by, place=place, period=MONTH)
            rows = {row.pop("key"): row for row in broken.json()["items"]}
            for name in names:
                counted = {
                    column: proof.get((f"{by}.{name}.{measure}", place, MONTH), 0)
                    for column, measure in (("count", "active"), ("signed", "signed"), ("ended", "ended"))
                }
                assert rows.get(name, dict.fromkeys(counted, 0)) == counted
        f2 = await value(ministry, "F2", place, MONTH)
        assert f2["numerator"] or proof.get(("internship.complete", place, MONTH), 0) == 0
        i2 = await value(ministry, "I2", place, "2025-26")
        top, bottom = (proof.get((f"enrolment.{of}", place, "2025-09"), 0) for of in ("first_choice", "places"))
        assert i2["value"] == (top / bottom if bottom else None)
        i5 = await value(ministry, "I5", place, MONTH)
        if place in story.institutions:
            alive = sum(proof.get((f"variety.AF{n}", place, MONTH), 0) for n in range(1, 9))
            assert (i5["numerator"], i5["denominator"]) == (alive, 8)
        else:
            assert (i5["numerator"] or 0) == proof.get(("variety.three_forms", place, MONTH), 0)
            assert (i5["denominator"] or 0) == proof.get(("institutions.active", place, MONTH), 0)
        for period in PERIODS:
            f3 = await value(ministry, "F3", place, period)
            count = proof.get(("graduates.employed", place, period), 0)
            # Of so few persons hardly anything may be shown (test_disclosure.py); what is shown is true.
            assert f3["suppressed"] or f3["value"] == count
            assert f3["suppressed"] or not 0 < count < 10


async def test_children_are_the_places_below_and_add_up(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    for place, level in (("17", "region"), ("1700", "district"), (story.districts[0], "institution")):
        answer = await ministry.get("/v1/values", indicator="F1", place=place, period=MONTH, children=True)
        found = answer.json()
        assert {child["place"]["level"] for child in found["children"]} <= {level}
        assert sum(child["value"] for child in found["children"]) == found["value"]["value"]


@pytest.mark.slow
async def test_series_equal_the_single_values(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    for indicator in INDICATORS.values():
        for kind in indicator.period_kinds:

            async def equal(code: str = indicator.code, kind: str = str(kind)) -> bool:
                answer = await ministry.get("/v1/series", indicator=code, place="1700", kind=kind)
                points = answer.json()["points"]
                assert points
                for point in points[-12::5]:
                    single = await value(ministry, code, "1700", point["period"])
                    if any(single[name] != part for name, part in point.items() if name != "period"):
                        return False
                return True

            # Reports are opened meanwhile, and counted: both are asked again then.
            await eventually(equal, f"series and values of {indicator.code} by {kind}")


@pytest.mark.parametrize("place", ["17", "1701", "institution"])
async def test_lineage_adds_up_to_the_value(told: Running, story: Story, place: str) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    place = story.institutions[0] if place == "institution" else place
    for indicator, period, part, of in (
        ("I2", "2025-26", "first_choice", "numerator"),
        ("I2", "2025-26", "places", "denominator"),
        ("F1", MONTH, "active", "value"),
        ("F2", MONTH, "schedule", "numerator"),
    ):
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            answer = await ministry.get(
                "/v1/lineage", indicator=indicator, place=place, period=period, limit=7, **after
            )
            assert answer.status_code == 200, answer.text
            page = answer.json()
            items += page["items"]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert len({(item["id"], item["part"], item.get("member")) for item in items}) == len(items)
        total = sum(item["amount"] for item in items if item["part"].split("/")[0] == part)
        assert total == ((await value(ministry, indicator, place, period))[of] or 0)
        assert all(item["events"] for item in items)
        positions = {(e["source"], e["shard"], e["position"]) for item in items for e in item["events"]}
        assert positions <= {(e.source, e.shard, e.position) for e in story.events}


async def test_a_caller_sees_its_part_of_the_territory_only(told: Running, story: Story) -> None:
    district = story.districts[0]
    district_of = {id_: story.country.institutions[id_].path.split("/")[3] for id_ in story.institutions}
    own = next(id_ for id_, at in district_of.items() if at == district)
    foreign = next(id_ for id_, at in district_of.items() if at != district)
    callers = [
        (told.as_(Role.REGION, "1700"), ["1700", district, own], ["17", "1701", story.districts[2]]),
        (told.as_(Role.DISTRICT, district), [district, own], ["17", "1700", story.districts[1], foreign]),
        (told.as_(Role.INSTITUTION, own), [own], ["17", "1700", district, foreign]),
    ]
    for client, seen, hidden in callers:
        root = (await client.get("/v1/scope")).json()["place"]["code"]
        assert root == seen[0]
        for code in seen:
            assert (await client.get(f"/v1/places/{code}")).status_code == 200
            await value(client, "F1", code, MONTH)
        for code in [*hidden, "nowhere", "\0", "x" * 64]:
            for path, params in (
                ("/v1/values", {"indicator": "F1", "period": MONTH}),
                ("/v1/series", {"indicator": "F1"}),
                ("/v1/lineage", {"indicator": "F1", "period": MONTH}),
                ("/v1/changes", {}),
            ):
                answer = await client.get(path, place=code, **params)
                assert answer.status_code == 404, (path, code, answer.text)
        place = (await client.get(f"/v1/places/{seen[-1]}")).json()
        assert [above["code"] for above in place["ancestors"]] == seen[:-1]
        lineage = (await client.get("/v1/lineage", indicator="F1", period=MONTH)).json()
        assert {item["institution"]["code"] for item in lineage["items"]} <= set(story.institutions)
    for role in (Role.ENTERPRISE, Role.OPERATOR):
        refused = await told.as_(role, "x").get("/v1/values", indicator="F1")
        assert refused.status_code == 403
    nobody = await told.http.get(told.base + "/v1/values?indicator=F1")
    assert nobody.status_code == 401


async def test_wrong_requests_say_what_there_is(told: Running) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    for path, params, field in (
        ("/v1/values", {"indicator": "I9"}, "indicator"),
        ("/v1/values", {"indicator": "F1", "period": "2025-27"}, "period"),
        ("/v1/values", {"indicator": "I2", "period": MONTH}, "period"),
        ("/v1/series", {"indicator": "I2", "kind": "month"}, "kind"),
        ("/v1/series", {"indicator": "F1", "kind": "week"}, "kind"),
        ("/v1/series", {"indicator": "F1", "from": "1900-01"}, "from"),
        ("/v1/series", {"indicator": "F1", "from": "2026-05", "to": "2026-02"}, "from"),
        ("/v1/lineage", {"indicator": "F1", "after": "!"}, "after"),
        ("/v1/lineage", {"indicator": "F1", "after": "WzEsIDIsICIzIl0"}, "after"),
        ("/v1/lineage", {"indicator": "F1", "limit": 0}, "limit"),
    ):
        answer = await ministry.get(path, **params)
        assert answer.status_code == 422, (path, params, answer.text)
        problem = answer.json()
        assert problem["errors"][0]["field"] == field
        assert problem["errors"][0]["remedy"]
    unknown = await ministry.get("/v1/values", indicator="I9")
    assert ", ".join(INDICATORS) in unknown.json()["errors"][0]["remedy"]


async def test_every_indicator_has_its_texts_in_four_languages(told: Running) -> None:
    for lang in ("uz", "uz-Cyrl", "ru", "en"):
        headers = {"Authorization": f"Bearer {told.issuer.token(Role.MINISTRY, '17')}", "Accept-Language": lang}
        answer = await told.http.get(told.base + "/v1/indicators", headers=headers)
        items = answer.json()
        assert [item["code"] for item in items] == list(INDICATORS)
        assert all(item[text] for item in items for text in ("name", "help", "formula"))


async def test_cells_for_verify_are_those_of_the_recomputation(told: Running, story: Story) -> None:
    service = told.as_(Role.SERVICE)
    answer = await service.get("/internal/cells")
    head, *lines = map(json.loads, answer.text.splitlines())
    # The service tells of reports it opens by itself meanwhile: those are not the story's.
    told_of = Counter(event.source for event in story.events)
    for source, count in told_of.items():
        extra = sum(head["applied"][source]) - count
        assert extra >= 0 if source == "monitoring" else extra == 0
        assert sum(head["logged"][source].values()) == sum(head["applied"][source])
    cells = [
        (MEASURES[slot * COLUMNS + column].name, line["place"], key_of(period), amount)
        for line in lines
        for slot, period, *amounts in line["rows"]
        for column, amount in enumerate(amounts)
        if amount
    ]
    cells = [cell for cell in cells if not cell[0].startswith("reports.")]
    assert {line["place"]: line["level"] for line in lines}["17"] == 0
    proof = recompute(story.country)
    assert cells_by_name(cells) == {key: value for key, value in proof.items() if key[0][:8] != "reports."}
    assert (await told.as_(Role.MINISTRY, "17").get("/internal/cells")).status_code == 403


def a_country() -> Story:
    story = Story(Random(1))
    story.territory(1, 1)
    story.an_institution()
    return story


def respond(story: Story, index: int) -> None:
    story.tell(
        ResponseState(
            id=new_id(),
            version=1,
            campaign_id=new_id(),
            group=RespondentGroup.S3,
            institution_id=story.institutions[0],
            month=MONTH,
            index_thousandths=index,
            dimensions={},
        )
    )


async def test_survey_values_move_in_steps_of_k_responses(monitoring: Running) -> None:
    story = a_country()
    await tell(monitoring, story.events)
    ministry = monitoring.as_(Role.MINISTRY, "17")
    shown = []
    for number in range(25):
        before = len(story.events)
        respond(story, 1000 * number)
        await tell(monitoring, story.events[before:])
        found = await value(ministry, "S3", "17", "2025-26")
        shown.append((found["suppressed"], found["denominator"], found["value"]))
    assert shown[:9] == [(True, None, None)] * 9
    assert shown[9:19] == [(False, 10, 4.5)] * 10
    assert shown[19:] == [(False, 20, 9.5)] * 6


async def test_small_numbers_of_persons_are_withheld_everywhere(monitoring: Running) -> None:
    story = a_country()

    def employ(number: int, status: EmploymentStatus) -> None:
        state = EmploymentState(
            id=new_id(),
            version=1,
            institution_id=story.institutions[0],
            graduate_ref=str(number),
            enterprise_id=new_id(),
            profession="7212",
            status=status,
            started_on=date(2026, 2, 3),
        )
        story.tell(state)

    for number in range(9):
        employ(number, EmploymentStatus.CONFIRMED)
    await tell(monitoring, story.events)
    ministry = monitoring.as_(Role.MINISTRY, "17")
    hidden = await value(ministry, "F3", "17", MONTH)
    assert hidden["suppressed"]
    assert (hidden["value"], hidden["numerator"], hidden["parts"]["confirmed"]) == (None, None, None)
    assert set(hidden["parts"].values()) == {None}
    lineage = (await ministry.get("/v1/lineage", indicator="F3", place="17", period=MONTH)).json()
    assert lineage["items"] == []
    points = (await ministry.get("/v1/series", indicator="F3", place="17")).json()["points"]
    assert {point["value"] for point in points} == {0, None}
    assert (await ministry.get("/v1/values", indicator="F6", place="17", period=MONTH)).json()["value"]["value"] == 0
    before = len(story.events)
    for number in range(9, 12):
        employ(number, EmploymentStatus.REPORTED)
    employ(5, EmploymentStatus.REPORTED)
    await tell(monitoring, story.events[before:])
    seen = await value(ministry, "F3", "17", MONTH)
    assert (seen["suppressed"], seen["value"]) == (False, 12)
    # nine confirmed are fewer than k
    assert seen["parts"]["confirmed"] is None
    assert (seen["parts"]["isco_7"], seen["parts"]["isco_2"]) == (12, 0)
    lineage = (await ministry.get("/v1/lineage", indicator="F3", place="17", period=MONTH)).json()
    assert [(item["aggregate"], item["amount"]) for item in lineage["items"]] == [("institution", 12)]
    school = monitoring.as_(Role.INSTITUTION, story.institutions[0])
    own = (await school.get("/v1/lineage", indicator="F3", period=MONTH)).json()["items"]
    assert sum(item["part"] == "reported" for item in own) == 13
    assert all("member" not in item for item in own)


@asynccontextmanager
async def listening_to(client: Client) -> AsyncIterator[list[dict[str, Any]]]:
    """What the change stream tells the client, while it tells it."""
    messages: list[dict[str, Any]] = []
    headers = {"Authorization": f"Bearer {client.token}"}

    async def listen() -> None:
        async with client.http.stream("GET", client.base + "/v1/changes", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    messages.append(json.loads(line[5:]))  # noqa: PERF401 - read by the test while it grows

    listening = asyncio.create_task(listen())
    try:
        yield messages
    finally:
        listening.cancel()


def an_enrolment(institution: str, version: int = 1) -> EnrolmentState:
    """A report of 100 places, with as many applications more as there were reports."""
    return EnrolmentState(
        id=institution[:-1] + "0",
        version=version,
        institution_id=institution,
        academic_year="2025-26",
        places=100,
        first_choice=100 + version,
    )


async def test_change_stream_tells_what_moved_within_the_place(monitoring: Running) -> None:
    story = a_country()
    await tell(monitoring, story.events)
    client = monitoring.as_(Role.REGION, "1700")
    async with listening_to(client) as messages:
        version = 0

        async def heard() -> bool:
            nonlocal version
            version += 1
            before = len(story.events)
            story.tell(an_enrolment(story.institutions[0], version))
            await tell(monitoring, story.events[before:])
            return bool(messages)

        await eventually(heard, "the stream speaks")
        # The first report moves R8 too: whether that was heard hangs on when the stream was there.
        assert messages[0]["indicators"] in (["I2"], ["I2", "R8"])
        assert set(messages[0]["places"]) == {"1700", story.districts[0], story.institutions[0]}
        assert messages[0]["as_of"].startswith("2026-01-01T00")
        # Who listens is the first to hear of a new place, before anybody has asked for anything.
        before = len(story.events)
        story.an_institution(story.districts[0], date(2024, 9, 1))
        new = story.institutions[-1]
        story.tell(an_enrolment(new))
        await tell(monitoring, story.events[before:])

        async def named() -> bool:
            moved = {each for message in messages if new in message["places"] for each in message["indicators"]}
            return {"I2", "R8"} <= moved

        await eventually(named, "the stream names the new school")
        assert (await value(client, "I2", new, "2025-26"))["value"] is not None


async def test_nobody_hears_what_moved_elsewhere_because_one_transaction_moved_both(monitoring: Running) -> None:
    story = Story(Random(1))
    story.territory(1, 2)
    one, other = (story.an_institution(district) for district in story.districts)
    await tell(monitoring, story.events)
    async with AsyncExitStack() as stack:
        readers = [monitoring.as_(Role.INSTITUTION, one), monitoring.as_(Role.DISTRICT, story.districts[1])]
        readers.append(monitoring.as_(Role.REGION, "1700"))
        heard = [await stack.enter_async_context(listening_to(reader)) for reader in readers]
        version = 0

        async def told_all() -> bool:
            nonlocal version
            version += 1
            before = len(story.events)
            story.tell(an_enrolment(one, version))
            status = OrientationStatus.ADOPTED if version % 2 else OrientationStatus.REVOKED
            story.tell(
                OrientationState(
                    id=other[:-1] + "1",
                    version=version,
                    institution_id=other,
                    decision_ref="1",
                    decided_on=date(2025, 9, 1),
                    responsible_ref="T-1",
                    valid_until=date(2027, 8, 31),
                    status=status,
                )
            )
            assert len({event.source for event in story.events[before:]}) == 1
            await tell(monitoring, story.events[before:])
            return all(heard)

        await eventually(told_all, "all three streams speak")
        indicators = [{code for message in messages for code in message["indicators"]} for messages in heard]
        places = [{code for message in messages for code in message["places"]} for messages in heard]
    assert "I2" in indicators[0]
    assert "R1" in indicators[1]
    assert {"I2", "R1"} <= indicators[2]
    assert "R1" not in indicators[0]
    assert "I2" not in indicators[1]
    assert places[:2] == [{one}, {story.districts[1], other}]
    assert places[2] == {"1700", *story.districts, one, other}


async def test_the_stage_names_every_gate_with_its_state_and_evidence_within_scope(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    states = set()
    for institution in story.institutions:
        answer = await ministry.get(f"/v1/institutions/{institution}/stage")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["institution"]["code"] == institution
        assert [gate["code"] for gate in found["gates"]] == list(GATES)
        met = {gate["code"] for gate in found["gates"] if gate["state"] == "met"}
        assert found["stage"] == stage_of(met)
        for gate in found["gates"]:
            states.add(gate["state"])
            assert gate["name"]
            assert gate["help"]
            assert (gate["since"] or found["on"]) <= found["on"] < (gate["lapses_on"] or "9")
            if gate["state"] == "met":
                assert gate["evidence"]
                assert all(ask["answered"] for ask in gate["asks"])
            for piece in gate["evidence"]:
                assert piece["name"]
                assert piece["from"] <= found["on"] < (piece["until"] or "9")
                state = story.latest[piece["id"]]
                assert getattr(state, "institution_id", state.id) == institution
                assert FACTS[type(state)][:2] == (piece["service"], piece["aggregate"])
    assert states == {"missing", "in_progress", "met", "lapsed"}
    own, foreign = story.institutions[0], story.institutions[1]
    school = told.as_(Role.INSTITUTION, own)
    assert (await school.get(f"/v1/institutions/{own}/stage")).status_code == 200
    for hidden in (foreign, "17", "1700", "nowhere"):
        assert (await school.get(f"/v1/institutions/{hidden}/stage")).status_code == 404
    assert (await ministry.get("/v1/institutions/1700/stage")).status_code == 404


async def test_gates_and_their_lineage_agree_with_the_recomputation(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    proof = shown(recompute(story.country), MONTH)
    for place in ("17", "1701", *story.institutions):
        at_work = proof.get(("institutions.active", place, MONTH), 0)
        for gate in GATES:
            found = await value(ministry, gate, place, MONTH)
            counts = {state: proof.get((f"gate.{gate}.{state}", place, MONTH), 0) for state in found["parts"]}
            counts["missing"] = at_work - sum(counts.values())
            assert found["parts"] == counts
            assert (found["denominator"] or 0) == at_work
    lineage = (await ministry.get("/v1/lineage", indicator="R7", place="1700", period=MONTH, limit=200)).json()
    assert lineage["items"]
    assert {item["part"] for item in lineage["items"]} == {"agreement"}
    assert all(item["aggregate"] == "agreement" and item["events"] for item in lineage["items"])
    answers = (await ministry.get("/v1/lineage", indicator="R8", place="17", period="2025-26", limit=200)).json()
    assert "response" not in {item["aggregate"] for item in answers["items"]}
