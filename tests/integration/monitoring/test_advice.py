"""Recommendations on a real database: made, kept, resolved, expired and followed up – once, whoever looks how often."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.monitoring.advice.advisor import Advisor
from services.monitoring.advice.commands import Advice
from services.monitoring.advice.declarations import rules
from services.monitoring.advice.evaluation import Evaluator, Outcome
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, Accept, Complete, Dismiss
from services.monitoring.advice.settings import PutSetting, in_force, put
from services.monitoring.advice.trials import AskTrial, Trials
from services.monitoring.directory import Directory
from shared.contracts.monitoring import DismissalReason
from shared.contracts.preparation import OrientationState, OrientationStatus
from shared.ids import new_id
from shared.persistence.engine import make_engine, raw_connection
from shared.persistence.scheduler import Scheduler
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal, Role
from shared.telemetry.progress import Progress
from tests.integration.monitoring.support import Bench, K
from tests.support.monitoring import Story, a_story

TODAY = date(2026, 11, 20)
MINISTRY = Principal("m", Role.MINISTRY, "17")


class Process:
    """One process that evaluates, on an engine and a day of its own."""

    def __init__(self, url: str) -> None:
        self.today = TODAY
        self.engine = make_engine(url, application="advice-test", pool_size=4)
        self.database = Database("monitoring", self.engine, self.now)
        self.directory = Directory()
        self.evaluator = Evaluator(self.database, K)
        self.advice = Advice(self.directory, K)

    def now(self) -> datetime:
        """Noon of its day in Tashkent."""
        return datetime(self.today.year, self.today.month, self.today.day, 7, tzinfo=UTC)

    async def evaluate(self, *codes: str) -> Outcome:
        """Every rule (or these) at every level."""
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            settings = await in_force(connection)
        outcome = Outcome()
        for setting in settings.values():
            for level in setting.rule.levels if not codes or setting.rule.code in codes else ():
                places = self.directory.at_level(LEVEL_NUMBERS[level])
                outcome.add(await self.evaluator.level(setting, level, places, self.today))
        return outcome

    async def let_time_pass(self) -> None:
        """What the scheduler does with recommendations."""
        await Scheduler(self.database, Progress(), (self.advice.passage(),)).catch_up()


@pytest.fixture
async def process(bench: Bench) -> AsyncIterator[Process]:
    process = Process(bench.database.url)
    yield process
    await process.engine.dispose()


def a_country(institutions: int = 3) -> Story:
    """Two regions of two districts, and institutions in which nothing has happened yet."""
    story = Story(Random(3))
    story.territory(2, 2)
    for _ in range(institutions):
        story.an_institution(story.districts[0], date(2024, 9, 1))
    return story


async def tell(bench: Bench, story: Story, since: int = 0) -> int:
    """Let monitoring take what the story has told since."""
    await (await bench.worker()).take(story.events[since:])
    return len(story.events)


def oriented(story: Story, institution: str, until: date = date(2027, 8, 31)) -> None:
    """R1 is met there until a day."""
    ident = new_id()
    story.tell(
        OrientationState(
            id=ident,
            version=story.next_version(ident),
            institution_id=institution,
            decision_ref="1",
            decided_on=date(2025, 9, 1),
            responsible_ref="T-1",
            valid_until=until,
            status=OrientationStatus.ADOPTED,
        )
    )


async def recommendations(bench: Bench, rule: str, scope: str = "all") -> list[Any]:
    return await bench.rows("select * from recommendation where rule = $1 order by place, id", rule, scope=scope)


async def told(bench: Bench, fact: str) -> list[dict[str, Any]]:
    rows = await bench.rows(
        "select data, key from event where type = $1 order by shard, position",
        f"hamkor.monitoring.recommendation.{fact}.v1",
    )
    return [json.loads(row["data"]) | {"key": row["key"]} for row in rows]


async def test_what_fires_is_said_once_also_by_two_processes_at_once(bench: Bench) -> None:
    await tell(bench, a_story(Random(7), 1200, institutions=8))
    processes = [Process(bench.database.url) for _ in range(2)]
    outcomes = await asyncio.gather(*(each.evaluate() for each in processes))
    assert sum(each.made for each in outcomes) > 20
    assert (await processes[0].evaluate()).made == 0
    rows = await bench.rows("select rule, place, count(*) as n from recommendation where open group by 1, 2")
    assert {row["n"] for row in rows} == {1}
    made, resolved = await told(bench, "made"), await told(bench, "resolved")
    assert len(made) == sum(each.made for each in outcomes) == len({each["id"] for each in made})
    # Whatever was resolved between the two was so by the same data: nothing flickers.
    assert resolved == []
    assert len(rows) == len(made)
    for each in processes:
        await each.engine.dispose()


async def test_it_is_kept_up_to_date_resolves_by_itself_and_may_come_again(bench: Bench, process: Process) -> None:
    story = a_country()
    first, second, _ = story.institutions
    at = await tell(bench, story)
    assert (await process.evaluate("R1_TEAM")).made == 3
    process.today += timedelta(days=1)
    assert (await process.evaluate("R1_TEAM")) == Outcome(looked=3)
    row = (await recommendations(bench, "R1_TEAM"))[0]
    assert (row["version"], row["latest_on"]) == (1, process.today)
    oriented(story, first)
    oriented(story, second, until=date(2026, 11, 30))
    at = await tell(bench, story, at)
    assert (await process.evaluate("R1_TEAM")).resolved == 2
    (one, other) = await told(bench, "resolved")
    assert {one["place"], other["place"]} == {first, second}
    assert one["evidence"]["state"] == "met"
    assert [step["status"] for step in one["steps"]] == ["open", "resolved"]
    assert one["key"] == one["institution_id"]
    # A month on the second decision has run out: lapsed, it fires again – as a new recommendation.
    process.today = date(2026, 12, 20)
    assert (await process.evaluate("R1_TEAM")).made == 1
    states = [json.loads(row["state"]) for row in await recommendations(bench, "R1_TEAM") if row["place"] == second]
    assert sorted(state["status"] for state in states) == ["open", "resolved"]
    assert next(state for state in states if state["status"] == "open")["evidence"]["state"] == "lapsed"


async def step(process: Process, principal: Principal, id_: str, what: str, command: Any) -> Any:
    async with process.database.unit_of_work(principal) as uow:
        return await getattr(process.advice, what)(uow, id_, command)


async def test_work_on_it_is_followed_up_and_keeps_the_rule_quiet(bench: Bench, process: Process) -> None:
    story = a_country()
    done, dismissed, left = story.institutions
    at = await tell(bench, story)
    await process.evaluate("R1_TEAM")
    ids = {row["place"]: row["id"] for row in await recommendations(bench, "R1_TEAM")}
    me = Principal("s", Role.INSTITUTION, done)
    assert (await step(process, me, ids[done], "accept", Accept(note="N"))).status == "accepted"
    oriented(story, done)
    await tell(bench, story, at)
    assert (await step(process, me, ids[done], "complete", Complete(note="kengash"))).status == "done"
    await step(process, MINISTRY, ids[dismissed], "dismiss", Dismiss(reason=DismissalReason.PLANNED_OTHERWISE))
    # Quiet where it was done or dismissed, though it holds at one of them.
    assert (await process.evaluate("R1_TEAM")).made == 0
    rows = {row["place"]: row for row in await recommendations(bench, "R1_TEAM")}
    assert json.loads(rows[done]["details"])["notes"] == {"accepted": "N", "done": "kengash"}
    assert "kengash" not in json.dumps([await told(bench, fact) for fact in ("accepted", "done")])
    rule = rules()["R1_TEAM"]
    process.today = TODAY + timedelta(days=rule.due_days)
    await process.let_time_pass()
    process.today = TODAY + timedelta(days=rule.follow_days)
    await process.let_time_pass()
    rows = {row["place"]: row for row in await recommendations(bench, "R1_TEAM")}
    measured = [(each["what"], each["state"]) for each in json.loads(rows[done]["measured"])]
    assert measured == [
        ("made", "missing"),
        ("accepted", "missing"),
        ("done", "met"),
        ("due", "met"),
        ("follow_up", "met"),
    ]
    assert [each["what"] for each in json.loads(rows[left]["measured"])] == ["made", "due"]
    # Nobody took the third on: it expires some time after its day, once.
    process.today = TODAY + timedelta(days=rule.due_days + rule.expires_days + 1)
    await process.let_time_pass()
    await process.let_time_pass()
    (expired,) = await told(bench, "expired")
    assert expired["place"] == left
    assert [row["look_on"] for row in await recommendations(bench, "R1_TEAM")] == [None] * 3
    # After its quiet time the rule speaks again where the condition holds.
    process.today = TODAY + timedelta(days=rule.quiet_days + 1)
    again = await process.evaluate("R1_TEAM")
    assert again.made == 1


async def test_a_switched_off_rule_and_a_closed_school_take_back_what_was_said(bench: Bench, process: Process) -> None:
    story = a_country()
    at = await tell(bench, story)
    await process.evaluate("R1_TEAM", "R4_PROGRAMMES")
    story.place(story.institutions[0], [(story.districts[0], date(2024, 9, 1))], date(2026, 11, 1))
    await tell(bench, story, at)
    assert (await process.evaluate("R1_TEAM")).expired == 1
    assert {each["place"] for each in await told(bench, "expired")} == {story.institutions[0]}
    async with process.database.unit_of_work(MINISTRY) as uow:
        await put(uow, "R1_TEAM", PutSetting(enabled=False))
    assert (await process.evaluate("R1_TEAM")).expired == 2
    assert (await process.evaluate("R1_TEAM")).made == 0


async def test_recommendations_follow_a_school_to_its_new_district_at_once(bench: Bench, process: Process) -> None:
    story = a_country(1)
    (school,) = story.institutions
    old, new = story.districts[0], story.districts[3]
    at = await tell(bench, story)
    await process.evaluate("R1_TEAM")
    story.place(school, [(old, date(2024, 9, 1)), (new, date(2026, 11, 1))])
    await tell(bench, story, at)
    # Of a move the districts' numbers are told to change, of the school nothing.
    advisor = Advisor(
        process.database,
        bench.database.url,
        process.directory,
        process.evaluator,
        Trials(process.database, process.directory, K),
        Progress(),
    )
    await advisor.changed()
    seen = {code: len(await recommendations(bench, "R1_TEAM", f"path:/17/{code[:4]}/{code}/")) for code in (old, new)}
    assert seen == {old: 0, new: 1}


async def test_a_trial_says_what_history_would_have_said_and_writes_nothing(bench: Bench, process: Process) -> None:
    story = a_country()
    here, there, _ = story.institutions
    oriented(story, here, until=date(2026, 6, 30))
    oriented(story, there, until=date(2027, 6, 30))
    story.an_institution(story.districts[3], date(2024, 9, 1))  # beyond the region that asks
    await tell(bench, story)
    trials = Trials(process.database, process.directory, K)
    steps: list[tuple[int, int]] = []

    async def progress(done: int, of: int) -> None:
        steps.append((done, of))

    region = story.districts[0][:4]
    found = await trials.carry_out(AskTrial(rule="R1_TEAM", months=8), f"/17/{region}/", progress)
    told_at = found["levels"]["institution"]
    assert steps == [(number, 8) for number in range(1, 9)]
    assert found["months"] == [f"2026-{month:02d}" for month in range(3, 11)]
    assert told_at["places"] == 3
    assert told_at["by_month"]["2026-03"] == {"fired": 1, "resolved": 0, "standing": 1}
    assert told_at["by_month"]["2026-07"] == {"fired": 1, "resolved": 0, "standing": 2}
    lapsed = next(each for each in told_at["examples"] if each["place"] == here)
    assert (lapsed["since"], lapsed["until"], lapsed["evidence"]["state"]) == ("2026-07", None, "lapsed")
    assert await recommendations(bench, "R1_TEAM") == []
    assert await told(bench, "made") == []


async def test_every_rule_can_be_tried_at_every_level(bench: Bench, process: Process) -> None:
    await tell(bench, a_story(Random(11), 900, institutions=10))
    trials = Trials(process.database, process.directory, K)

    async def progress(_: int, __: int) -> None:
        pass

    fired = {}
    for rule in rules().values():
        found = await trials.carry_out(AskTrial(rule=rule.code, months=2), "/17/", progress)
        fired[rule.code] = sum(each["fired"] for each in found["levels"].values())
        assert set(found["levels"]) == {level.value for level in rule.levels}
    assert sum(1 for count in fired.values() if count) > 15
