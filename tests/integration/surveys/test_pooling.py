"""Small schools count in their territory, none of them alone; professions by places show what may be shown."""

import csv
import io
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from openpyxl import load_workbook

from services.surveys.domain.answers import Answers
from services.surveys.instruments import InstrumentLibrary
from shared.scope import Role
from tests.integration.surveys.support import K, Office, today
from tests.support.surveys import Asked, a_response, fill, finish, more, pool

LIBRARY = InstrumentLibrary.load()
ENDED = date(2026, 5, 20)
YEAR = "2025-26"
HERE, NEXT, BEYOND, FAR, THIRD = "1708201", "1708204", "1708209", "1703202", "1706204"
pytestmark = pytest.mark.asyncio(loop_scope="session")


def a_school(number: int) -> str:
    return f"0199c1e4-0000-7000-8000-{number:012d}"


def many(code: str, count: int, seed: int, **more_: Any) -> list[Answers]:
    """So many responses, spread over every rating."""
    chance = Random(seed)
    return [{**a_response(LIBRARY.get(code), chance), **more_} for _ in range(count)]


async def asked(
    office: Office, code: str, district: str, school: int, count: int, last: date = ENDED, **more_: Any
) -> str:
    """A campaign of a year that is over."""
    place = Asked(a_school(school), district, last, k=K)
    answers = many(code, count, school, **more_)
    return await fill(office.database, LIBRARY, code, count, over=True, asked=place, answers=answers)


async def index(office: Office, territory: str, role: Role = Role.MINISTRY, org: str = "17") -> dict[str, Any]:
    answer = await office.running.as_(role, org).get("/v1/results", instrument="S3", territory=territory)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_district_of_small_schools_shows_all_of_them_together_and_none_alone(office: Office) -> None:
    for school, count in enumerate((3, 2, 4, 1), start=1):
        await asked(office, "S3", HERE, school, count)
    assert (await index(office, HERE))["index"]["suppressed"] is True
    await pool(office.database, LIBRARY, K)
    found = await index(office, HERE)
    assert found["index"]["count"] == 10
    assert found["places"] == []
    assert found["items_shown"] is True
    own = await index(office, HERE, Role.DISTRICT, HERE)
    assert own["index"] == found["index"]
    assert [(place["place"], place["index"]["count"]) for place in (await index(office, "17"))["places"]] == [
        ("1708", 10)
    ]
    for campaign in await office.rows("select id from campaign"):
        of_one = (await office.running.as_(Role.DISTRICT, HERE).get(f"/v1/campaigns/{campaign.id}/results")).json()
        assert (of_one["index"]["count"], of_one["received"]) == (None, None)


async def test_what_is_too_little_for_a_district_counts_in_its_region(office: Office) -> None:
    for school, (district, count) in enumerate(((HERE, 3), (NEXT, 2), (BEYOND, 2), (FAR, 2)), start=1):
        await asked(office, "S3", district, school, count)
    await asked(office, "S3", HERE, 9, 3 * K)
    await pool(office.database, LIBRARY, K)
    assert (await index(office, HERE))["index"]["count"] == 3 * K
    assert (await index(office, NEXT))["index"]["count"] is None
    assert (await index(office, "1708"))["index"]["count"] == 3 * K + 7
    # Two answers of another region have no company at all.
    assert (await index(office, "17"))["index"]["count"] == 3 * K + 7
    trend = (await office.running.as_(Role.MINISTRY, "17").get("/v1/trend", instrument="S3")).json()
    assert [point["index"]["count"] for point in trend["points"]] == [3 * K + 7]


async def test_a_quarter_is_pooled_once_nothing_can_come_any_more_and_once_only(office: Office) -> None:
    going = [
        await fill(office.database, LIBRARY, "S3", 0, over=False, asked=Asked(a_school(n), HERE, ENDED, k=K))
        for n in range(1, 5)
    ]
    for number, campaign in enumerate(going):
        await more(office.database, LIBRARY, campaign, many("S3", 3, number), K)
    await finish(office.database, going[:3])
    await pool(office.database, LIBRARY, K)
    assert await office.count("pooled_campaign") == 0  # one may still get answers
    await finish(office.database, going[3:])
    recent = await fill(office.database, LIBRARY, "S3", 2, over=True, asked=Asked(a_school(5), HERE, today(), k=K))
    for _ in range(2):
        await pool(office.database, LIBRARY, K)
    assert {row[0] for row in await office.rows("select campaign_id from pooled_campaign")} == set(going)
    assert recent not in going
    assert (await index(office, HERE))["index"]["count"] == 12
    assert await office.count("pool") == 1


async def test_a_single_question_is_shown_above_institutions_of_several_together_only(office: Office) -> None:
    await asked(office, "S3", HERE, 1, 40)
    await asked(office, "S3", FAR, 2, 40)
    await asked(office, "S3", FAR, 3, 40)
    await pool(office.database, LIBRARY, K)
    alone, together = await index(office, HERE), await index(office, FAR)
    assert (alone["items_shown"], alone["questions"]) == (False, [])
    assert all(each["importance"]["suppressed"] for each in alone["competences"])
    assert together["competences"][0]["importance"]["count"] == 80
    assert (await index(office, "17"))["competences"][0]["importance"]["count"] == 80


