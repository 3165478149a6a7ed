"""What institutions and offices see of many answers: options, texts, territories, gaps, files – and what they don't."""

import csv
import io
import random
import tempfile
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq
import pyreadstat
import pytest
from openpyxl import load_workbook

from services.surveys.commands import responses
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.instruments import CompetencePair, SingleChoice
from services.surveys.domain.tallies import added
from services.surveys.instruments import InstrumentLibrary
from shared.persistence.engine import raw_connection
from shared.scope import Role
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, K, Office, today
from tests.support.surveys import Asked, fill, pool

LIBRARY = InstrumentLibrary.load()
pytestmark = pytest.mark.asyncio(loop_scope="session")


def an_answer(chance: random.Random, number: int) -> dict[str, Any]:
    """A response to S3: rare options, unsure ones, unanswered ones and a text now and then."""
    answers: dict[str, Any] = {}
    for question in LIBRARY.get("S3").questions:
        name = type(question).__name__
        if name == "SingleChoice":
            codes = [option.code for option in question.options]  # type: ignore[attr-defined]
            answers[question.code] = codes[-1] if number == 0 else chance.choice(codes[:-1])
        elif name == "MultipleChoice":
            answers[question.code] = [chance.choice(question.options).code]  # type: ignore[attr-defined]
        elif name == "Likert" and chance.random() < 0.9:
            answers[question.code] = chance.choice([2, 3, 4, 5])
        elif name == "CompetencePair":
            answers[question.code] = {
                "importance": chance.choice([4, 5, 5, "unsure"]),
                "satisfaction": chance.choice([1, 2, 3, 4, 5]),
            }
        elif name == "FreeText" and number % 2:
            answers[question.code] = f"=SUM(A1) text {number}"
    return answers


async def answered(office: Office, campaign: Campaign, count: int, seed: int = 1) -> list[dict[str, Any]]:
    """So many responses, stored as the flusher stores them."""
    chance = random.Random(seed)
    many = [an_answer(chance, number) for number in range(count)]
    await stored(office, campaign, many)
    return many


async def stored(office: Office, campaign: Campaign, many: list[dict[str, Any]]) -> None:
    """Responses that move on together."""
    contents = [{"day": today().isoformat(), "mode": "form", "answers": answers} for answers in many]
    async with office.database.unit_of_work() as uow:
        instrument = LIBRARY.get(campaign.instrument, campaign.instrument_version)
        await responses._store(uow, campaign, instrument, contents, K)


async def over(office: Office, campaign: Campaign) -> None:
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    async with office.database.unit_of_work() as uow:
        connection = await raw_connection(uow.session)
        await connection.execute(
            "insert into intake (campaign_id, moved, over) values ($1, 0, true) "
            "on conflict (campaign_id) do update set over = true",
            campaign.id,
        )


async def test_options_are_counted_out_when_the_campaign_is_over_and_for_its_institution_alone(office: Office) -> None:
    campaign = await office.campaign("S3")
    many = await answered(office, campaign, 60)
    path = f"/v1/campaigns/{campaign.id}/results"
    live = (await office.coordinator.get(path)).json()
    assert live["options_shown"] is False
    assert all(topic["options"] is None for question in live["questions"] for topic in question["topics"])
    await over(office, campaign)
    found = (await office.coordinator.get(path)).json()
    assert found["options_shown"] is True
    phase = next(question for question in found["questions"] if question["question"] == "phase")["topics"][0]
    hidden = [option for option in phase["options"] if option["suppressed"]]
    assert len(hidden) >= 2  # the rare one, and one with it
    shown = {option["option"]: option["count"] for option in phase["options"] if not option["suppressed"]}
    for option, count in shown.items():
        assert count == sum(answers["phase"] == option for answers in many) >= K
    assert sum(shown.values()) + K <= phase["count"] == 60
    district = (await office.running.as_(Role.DISTRICT, DISTRICT).get(path)).json()
    assert district["index"]["mean"] == found["index"]["mean"]
    assert district["questions"] == []
    assert all(each["importance"]["suppressed"] for each in district["competences"])


