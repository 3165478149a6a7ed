"""Everything that surveys put out, as each role sees it, at several moments: nobody computes a hidden count from it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from services.surveys.domain import pooling
from services.surveys.domain.answers import Answers
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import WaveRow
from shared.contracts.surveys import WaveState, WaveStatus
from shared.contracts.vocabulary import RespondentGroup
from shared.persistence.engine import raw_connection
from shared.scope import Role
from tests.integration.surveys.support import K, Office, today
from tests.support.disclosure import Attack, Known
from tests.support.services import Client
from tests.support.surveys import Asked, a_response, fill, finish, more, pool

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
LIBRARY = InstrumentLibrary.load()
ENDED = date(2022, 5, 20)
YEAR = "2021-22"
WAVES = {"S1": "0199c1e4-1111-7000-8000-000000000001", "S3": "0199c1e4-1111-7000-8000-000000000003"}
DISTRICTS = ("1708201", "1708204", "1703202", "1703203")
TOPICS = {"S1": "theory.importance", "S3": "theory.satisfaction"}
"""What the gap compares, attacked rating by rating."""
RATINGS = range(1, 6)
PROFESSIONS = ("7212", "7231", "2512", "5120")

Cell = tuple[str, str, int]
"""Campaign, profession, rating."""


@dataclass
class School:
    """A campaign, and the truth of it."""

    id: str
    code: str
    path: str
    wave: str | None
    answers: list[Answers] = field(default_factory=list)

    def count(self, cell: Cell) -> int:
        """How many answered so."""
        question, _, part = TOPICS[self.code].partition(".")
        return sum(
            answers["profession"] == cell[1] and answers[question][part] == cell[2]  # type: ignore[index,call-overload]
            for answers in self.answers
        )


@dataclass
class Land:
    """Campaigns of employers and students: those of a wave, and others of the same quarter."""

    office: Office
    chance: Random
    schools: list[School] = field(default_factory=list)
    pools: list[tuple[str, str, str | None, frozenset[str]]] = field(default_factory=list)
    """Path, questionnaire, wave and topics of every pool."""
    counts_in: dict[str, str] = field(default_factory=dict)

    async def found(self) -> None:
        """Schools of all sizes, each with a campaign; nobody answered yet."""
        number = 0
        for code in TOPICS:
            for district in DISTRICTS:
                for wave in (*[WAVES[code]] * 5, None, None):
                    number += 1
                    asked = Asked(f"0199c1e4-0000-7000-8000-{number:012d}", district, ENDED, wave, K)
                    id_ = await fill(self.office.database, LIBRARY, code, 0, over=False, asked=asked)
                    self.schools.append(School(id_, code, asked.path, wave))

    async def goes_on(self) -> None:
        """Some more answer; where they come to k they move on."""
        for number, school in enumerate(self.schools):
            size = (1, 2, 9, 4)[number % 4]
            taste = [self.chance.random() ** 2 + 0.02 for _ in RATINGS]
            some = [self.an_answer(school.code, taste) for _ in range(self.chance.randint(0, size))]
            school.answers += some
            if some:
                await more(self.office.database, LIBRARY, school.id, some, K)

    def an_answer(self, code: str, taste: Sequence[float]) -> Answers:
        """One response: of a rare profession now and then, often of one opinion with the others of its school."""
        profession = self.chance.choices(PROFESSIONS, (8, 5, 2, 1))[0]
        pair: dict[str, int | str] = {
            part: self.chance.choices(RATINGS, taste)[0] for part in ("importance", "satisfaction")
        }
        return {**a_response(LIBRARY.get(code), self.chance), "profession": profession, "theory": pair}

    async def ends(self) -> None:
        """All are over, the wave is closed, what is due is pooled."""
        await finish(self.office.database, [school.id for school in self.schools])
        async with self.office.database.unit_of_work() as uow:
            await (await raw_connection(uow.session)).execute("update wave set status = 'closed'")
        await pool(self.office.database, LIBRARY, K)
        for row in await self.office.rows(
            "select p.org_path, p.instrument, p.wave_id, array_agg(r.measure) as topics from pool p "
            "join released_result r on r.campaign_id = p.id group by p.id"
        ):
            self.pools.append((row.org_path, row.instrument, row.wave_id, frozenset(row.topics)))
        for row in await self.office.rows(
            "select campaign_id, counts_in from pooled_campaign where counts_in is not null"
        ):
            self.counts_in[row.campaign_id] = row.counts_in

    def pooled(self, code: str, topic: str, path: str, wave: str | None = "") -> set[str]:
        """The campaigns whose answers to a topic are in pools at or below a territory; "" for all waves and none."""
        found: set[str] = set()
        for key in {pooled_wave for _, _, pooled_wave, _ in self.pools} if wave == "" else {wave}:
            here = {
                each.id for each in self.schools if each.code == code and each.wave == key and each.id in self.counts_in
            }
            of_key = [pool for pool in self.pools if pool[1:3] == (code, key) and topic in pool[3]]
            for pool_path, *_ in sorted(of_key, key=lambda pool: -pool[0].count("/")):
                inside = {id_ for id_ in here if self.counts_in[id_].startswith(pool_path)}
                here -= inside
                if pool_path.startswith(path):
                    found |= inside
        return found

    def counting(self, code: str, path: str) -> set[str]:
        """The campaigns all of whose answers count at or below a territory."""
        return {
            each.id for each in self.schools if each.code == code and self.counts_in.get(each.id, "").startswith(path)
        }


def path_of(place: str) -> str:
    return "/" + "/".join(place[:length] for length in (2, 4, 7) if length <= len(place)) + "/"


def cells(campaigns: set[str], professions: Sequence[str] = PROFESSIONS) -> tuple[Cell, ...]:
    return tuple((id_, one, rating) for id_ in sorted(campaigns) for one in professions for rating in RATINGS)


def moments(inside: tuple[Cell, ...], summary: dict[str, Any]) -> Iterator[Known]:
    """The ratings' sums and sums of squares, worked out of count, mean and spread as they are shown."""
    count, mean, spread = summary["count"], summary["mean"], summary["spread"]
    if count is None:
        return
    yield Known(inside, count)
    if mean is not None:
        yield Known(inside, round(mean * count / 25), weights=tuple(cell[2] - 1.0 for cell in inside))
    if spread is not None:
        squares = round((spread**2 * (count - 1) + count * mean**2) / 625)
        yield Known(inside, squares, weights=tuple((cell[2] - 1.0) ** 2 for cell in inside))


