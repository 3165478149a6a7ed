"""Comparison over HTTP: fair ranks within the scope, what is withheld stays so, targets bind downwards, tables."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import httpx
import openpyxl
import pyarrow.parquet as pq
import pytest

from services.monitoring.domain.definitions import INDICATORS
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.partners import EnrolmentState, EnterpriseState, EnterpriseStatus
from shared.contracts.vocabulary import EnterpriseSize
from shared.ids import new_id
from shared.scope import Role
from tests.integration.monitoring.support import alone, tell
from tests.support.monitoring import Story
from tests.support.services import Client, Running

YEAR = "2025-26"
HERE, BESIDE, FAR = 0, 1, 2
"""Districts: twelve schools; three; two in another region."""


@pytest.fixture(scope="module")
def story() -> Story:
    story = Story(Random(5))
    story.territory(2, 2)
    for district, count in ((HERE, 12), (BESIDE, 3), (FAR, 2)):
        for _ in range(count):
            story.an_institution(story.districts[district], date(2024, 9, 1))
    story.enterprises = [new_id() for _ in range(3)]
    works, garage, old = story.enterprises
    for enterprise, section, merged in ((works, "C", None), (garage, "G", None), (old, "F", works)):
        an_enterprise(story, enterprise, section, merged)
    # Applications for places: of a tiny school all it could wish for, of a large one nearly so, of the others about 1.
    for number, school in enumerate(story.institutions):
        places, wishes = {0: (2, 5), 1: (600, 1200)}.get(number, (100, 95 + number))
        enrolled(story, school, places, wishes)
    for at, enterprise, graduates in (
        (0, works, 4), (1, works, 22), (1, garage, 3), (2, old, 12), (3, garage, 40), (4, works, 14),
        (5, works, 12), (5, old, 12),
    ):  # fmt: skip
        for _ in range(graduates):
            employed(story, story.institutions[at], enterprise)
    return story


def an_enterprise(story: Story, id_: str, section: str, merged: str | None) -> None:
    story.tell(
        EnterpriseState(
            id=id_,
            version=story.next_version(id_),
            stir="300000000",
            name="=Zavod",
            size=EnterpriseSize.LARGE,
            isic_section=section,
            district=story.districts[HERE],
            status=EnterpriseStatus.MERGED if merged else EnterpriseStatus.ACTIVE,
            merged_into=merged,
        )
    )


def enrolled(story: Story, school: str, places: int, wishes: int) -> None:
    id_ = new_id()
    story.tell(
        EnrolmentState(
            id=id_,
            version=1,
            institution_id=school,
            academic_year=YEAR,
            places=places,
            first_choice=wishes,
            teachers=40,
        )
    )


def employed(story: Story, school: str, enterprise: str, id_: str | None = None) -> None:
    """A graduate is employed, or the one whose employment has this id is employed elsewhere."""
    id_ = id_ or new_id()
    story.tell(
        EmploymentState(
            id=id_,
            version=story.next_version(id_),
            institution_id=school,
            graduate_ref=id_[-8:],
            enterprise_id=enterprise,
            profession="7212",
            status=EmploymentStatus.REPORTED,
            started_on=date(2026, 2, 3),
        )
    )


@pytest.fixture(scope="module")
async def told(
    story: Story, postgres: Any, issuer: Any, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """The service with the story told."""
    async with alone(postgres, issuer, http, tmp_path_factory.mktemp("broker")) as (running, _):
        await tell(running, story.events)
        yield running


@pytest.fixture(scope="module")
def ministry(told: Running) -> Client:
    return told.as_(Role.MINISTRY, "17")


async def got(client: Client, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, **params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_ranking_is_fair_to_small_schools_and_pages_without_gaps(ministry: Client, story: Story) -> None:
    asked = {"indicator": "I2", "period": YEAR, "level": "institution"}
    found = await got(ministry, "/v1/ranking", **asked)
    by_code = {row["place"]["code"]: row for row in found["items"]}
    tiny, large = (by_code[story.institutions[number]] for number in (0, 1))
    assert tiny["value"] == 2.5 > large["value"] == 2.0
    assert large["rank"] == 1 < tiny["rank"]
    assert tiny["weight"] < 0.5 < large["weight"]
    assert (large["rank_best"], large["band"]) == (1, "upper")
    assert found["ranked"] == 17
    assert found["method"]["noise"] == "rate"
    assert found["method"]["text"]
    assert found["method"]["sources"]
    assert [row["rank"] for row in found["items"]] == sorted(row["rank"] for row in found["items"])
    pages: list[str] = []
    after: str | None = None
    while True:
        page = await got(ministry, "/v1/ranking", **asked, limit=5, **({"after": after} if after else {}))
        pages += [row["place"]["code"] for row in page["items"]]
        if (after := page["next"]) is None:
            break
    assert pages == list(by_code)


async def test_what_is_withheld_takes_no_rank_and_moves_none(ministry: Client, story: Story) -> None:
    hidden = story.institutions[0]
    found = await got(ministry, "/v1/ranking", indicator="F3", period=YEAR, place=story.districts[HERE])
    ranked = [row for row in found["items"] if row["rank"] is not None]
    # With the one of too few persons two more are withheld: else it would follow from the district's sum, for one of
    # them if it were alone with it.
    withheld = [row for row in found["items"] if row["suppressed"]]
    assert found["suppressed"] == len(withheld) == 3
    assert hidden in {row["place"]["code"] for row in withheld}
    for each in withheld:
        assert {name: each[name] for name in each if name not in ("place", "suppressed")} == dict.fromkeys(
            ("value", "numerator", "denominator", "coverage", "rank")
        )
    assert [row["place"]["code"] for row in ranked[:2]] == [story.institutions[number] for number in (3, 1)]
    # The others rank among themselves: nine ranks for nine places, whatever the withheld ones' numbers are.
    assert found["ranked"] == len(ranked) == 9
    assert max(row["rank_worst"] for row in ranked) <= 9
    spread = await got(ministry, "/v1/distribution", indicator="F3", period=YEAR, place=story.districts[HERE])
    assert spread["spread"]["count"] == 9
    codes = {row["place"]["code"] for row in withheld}
    assert codes.isdisjoint({each["place"]["code"] for each in spread["outliers"]["items"]})
    own = await got(ministry, "/v1/peers", indicator="F3", period=YEAR, place=hidden)
    assert own["own"] is None
    assert own["peers"] == 14


async def test_each_sees_only_its_own_and_of_peers_the_group_alone(told: Running, story: Story) -> None:
    district = told.as_(Role.DISTRICT, story.districts[BESIDE])
    found = await got(district, "/v1/ranking", indicator="I2", period=YEAR)
    assert {row["place"]["code"] for row in found["items"]} == set(story.institutions[12:15])
    assert max(row["rank"] for row in found["items"]) <= 3
    for path in (
        "/v1/ranking",
        "/v1/distribution",
        "/v1/peers",
        "/v1/targets",
        "/v1/effectiveness",
        "/v1/values/export",
    ):
        answer = await district.get(path, indicator="I2", place=story.institutions[0])
        assert answer.status_code == 404, path
        assert answer.json()["type"].endswith("unknown-place")
        assert story.districts[BESIDE] in answer.json()["remedy"]
    school = told.as_(Role.INSTITUTION, story.institutions[0])
    mine = await got(school, "/v1/ranking", indicator="I2", period=YEAR)
    assert [row["place"]["code"] for row in mine["items"]] == [story.institutions[0]]
    peers = await got(school, "/v1/peers", indicator="I2", period=YEAR, same_region=True)
    assert (peers["peers"], peers["group"]["kind"], peers["group"]["by_size"]) == (14, "college", False)
    assert peers["within"]["code"] == story.districts[HERE][:4]
    assert peers["spread"]["count"] == 14
    assert peers["own"]["rank_best"] >= 1
    text = str(peers)
    assert not any(other in text for other in story.institutions[1:])
    # The two beyond the region would follow from both answers.
    nation = await got(school, "/v1/peers", indicator="I2", period=YEAR)
    assert (nation["peers"], nation["own"], nation["spread"]) == (0, None, None)
    seen = await got(
        told.as_(Role.MINISTRY, "17"), "/v1/peers", indicator="I2", period=YEAR, place=story.institutions[0]
    )
    assert seen["peers"] == 16, "who sees all may compare with all"
    for role, org in ((Role.ENTERPRISE, "1"), (Role.OPERATOR, "")):
        assert (await told.as_(role, org).get("/v1/ranking", indicator="I2")).status_code == 403


async def test_a_spread_and_what_stands_out_say_their_rule(ministry: Client, story: Story) -> None:
    found = await got(ministry, "/v1/distribution", indicator="I2", period=YEAR, level="institution")
    assert found["spread"]["quantiles"]["0.5"] == pytest.approx(1.05)
    assert sum(each["count"] for each in found["spread"]["bins"]) == 17
    outliers = found["outliers"]
    assert outliers["rule"] == "funnel"
    assert "funnel" in outliers["text"]
    assert [each["place"]["code"] for each in outliers["items"]] == [story.institutions[1]]
    few = await got(ministry, "/v1/distribution", indicator="I2", period=YEAR)
    assert few["outliers"]["rule"] == "few"


async def test_targets_bind_downwards_the_nearest_first_and_keep_every_version(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    region = told.as_(Role.REGION, story.districts[HERE][:4])
    school = told.as_(Role.INSTITUTION, story.institutions[2])
    path = f"/v1/targets/I2/institution/{YEAR}"
    first = await ministry.put(path, {"value": 1.2, "note": "Qaror 7"}, version=0)
    assert first.status_code == 200, first.text
    assert (await ministry.put(path, {"value": 1.3})).status_code == 428
    assert (await ministry.put(path, {"value": 1.3}, version=0)).status_code == 412
    assert (await ministry.put(path, {"value": 1.1}, version=1)).json()["version"] == 2
    told_of = await ministry.get(path)
    assert told_of.headers["etag"] == '"2"'
    assert [each["value"] for each in told_of.json()["history"]] == [1.1, 1.2, None]
    assert told_of.json()["history"][1]["made_by"] == "ministry"
    assert told_of.json()["history"][1]["made_at"]
    own = await region.put(path, {"value": 0.9}, version=0)
    assert own.status_code == 200, own.text
    assert own.json()["place"]["code"] == story.districts[HERE][:4]
    assert (await region.send("PUT", f"{path}?place=17", {"value": 5}, version=2)).status_code == 404
    assert (await school.put(path, {"value": 0.1}, version=0)).status_code == 403
    # What the region set goes first for its schools; those of others are bound by the ministry's.
    mine = await got(school, "/v1/targets", year=YEAR)
    applies = {(each["place"]["code"], each["value"]): each for each in mine["items"]}
    assert {key: each["applies"] for key, each in applies.items()} == {
        ("17", 1.1): False,
        (story.districts[HERE][:4], 0.9): True,
    }
    progress = applies[story.districts[HERE][:4], 0.9]["progress"]
    assert (progress["course"], progress["value"]) == ("met", 0.97)
    far = told.as_(Role.INSTITUTION, story.institutions[15])
    theirs = await got(far, "/v1/targets", year=YEAR)
    assert [(each["value"], each["applies"], each["progress"]["course"]) for each in theirs["items"]] == [
        (1.1, True, "met" if theirs["items"][0]["progress"]["value"] >= 1.1 else "missed")
    ]
    rows = (await got(ministry, "/v1/ranking", indicator="I2", period=YEAR, level="institution"))["items"]
    by_code = {row["place"]["code"]: row["target"] for row in rows}
    assert by_code[story.institutions[2]] == {
        "value": 0.9, "set_at": story.districts[HERE][:4], "left": pytest.approx(-0.07), "met": True
    }  # fmt: skip
    assert by_code[story.institutions[15]]["value"] == 1.1
    for bad, rule in (("I2/institution/2026-03", "target_year"), ("I2/institution/x", "target_year")):
        answer = await ministry.put(f"/v1/targets/{bad}", {"value": 1}, version=0)
        assert answer.json()["errors"][0]["rule"] == rule
        assert "academic_year" in answer.json()["errors"][0]["remedy"]
    above = await region.put(f"/v1/targets/I2/nation/{YEAR}", {"value": 1}, version=0)
    assert above.json()["errors"][0]["rule"] == "level_above"
    wild = await ministry.put(f"/v1/targets/I1/region/{YEAR}", {"value": 75}, version=0)
    assert wild.json()["errors"][0]["rule"] == "target_value"
    assert (await ministry.put(path, {"value": None}, version=2)).json()["value"] is None
    assert (await got(far, "/v1/targets", year=YEAR))["items"] == []


async def test_the_index_shows_every_component_and_leaves_out_what_is_not_there(ministry: Client, story: Story) -> None:
    declared = await got(ministry, "/v1/effectiveness/composition")
    assert sum(each["weight"] for each in declared["items"]) == pytest.approx(1, abs=1e-5)
    found = await got(ministry, "/v1/effectiveness", place=story.institutions[3], period=YEAR)
    parts = {each["indicator"]["code"]: each for each in found["components"]}
    assert list(parts) == [each["indicator"]["code"] for each in declared["items"]]
    known = [each for each in parts.values() if each["score"] is not None]
    assert found["coverage"] == pytest.approx(sum(each["weight"] for each in known), abs=1e-5)
    assert parts["I1"]["score"] is None
    assert parts["F3"]["value"] == 40
    assert parts["F3"]["score"] == pytest.approx(40 / 60)
    assert found["value"] == pytest.approx(sum(each["adds"] for each in known))
    few = await got(ministry, "/v1/effectiveness", place=story.institutions[0], period=YEAR)
    hidden = next(each for each in few["components"] if each["indicator"]["code"] == "F3")
    assert (hidden["suppressed"], hidden["score"], hidden["value"], hidden["adds"]) == (True, None, None, None)
    ranked = await got(ministry, "/v1/ranking", indicator="INDEX", period=YEAR, level="institution")
    assert ranked["method"]["noise"] == "weights"
    assert ranked["ranked"] > 0
    by_code = {row["place"]["code"]: row for row in ranked["items"]}
    assert by_code[story.institutions[3]]["value"] == pytest.approx(found["value"])


async def test_values_are_broken_down_without_telling_of_few(ministry: Client, story: Story) -> None:
    works, garage, _ = story.enterprises
    found = await got(ministry, "/v1/breakdown", indicator="F3", by="enterprise", period=YEAR)
    # Of the school with 24 at the works and what was merged into it, of that with 40 at the garage: told in tens.
    # The 22 at the works are not, for the 3 at the garage would follow; nor is what the withheld schools count.
    assert {row["key"]: (row["count"], row["institutions"]) for row in found["items"]} == {
        works: (20, 1), garage: (40, 1)
    }  # fmt: skip
    assert (found["rounded_to"], found["withheld"], found["value"]) == (10, True, 119)
    sectors = await got(ministry, "/v1/breakdown", indicator="F3", by="sector", period=YEAR)
    assert {row["key"] for row in sectors["items"]} == {"C", "G"}
    school = await got(
        ministry, "/v1/breakdown", indicator="F3", by="enterprise", period=YEAR, place=story.institutions[1]
    )
    assert (school["items"], school["withheld"], school["suppressed"]) == ([], True, False)
    month = await got(ministry, "/v1/breakdown", indicator="F3", by="enterprise", period="2026-02")
    assert (month["items"], month["withheld"], month["suppressed"]) == ([], True, False)
    few = await got(
        ministry, "/v1/breakdown", indicator="F3", by="enterprise", period=YEAR, place=story.institutions[0]
    )
    assert (few["items"], few["suppressed"]) == ([], True)
    groups = await got(ministry, "/v1/breakdown", indicator="F3", by="profession", period=YEAR)
    assert groups["items"] == [{"key": "7", "count": 119}]
    listed = (await got(ministry, "/v1/breakdowns"))["items"]
    for each in listed:
        for by in each["by"]:
            await got(ministry, "/v1/breakdown", indicator=each["indicator"]["code"], by=by, period="2026-02")
    wrong = (await ministry.get("/v1/breakdown", indicator="F3", by="colour")).json()["errors"][0]
    assert "profession, enterprise, sector" in wrong["remedy"]


async def test_enterprises_are_told_of_in_the_steps_of_the_count_that_they_are_part_of(
    postgres: Any, issuer: Any, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    story = Story(Random(6))
    story.territory(1, 1)
    works, garage = story.enterprises = [new_id(), new_id()]
    school, *others = (story.an_institution(story.districts[0], date(2024, 9, 1)) for _ in range(3))
    for at in others:
        for _ in range(30):
            employed(story, at, works)
    for enterprise, graduates in ((works, 22), (garage, 21)):
        for _ in range(graduates):
            employed(story, school, enterprise)
    moved = story.events[-1].subject.removeprefix("employment/")
    async with alone(postgres, issuer, http, tmp_path) as (running, _):
        ministry = running.as_(Role.MINISTRY, "17")

        async def told(since: int) -> tuple[int, dict[str, int]]:
            await tell(running, story.events[since:])
            found = await got(ministry, "/v1/breakdown", indicator="F3", by="enterprise", period=YEAR, place=school)
            return found["value"], {row["key"]: row["count"] for row in found["items"]}

        seen = [await told(0)]
        assert seen == [(43, {works: 20, garage: 20})]
        since = len(story.events)
        employed(story, school, works, moved)  # from the garage: nobody more, nobody less
        seen.append(await told(since))
        for _ in range(14):  # at the third of them twenty-five would be at the works
            since = len(story.events)
            employed(story, school, works)
            seen.append(await told(since))
    assert set(map(str, seen)) == {str(seen[0]), str((53, {works: 30, garage: 20}))}


async def test_what_does_not_exist_is_answered_with_what_does(ministry: Client, story: Story) -> None:
    for path in ("/v1/ranking", "/v1/distribution", "/v1/peers", "/v1/values/export"):
        unknown = (await ministry.get(path, indicator="I9")).json()["errors"][0]
        assert unknown["rule"] == "unknown_indicator"
        assert "I1, I1_12, I2" in unknown["remedy"]
        field = "from" if path.endswith("export") else "period"
        period = (await ministry.get(path, indicator="I2", **{field: "gestern"})).json()["errors"][0]
        assert "2025-26" in period["remedy"]
        place = (await ministry.get(path, indicator="I2", place="1799")).json()
        assert "1700" in place["remedy"]
    assert (await ministry.get("/v1/ranking", indicator="I2", per=True)).json()["errors"][0]["rule"] == "not_counted"
    district = (await ministry.get("/v1/ranking", indicator="I2", place="1700", level="nation")).json()
    assert district["errors"][0]["rule"] == "level_above"


async def test_tables_say_what_the_answers_say_in_every_form(told: Running, story: Story) -> None:
    ministry = told.as_(Role.MINISTRY, "17")
    asked: dict[str, Any] = {
        "indicator": ["I2", "F3"], "level": ["district", "institution"], "from": YEAR, "to": YEAR
    }  # fmt: skip
    text = await ministry.get("/v1/values/export", **asked)
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text.content.decode("utf-8-sig"))))
    assert len(rows) == 2 * (4 + 17)
    by_key = {(row["place"], row["indicator"]): row for row in rows}
    hidden = by_key[story.institutions[0], "F3"]
    assert (hidden["value"], hidden["numerator"], hidden["suppressed"]) == ("", "", "true")
    assert by_key[story.institutions[1], "I2"]["value"] == "2.0"
    assert by_key[story.institutions[1], "I2"]["district"] == story.districts[HERE]
    sheet = await ministry.get("/v1/values/export", **asked, format="xlsx")
    book = openpyxl.load_workbook(io.BytesIO(sheet.content))
    cells = list(book["data"].iter_rows(values_only=True))
    assert [str(cell) for cell in cells[0]] == list(rows[0])
    assert len(cells) == len(rows) + 1
    columns = await ministry.get("/v1/values/export", **asked, format="parquet")
    table = pq.read_table(io.BytesIO(columns.content))
    assert table.num_rows == len(rows)
    assert table.column("value").null_count == sum(row["value"] == "" for row in rows)
    assert str(table.schema.field("suppressed").type) == "bool"
    everything = await ministry.get("/v1/values/export")
    assert everything.content.count(b"\r\n") == 1 + len(INDICATORS) * 3
    district = told.as_(Role.DISTRICT, story.districts[BESIDE])
    theirs = await district.get("/v1/values/export", indicator="I2", level="institution")
    seen = {row["place"] for row in csv.DictReader(io.StringIO(theirs.content.decode("utf-8-sig")))}
    assert seen == set(story.institutions[12:15])
    ranking = await ministry.get("/v1/ranking/export", indicator="F3", period=YEAR, place=story.districts[HERE])
    lines = list(csv.DictReader(io.StringIO(ranking.content.decode("utf-8-sig"))))
    assert [line["rank"] for line in lines[:3]] == ["1", "2", "3"]
    assert [line["rank"] for line in lines if line["suppressed"] == "true"] == ["", "", ""]
    long = await ministry.get("/v1/values/export", **{"from": "1990-01", "to": "2026-01"})
    assert long.json()["errors"][0]["rule"] == "too_many_points"