async def rated(office: Office, releases: list[list[int]]) -> tuple[float | None, set[str], set[str]]:
    """Of a competence whose importance was rated in so many releases: spread, hidden ratings, ratings in the file."""
    campaign = await office.campaign("S3")
    pair = next(each for each in LIBRARY.get("S3").questions if isinstance(each, CompetencePair))
    for ratings in releases:
        many = [{pair.code: {"importance": rating, "satisfaction": 3}} for rating in ratings]
        await stored(office, campaign, many)
    await over(office, campaign)
    found = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}/results")).json()
    spread = next(each["importance"]["spread"] for each in found["competences"] if each["competence"] == pair.code)
    topics = next(each["topics"] for each in found["questions"] if each["question"] == pair.code)
    topic = next(each for each in topics if each["topic"] == f"{pair.code}.importance")
    assert topic["count"] == sum(map(len, releases))
    file = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}/export", format="csv")).content
    rows = list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"))))
    filed = {row[f"{pair.code}_importance"] for row in rows}
    return spread, {option["option"] for option in topic["options"] if option["suppressed"]}, filed


async def test_spread_and_options_are_hidden_beside_what_every_release_said(office: Office) -> None:
    many = [2] * 30 + [3] * 30 + [4] * 30 + [1] * 3 + [5] * 3
    spread, hidden, filed = await rated(office, [many])
    assert spread is not None
    assert {"1", "5"} < hidden
    assert not filed & hidden
    # Were every release's spread shown, it would say what the release's ratings were.
    spread, hidden, filed = await rated(office, [[2] * 30, [3] * 30, [4] * 30, [1] * 3 + [5] * 3])
    assert spread is None
    assert {"1", "5"} < hidden
    assert not filed & hidden


async def test_dimensions_say_how_reliable_they_are(office: Office) -> None:
    campaign = await office.campaign("S3")
    await answered(office, campaign, 40)
    found = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}/results")).json()
    knowledge = next(each for each in found["dimensions"] if each["dimension"] == "knowledge")
    assert knowledge["interval"][0] < knowledge["mean"] < knowledge["interval"][1]
    assert knowledge["reliability"]["items"] == 3
    assert -2 < knowledge["reliability"]["alpha"] < 1


async def test_texts_come_k_at_once_and_to_the_institution_alone(office: Office) -> None:
    campaign = await office.campaign("S3")
    path = f"/v1/campaigns/{campaign.id}/texts"
    await answered(office, campaign, 2 * K - 2)
    assert (await office.coordinator.get(path)).json()["items"] == []
    await answered(office, campaign, 4)
    items = (await office.coordinator.get(path)).json()["items"]
    assert len(items) >= K
    for other in (office.running.as_(Role.DISTRICT, DISTRICT), office.running.as_(Role.MINISTRY, "17")):
        assert (await other.get(path)).status_code == 403
    assert (await office.running.as_(Role.INSTITUTION, OTHER).get(path)).status_code == 404


async def test_territories_add_up_what_campaigns_released(office: Office) -> None:
    campaign = await office.campaign("S3")
    await answered(office, campaign, 30)
    ministry = office.running.as_(Role.MINISTRY, "17")
    found = (await ministry.get("/v1/results", instrument="S3")).json()
    own = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}/results")).json()
    assert found["index"] == own["index"]
    assert found["campaigns_with_results"] == 1
    assert [place["index"]["mean"] for place in found["places"]] == [own["index"]["mean"]]
    assert (await office.coordinator.get("/v1/results", instrument="S3")).status_code == 403
    region = office.running.as_(Role.REGION, "1703" if not DISTRICT.startswith("1703") else "1706")
    assert (await region.get("/v1/results", instrument="S3")).json()["index"]["suppressed"] is True
    assert (await region.get("/v1/results", instrument="S3", territory="17")).status_code == 404
    trend = (await office.coordinator.get("/v1/trend", instrument="S3")).json()
    assert [point["index"]["mean"] for point in trend["points"]] == [own["index"]["mean"]]


async def test_gaps_stand_beside_each_other_by_group_and_place(office: Office) -> None:
    ended = today() - timedelta(days=130)
    for number, code in enumerate(("S1", "S1", "S3", "S3"), start=1):
        asked = Asked(f"0199c1e4-0000-7000-8000-{number:012d}", DISTRICT, ended, k=K)
        chance = random.Random(number)
        answers = [
            {
                pair.code: {
                    "importance": chance.choice([1, 2, 3, 4, 5, 5, 5]),
                    "satisfaction": chance.choice([1, 1, 2, 3, 4, 5]),
                }
                for pair in LIBRARY.get(code).competences
            }
            for _ in range(150)
        ]
        await fill(office.database, LIBRARY, code, 150, over=True, asked=asked, answers=answers)  # type: ignore[arg-type]
    ministry = office.running.as_(Role.MINISTRY, "17")
    assert (await ministry.get("/v1/gaps")).json()["competences"][0]["required"]["suppressed"] is True
    await pool(office.database, LIBRARY, K)
    found = (await ministry.get("/v1/gaps")).json()
    theory = next(each for each in found["competences"] if each["competence"] == "theory")
    gap = theory["acquired"]["S3"]
    assert gap["significant"] is True
    assert gap["gap_interval"][0] < gap["gap"] < gap["gap_interval"][1]
    assert theory["acquired"]["S4"]["gap"] is None
    assert [place["place"] for place in found["places"]] == [DISTRICT[:4]]
    assert found["places"][0]["competences"] == found["competences"]
    year = (await ministry.get("/v1/gaps/professions", year="2020-21")).json()
    assert year["professions"] == []