@dataclass
class Reader:
    """An office that reads everything there is."""

    land: Land
    client: Client
    own: str
    known: dict[str, list[Known]] = field(default_factory=lambda: {code: [] for code in TOPICS})
    indices: dict[str, list[Known]] = field(default_factory=lambda: {code: [] for code in TOPICS})
    """Of the index of campaigns, counts alone: cells are campaigns."""
    seen: int = 0

    async def get(self, path: str, **asked: Any) -> Any:
        answer = await self.client.get(path, **asked)
        assert answer.status_code == 200, (path, asked, answer.text)
        return answer.json()

    @property
    def territories(self) -> list[str]:
        """Every territory within its own."""
        every = sorted({"17", *(district[:4] for district in DISTRICTS), *DISTRICTS})
        return [place for place in every if place.startswith(self.own)]

    async def looks(self) -> None:
        """Take in results of campaigns and territories, in every period and wave, trends and rates."""
        shown: dict[str, int] = {}
        for school in self.land.schools:
            if not school.path.startswith(path_of(self.own)):
                continue
            found = await self.get(f"/v1/campaigns/{school.id}/results")
            assert found["questions"] == []
            assert found["received"] is None or found["received"] >= K
            shown[school.id] = found["index"]["count"] or 0
            # Whoever is shown is known to have these and fewer than k more; whoever is not, to have fewer than k.
            self.indices[school.code].append(Known((school.id,), shown[school.id], K - 1))
            if found["received"] is not None:
                self.indices[school.code].append(Known((school.id,), found["received"]))
                self.known[school.code].append(Known(cells({school.id}), found["received"]))
            else:
                self.known[school.code].append(Known(cells({school.id}), 0, K - 1))
        for code in TOPICS:
            periods: tuple[dict[str, str], ...] = (
                {},
                {"wave": WAVES[code]},
                {"from": "2022-05-01"},
                {"to": "2022-04-01"},
            )
            for place in self.territories:
                for period in periods:
                    self._territory(
                        code,
                        place,
                        period,
                        await self.get("/v1/results", instrument=code, territory=place, **period),
                        shown,
                    )
                for by in ("quarter", "wave", "campaign"):
                    for point in (await self.get("/v1/trend", instrument=code, territory=place, by=by))["points"]:
                        assert point["index"]["count"] is None or point["index"]["count"] >= K
            for row in (await self.get("/v1/response-rates", wave=WAVES[code], by="institution"))["items"]:
                assert row["responses"] % K == 0

    def _territory(self, code: str, place: str, period: dict[str, str], found: Any, shown: dict[str, int]) -> None:
        path, wave = path_of(place), period.get("wave", "")
        inside = {each.id for each in self.land.schools if each.code == code and each.path.startswith(path)}
        if wave:
            inside &= {each.id for each in self.land.schools if each.wave == wave}
        index = found["index"]["count"] or 0
        pooled = self.land.pooled(code, "index", path, wave)
        # What is beyond the releases of campaigns is the rests of those that were pooled.
        rest = tuple(sorted(pooled))
        beyond = index - sum(shown[id_] for id_ in inside)
        assert index == 0 or beyond >= 0
        if index and rest:
            self.indices[code].append(Known(rest, beyond + sum(shown[id_] for id_ in rest)))
        elif index:
            assert beyond == 0
        topic = TOPICS[code]
        campaigns = self.land.pooled(code, topic, path, wave)
        part = topic.partition(".")[2]
        for each in found["competences"]:
            if each["competence"] == "theory":
                self.seen += each[part]["count"] is not None
                self.known[code] += moments(cells(campaigns), each[part])
        for question in found["questions"]:
            for drawn in question["topics"]:
                if drawn["topic"] == topic and drawn["options"]:
                    for option in drawn["options"]:
                        if option["count"] is not None:
                            some = tuple(cell for cell in cells(campaigns) if cell[2] == int(option["option"]))
                            self.known[code].append(Known(some, option["count"]))

    async def reads_gaps(self) -> None:
        """Take in gaps by territory, by profession, by profession and place."""
        for place in self.territories:
            path = path_of(place)
            found = await self.get("/v1/gaps", territory=place)
            self._gap(
                found["competences"], {code: cells(self.land.pooled(code, TOPICS[code], path)) for code in TOPICS}
            )
            within = {"territory": place, "year": YEAR}
            for each in (await self.get("/v1/gaps/professions", **within))["professions"]:
                self._gap(each["competences"], self._of(path, each["profession"]))
                one = await self.get(f"/v1/gaps/professions/{each['profession']}", **within)
                assert one["competences"] == each["competences"]
            for cell in (await self.get("/v1/gaps/table", competence="theory", **within))["cells"]:
                below = path if cell["place"] is None else f"{path}{cell['place']}/"
                self._gap(cell["competences"], self._of(below, cell["profession"]))

    def _of(self, path: str, profession: str) -> dict[str, tuple[Cell, ...]]:
        return {code: cells(self.land.counting(code, path), (profession,)) for code in TOPICS}

    def _gap(self, competences: Any, inside: dict[str, tuple[Cell, ...]]) -> None:
        theory = next(each for each in competences if each["competence"] == "theory")
        for code, summary in (("S1", theory["required"]), *theory["acquired"].items()):
            if code in inside:
                self.seen += summary["count"] is not None
                self.known[code] += moments(inside[code], summary)

    async def takes_files(self) -> None:
        """Take in the answers of the waves, row by row; where a rating is withheld, how many are."""
        for code in TOPICS:
            await self._takes_file(code)

    async def _takes_file(self, code: str) -> None:
        answer = await self.client.get("/v1/answers/export", wave=WAVES[code], format="csv")
        assert answer.status_code == 200, answer.text
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert "profession" not in rows[0]
        column = TOPICS[code].replace(".", "_")
        here = {each.id for each in self.land.schools if each.wave == WAVES[code]}
        regions = {row["region"] for row in rows}
        shown = {row[column] for row in rows} - {"withheld"}
        for region in regions:
            inside = (self.land.counting(code, f"/17/{region}/") if region else self._nation_alone(code)) & here
            for value in shown:
                some = tuple(cell for cell in cells(inside) if str(cell[2]) == value)
                self.known[code].append(
                    Known(some, sum(row["region"] == region and row[column] == value for row in rows))
                )
            self.known[code].append(Known(cells(inside), sum(row["region"] == region for row in rows)))

    def _nation_alone(self, code: str) -> set[str]:
        return {id_ for id_ in self.land.counting(code, "/17/") if self.land.counts_in[id_] == "/17/"}

    def finds(self, code: str) -> list[str]:
        """Ratings of campaigns, professions and places that are known for sure, and hidden campaigns placed at all."""
        truth = {
            school.id: school
            for school in self.land.schools
            if school.code == code and school.path.startswith(path_of(self.own))
        }
        hidden: dict[str, tuple[Any, int, int]] = {}
        for id_, school in truth.items():
            for rating in RATINGS:
                some = tuple((id_, one, rating) for one in PROFESSIONS)
                hidden[f"{id_[-4:]}:{rating}"] = some, sum(school.count(cell) for cell in some), 0
        for place in self.territories:
            at = {id_ for id_, school in truth.items() if school.path.startswith(path_of(place))}
            for one in PROFESSIONS:
                inside = cells(at, (one,))
                hidden[f"{place}/{one}"] = inside, sum(truth[cell[0]].count(cell) for cell in inside), 0
        found = Attack(self._consistent(code, truth), hidden, K).pinned()
        small = {id_: ((id_,), len(school.answers), 0) for id_, school in truth.items() if len(school.answers) < K}
        for id_, (low, high) in Attack(self.indices[code], small, K).bounds(list(small)).items():
            if low > 0.01 or high < K - 1.01:
                found.append(f"{id_[-4:]} = {len(truth[id_].answers)} of {low}..{high}")
        return found

    def _consistent(self, code: str, truth: dict[str, School]) -> list[Known]:
        """What is known, which must be true."""
        for known in self.known[code]:
            real = sum(weight * truth[cell[0]].count(cell) for cell, weight in known.weighted)
            assert known.total <= real <= known.total + known.more, known
        return self.known[code]