async def of_professions(office: Office, years: int = 0) -> None:
    """Employers and students of two professions in three regions, and of two rare ones; so many years before."""
    last = ENDED - timedelta(days=365 * years)
    school = 0
    for code in ("S1", "S3"):
        for district in (HERE, FAR, THIRD):
            for profession, count in (("7212", 30), ("7231", 30), ("7212", 30), ("7231", 30)):
                school += 1
                await asked(office, code, district, school, count, last, profession=profession)
    await asked(office, "S3", HERE, 30, 2, last, profession="7212")
    await asked(office, "S3", HERE, 31, 3, last, profession="5120")
    await asked(office, "S3", HERE, 32, 3, last, profession="7411")
    await pool(office.database, LIBRARY, K)


async def test_the_gap_by_profession_and_region_shows_what_may_be_shown_everywhere_the_same(office: Office) -> None:
    await of_professions(office)
    ministry = office.running.as_(Role.MINISTRY, "17")
    table = (await ministry.get("/v1/gaps/table", year=YEAR, competence="theory")).json()
    assert {each["profession"] for each in table["professions"]} == {"7212", "7231"}
    assert table["professions"][0]["name"] != "7212"
    cells = {(each["profession"], each["place"]): each["competences"][0] for each in table["cells"]}
    assert all(cell["required"]["count"] == 60 for (_, place), cell in cells.items() if place)
    shown = {at for at, cell in cells.items() if cell["acquired"]["S3"]["count"] is not None}
    assert shown == {(of, place) for of in ("7212", "7231") for place in (None, "1703", "1706", "1708")}
    assert cells["7212", "1708"]["acquired"]["S3"]["count"] == 62
    cell = cells["7231", "1703"]
    gap = cell["acquired"]["S3"]
    assert gap["count"] == 60
    assert gap["gap"] == pytest.approx(cell["required"]["mean"] - gap["mean"], abs=0.002)
    assert gap["gap_interval"][0] < gap["gap"] < gap["gap_interval"][1]
    one = (await ministry.get("/v1/gaps/professions/7231", year=YEAR)).json()
    assert next(place for place in one["places"] if place["place"] == "1703")["competences"][0] == cell
    region = office.running.as_(Role.REGION, "1703")
    own = (await region.get("/v1/gaps/professions", year=YEAR)).json()
    assert next(each for each in own["professions"] if each["profession"] == "7231")["competences"][0] == cell
    district = office.running.as_(Role.DISTRICT, FAR)
    assert (await district.get("/v1/gaps/professions", year=YEAR)).json()["professions"] == own["professions"]
    assert (await region.get("/v1/gaps/table", year=YEAR, competence="theory", territory="1708")).status_code == 404
    assert (await ministry.get("/v1/gaps/table", year=YEAR, competence="nothing")).status_code == 404
    assert (await office.coordinator.get("/v1/gaps/table", year=YEAR, competence="theory")).status_code == 403


async def test_the_table_is_a_file_too_with_a_codebook(office: Office) -> None:
    await of_professions(office, 2)
    ministry = office.running.as_(Role.MINISTRY, "17")
    text = (await ministry.get("/v1/gaps/table/export", year="2023-24")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["profession"], row["place"]) for row in rows} >= {("7212", "1703"), ("7212", ""), ("7231", "1703")}
    assert all(int(row["count"]) >= K for row in rows)
    sheet = (await ministry.get("/v1/gaps/table/export", year="2023-24", format="xlsx")).content
    head, *lines = load_workbook(io.BytesIO(sheet), read_only=True)["data"].iter_rows(values_only=True)
    assert len(lines) == len(rows)
    codebook = (await ministry.get("/v1/gaps/table/codebook")).json()["variables"]
    assert [each["name"] for each in codebook] == list(head) == list(rows[0])
    assert all(set(each["label"]) == {"uz", "uz-Cyrl", "ru", "en"} for each in codebook)


async def test_a_year_that_is_not_over_or_not_pooled_has_no_professions(office: Office) -> None:
    ministry = office.running.as_(Role.MINISTRY, "17")
    start = today().year if today() >= date(today().year, 9, 1) else today().year - 1
    running = f"{start}-{(start + 1) % 100:02d}"
    assert (await ministry.get("/v1/gaps/professions", year=running)).status_code == 422
    place = Asked(a_school(1), HERE, ENDED - timedelta(days=365), k=K)
    campaign = await fill(office.database, LIBRARY, "S3", 4, over=False, asked=place)
    answer = await ministry.get("/v1/gaps/professions", year="2024-25")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "year-not-pooled")
    await finish(office.database, [campaign])
    await pool(office.database, LIBRARY, K)
    assert (await ministry.get("/v1/gaps/professions", year="2024-25")).json()["professions"] == []
