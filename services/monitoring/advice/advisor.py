"""Looks at the rules every day by the Tashkent calendar, and soon after something they look at has changed."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import asyncpg
import structlog

from services.monitoring.advice.declarations import WHOLE_LEVEL, Rule
from services.monitoring.advice.evaluation import Evaluator, Outcome
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, LEVELS
from services.monitoring.advice.settings import RULES_CHANNEL, Setting, in_force
from services.monitoring.advice.trials import Trials
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.measures import COLUMNS
from services.monitoring.notices import CHANNEL, Notice, decode
from shared.clock import local_day
from shared.contracts.monitoring import OfficeLevel
from shared.persistence.engine import dsn_of, raw_connection
from shared.persistence.unit_of_work import Database
from shared.retry import Backoff
from shared.scope import SYSTEM
from shared.telemetry.metrics import ADVICE
from shared.telemetry.progress import Progress
from shared.waiting import close

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
DEBOUNCE_S: Final = 5.0
"""So long after the first change its places are looked at, with all that changed meanwhile."""
WHOLE_S: Final = 600.0
"""No more often than so are whole levels looked at because of changes."""
MOST_PLACES: Final = 2_000
"""More changed places than this are left to the next look at whole levels."""
LOCK: Final = 0x616476696365
IDLE_S: Final = 300.0
TURN_S: Final = 120

_BEGIN: Final = """
    insert into advice_run (day, began_at, steps) values ($1, $2, $3) on conflict (day) do update set steps = $3
    returning done, ended_at
"""
_STEP: Final = """
    update advice_run set done = array_append(done, $2), made = made + $3, resolved = resolved + $4 where day = $1