async def an_open_wave(office: Office, code: str, id_: str) -> None:
    """A wave that nothing closes but the test."""
    wave = WaveState(
        id=id_,
        version=1,
        instrument=code,
        instrument_version=LIBRARY.get(code).version,
        group=RespondentGroup(code),
        territory="17",
        first_day=ENDED - timedelta(days=39),
        last_day=today() + timedelta(days=300),
        status=WaveStatus.OPEN,
    )
    async with office.database.unit_of_work() as uow:
        uow.session.add(
            WaveRow(id=id_, version=1, org_path="/17/", state=wave.model_dump(mode="json"), **WaveRow.columns(wave))
        )


async def a_land(office: Office) -> Land:
    """Schools in an open wave of each questionnaire, and others."""
    for code, id_ in WAVES.items():
        await an_open_wave(office, code, id_)
    land = Land(office, Random(3))
    await land.found()
    return land


async def test_no_hidden_count_follows_from_all_that_an_office_sees_at_several_moments(office: Office) -> None:
    land = await a_land(office)
    offices = [(Role.MINISTRY, "17"), (Role.REGION, "1708"), (Role.DISTRICT, "1703202")]
    readers = [Reader(land, office.running.as_(role, org), org) for role, org in offices]
    for _ in range(3):
        await land.goes_on()
        for reader in readers:
            # What is known of counts that still move is not known of the last ones.
            reader.known = {code: [] for code in TOPICS}
            reader.indices = {code: [] for code in TOPICS}
            await reader.looks()
            assert reader.seen == 0
    assert sum(len(school.answers) < K for school in land.schools) > 10
    await land.ends()
    for reader in readers:
        await reader.looks()
        await reader.reads_gaps()
        assert reader.seen > 0
    await readers[0].takes_files()
    for reader in readers:
        for code in TOPICS:
            assert reader.finds(code) == [], (reader.own, code)


async def test_pools_that_only_come_to_k_would_tell(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "possible", lambda parts, k: (-1, -1 << k))
    monkeypatch.setattr(pooling, "_may_be_shown", lambda each, top, k: each.sums.count >= k)
    land = await a_land(office)
    for _ in range(2):
        await land.goes_on()
    await land.ends()
    reader = Reader(land, office.running.as_(Role.MINISTRY, "17"), "17")
    await reader.looks()
    assert any(reader.finds(code) for code in TOPICS)