@pytest.mark.slow
async def test_files_hold_the_released_answers_without_texts_and_rare_values(office: Office) -> None:
    campaign = await office.campaign("S3")
    await answered(office, campaign, 40)
    path = f"/v1/campaigns/{campaign.id}/export"
    assert (await office.coordinator.get(path, format="csv")).status_code == 409
    await over(office, campaign)
    rare = PHASES[-1]
    for form, phases in PHASES_IN.items():
        answer = await office.coordinator.get(path, format=form)
        assert answer.status_code == 200, answer.text[:300]
        assert b"text 1" not in answer.content
        found = phases(answer.content)
        assert len(found) == 40, form
        assert rare not in found, form
        assert {"withheld", -97.0} & set(found), form
        assert (await office.running.as_(Role.MINISTRY, "17").get(path, format=form)).status_code == 404
        assert (await office.running.as_(Role.DISTRICT, DISTRICT).get(path, format=form)).status_code == 403
    codebook = (await office.coordinator.get("/v1/instruments/S3/codebook")).json()
    assert {lang for variable in codebook["variables"] for lang in variable["label"]} == {"uz", "uz-Cyrl", "ru", "en"}


PHASES = [
    option.code
    for question in LIBRARY.get("S3").questions
    if isinstance(question, SingleChoice) and question.code == "phase"
    for option in question.options
]


def csv_phases(content: bytes) -> list[Any]:
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert {row["month"] for row in rows} == {f"{today():%Y-%m}"}
    return [row["phase"] for row in rows]


def xlsx_phases(content: bytes) -> list[Any]:
    head, *rows = load_workbook(io.BytesIO(content), read_only=True)["data"].iter_rows(values_only=True)
    assert all("text 1" not in str(cell) for row in rows for cell in row)
    return [row[head.index("phase")] for row in rows]


def parquet_phases(content: bytes) -> list[Any]:
    table = pq.read_table(io.BytesIO(content))
    assert b"codebook" in dict(table.schema.field("phase").metadata)
    return list(table.column("phase").to_pylist())


def sav_phases(content: bytes) -> list[Any]:
    with tempfile.NamedTemporaryFile(suffix=".sav") as file:
        file.write(content)
        file.flush()
        frame, meta = pyreadstat.read_sav(file.name, user_missing=True)
    assert meta.column_names_to_labels["phase"]
    assert meta.variable_value_labels["theory_importance"][5.0]
    assert meta.missing_ranges["phase"]
    return [value if value < 0 else PHASES[int(value) - 1] for value in frame["phase"]]


PHASES_IN = {"csv": csv_phases, "xlsx": xlsx_phases, "parquet": parquet_phases, "sav": sav_phases}


async def test_tallies_counted_anew_are_the_same_to_the_last_digit(office: Office) -> None:
    from services.surveys.recount import recount

    campaign = await office.campaign("S3")
    many = await answered(office, campaign, 25)
    tallied = "select measure, count, total, squares from tally where campaign_id = :id order by measure"
    before = await office.rows(tallied, id=campaign.id)
    chosen = await office.rows("select * from choice order by measure, option")
    expected = added(LIBRARY.get("S3", campaign.instrument_version), many)
    assert {row.measure: [row.count, int(row.total), int(row.squares)] for row in before} == expected.sums
    await office.rows("select 1")
    async with office.database.unit_of_work() as uow:
        connection = await raw_connection(uow.session)
        await connection.execute("update tally set total = total + 1")
        await connection.execute("delete from choice")
    assert await recount(office.database, LIBRARY) == 1
    assert await office.rows(tallied, id=campaign.id) == before
    assert await office.rows("select * from choice order by measure, option") == chosen
    assert campaign.institution_id == MINE