"""
_FINISH: Final = "update advice_run set ended_at = $2 where day = $1"
_RUN: Final = "select day, began_at, ended_at, cardinality(done) as done, steps, made, resolved from advice_run"


def slots_of(rule: Rule) -> frozenset[int]:
    """The cell rows that a rule looks at."""
    indicators = {rule.indicator} | ({"STAGE"} if rule.condition.kind == "gate" else set())
    indicators |= {"I2", "I5"} if rule.condition.kind == "peers" else set()
    return frozenset(measure // COLUMNS for code in indicators for measure in INDICATORS[code].measures)


@dataclass(slots=True)
class Pending:
    """What has changed since it was last looked at."""

    places: set[int] = field(default_factory=set)
    slots: set[int] = field(default_factory=set)
    since: float = 0.0
    wide: set[int] = field(default_factory=set)

    def notice(self, notice: Notice) -> None:
        """What a committed batch moved."""
        if not self.places:
            self.since = time.monotonic()
        for move in notice.moves:
            self.places.update(move.places)
            self.slots.update(move.slots)
            self.wide.update(move.slots)
        if notice.more or len(self.places) > MOST_PLACES:
            self.places.clear()
            self.slots.clear()


@dataclass
class Advisor:
    """One process's part; any number may stand beside it: one has the turn, as long as its connection lasts.

    What two did at once would still be right (evaluation.py): the turn saves the work.
    """

    database: Database
    database_url: str
    directory: Directory
    evaluator: Evaluator
    trials: Trials
    progress: Progress
    debounce_s: float = DEBOUNCE_S
    whole_s: float = WHOLE_S
    _pending: Pending = field(default_factory=Pending)
    _whole_at: float = field(default_factory=time.monotonic)
    _day_done: date | None = None
    _rules: set[str] = field(default_factory=set)
    _followed: int = -1
    """The territory's revision that recommendations have followed."""

    async def run(self) -> None:
        """Work until cancelled; a lost connection is made anew."""
        backoff = Backoff(first_s=0.2, most_s=10.0)
        while True:
            self._beat()
            try:
                await self._work(backoff)
            except Exception as problem:
                log.warning("advice.failed", error=repr(problem)[:300])
            await backoff.wait()

    async def try_history(self) -> None:
        """Carry out trials until cancelled."""
        while True:
            self.progress.beat("trials", TURN_S)
            try:
                busy = await self.trials.work(lambda: self.progress.beat("trials", TURN_S))
            except Exception as problem:
                log.warning("advice.trials_failed", error=repr(problem)[:300])
                busy = False
            if not busy:
                await asyncio.sleep(LOOK_S)

    async def _work(self, backoff: Backoff) -> None:
        connection: Any = await asyncpg.connect(dsn_of(self.database_url), timeout=5)
        try:
            await connection.add_listener(CHANNEL, lambda *message: self._pending.notice(decode(message[3])))
            await connection.add_listener(RULES_CHANNEL, lambda *message: self._rules.add(str(message[3])))
            leads = False
            while True:
                self._beat()
                await asyncio.sleep(LOOK_S)
                leads = leads or await connection.fetchval("select pg_try_advisory_lock($1)", LOCK)
                if leads:
                    await self.look()
                elif time.monotonic() - self._pending.since > IDLE_S:
                    self._pending, self._rules = Pending(), set()  # whoever has the turn has heard it too
                if connection.is_closed():
                    raise ConnectionError("the connection that listens is gone")
                backoff.reset()
        finally:
            await close(connection.close(), 2)

    async def look(self) -> Outcome:
        """Do what is due: the day's whole evaluation, or what has changed."""
        outcome = Outcome()
        if self._day_done != self._today():
            outcome.add(await self.daily())
        if self._rules:
            outcome.add(await self._settled())
        now = time.monotonic()
        if self._pending.places and now - self._pending.since >= self.debounce_s:
            outcome.add(await self.changed())
        if self._pending.wide and now - self._whole_at >= self.whole_s:
            outcome.add(await self._whole())
        return outcome

    async def daily(self) -> Outcome:
        """Every rule at every level it looks at, once a day; goes on where a process that died left off."""
        on, settings = self._today(), await self._settings()
        steps = [(setting, level) for setting in settings.values() for level in setting.rule.levels]
        async with self.database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            row = await connection.fetchrow(_BEGIN, on, uow.now, len(steps))
        outcome = Outcome()
        if row["ended_at"] is None:
            if not self.directory.at_level(LEVEL_NUMBERS[OfficeLevel.INSTITUTION]):
                return outcome  # nobody is there yet: the day is looked at when somebody is
            await self._follow()
            for setting, level in steps:
                name = f"{setting.rule.code}/{level}"
                if name not in row["done"]:
                    outcome.add(await self._step(on, setting, level, name))
            async with self.database.unit_of_work() as uow:
                await (await raw_connection(uow.session)).execute(_FINISH, on, uow.now)
            log.info("advice.day", made=outcome.made, resolved=outcome.resolved, looked=outcome.looked)
            self._whole_at = time.monotonic()
            self._pending.wide.clear()
        self._day_done = on
        return outcome

    async def _step(self, on: date, setting: Setting, level: OfficeLevel, name: str) -> Outcome:
        self._beat()
        places = self.directory.at_level(LEVEL_NUMBERS[level])
        done = await self.evaluator.level(setting, level, places, on)
        self._count(done)
        async with self.database.unit_of_work() as uow:
            await (await raw_connection(uow.session)).execute(_STEP, on, name, done.made, done.resolved)
        return done

    async def changed(self) -> Outcome:
        """What can be told place by place, at the places that changed, by the rules that look at what changed."""
        ids, slots = self._pending.places, self._pending.slots
        self._pending.places, self._pending.slots = set(), set()
        settings, on, outcome = await self._settings(), self._today(), Outcome()
        places = [place for id_ in sorted(ids) if (place := self.directory.by_id(id_))]
        await self._follow()
        for setting in settings.values():
            if setting.rule.condition.kind in WHOLE_LEVEL or slots.isdisjoint(slots_of(setting.rule)):
                continue
            for level in setting.rule.levels:
                mine = [place for place in places if LEVELS[place.level] is level]
                if mine and setting.looks_at(level):
                    self._beat()
                    done = await self.evaluator.level(setting, level, mine, on)
                    self._count(done)
                    outcome.add(done)
        return outcome

    async def _whole(self) -> Outcome:
        """Whole levels, by the rules that look at what changed."""
        slots, self._pending.wide = self._pending.wide, set()
        settings = await self._settings()
        await self._follow()
        outcome = await self._at_all_levels(
            [setting for setting in settings.values() if not slots.isdisjoint(slots_of(setting.rule))]
        )
        self._whole_at = time.monotonic()
        return outcome

    async def _follow(self) -> None:
        """Recommendations lie where their places do. A move changes nothing at the institution itself."""
        revision = self.directory.image.revision
        if revision != self._followed:
            await self.evaluator.moved(None)
            self._followed = revision

    async def _settled(self) -> Outcome:
        """Rules whose settings the ministry has just changed."""
        codes, self._rules = self._rules, set()
        settings = await self._settings()
        return await self._at_all_levels([settings[code] for code in sorted(codes) if code in settings])

    async def _at_all_levels(self, settings: Iterable[Setting]) -> Outcome:
        on, outcome = self._today(), Outcome()
        for setting in settings:
            for level in setting.rule.levels:
                self._beat()
                done = await self.evaluator.level(setting, level, self.directory.at_level(LEVEL_NUMBERS[level]), on)
                self._count(done)
                outcome.add(done)
        return outcome

    async def _settings(self) -> dict[str, Setting]:
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            return await in_force(connection)

    def _today(self) -> date:
        return local_day(self.database.clock())

    def _beat(self) -> None:
        self.progress.beat("advice", TURN_S)

    @staticmethod
    def _count(outcome: Outcome) -> None:
        for what in ("made", "resolved", "expired"):
            ADVICE.labels(what).inc(getattr(outcome, what))


async def runs(connection: Any, limit: int) -> Iterable[Any]:
    """The last days' evaluations, the newest first."""
    found: Iterable[Any] = await connection.fetch(f"{_RUN} order by day desc limit $1", limit)
    return found
