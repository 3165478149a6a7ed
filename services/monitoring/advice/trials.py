"""A rule tried on history: what it would have said at the end of each past month, and what became of that."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from services.monitoring.advice.declarations import TRIED_BY_ALL, WHOLE_LEVEL, Rule
from services.monitoring.advice.evaluation import judged
from services.monitoring.advice.judging import Verdict
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS
from services.monitoring.advice.settings import LevelSetting, Setting, changed, rule_of
from services.monitoring.directory import Directory
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import PeriodKind, month_of, period_at
from services.monitoring.domain.territory import Place
from shared.clock import local_day
from shared.contracts.monitoring import OfficeLevel
from shared.errors import FieldError, InvalidInput
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import SYSTEM, Role, Scope

log = structlog.get_logger(__name__)

EXAMPLES: Final = 20
TAKEN_AGAIN: Final = timedelta(minutes=2)
"""A trial of which nothing was heard for so long is taken up by another process."""
KEPT: Final = timedelta(days=90)

_CLAIM: Final = """
    update advice_trial set status = 'running', taken_at = $1 where id = (
        select id from advice_trial where status = 'waiting' or (status = 'running' and taken_at < $2)
        order by asked_at limit 1 for update skip locked
    ) returning id, org_path, place, asked::text
"""
_PROGRESS: Final = "update advice_trial set done = $2, steps = $3, taken_at = $4 where id = $1"
_END: Final = "update advice_trial set status = $2, done = steps, result = $3::text::jsonb, ended_at = $4 where id = $1"
_ASK: Final = """
    insert into advice_trial (id, org_path, place, asked, status, steps, asked_by, asked_at)
    values ($1, $2, $3, $4::text::jsonb, 'waiting', $5, $6, $7)
"""
_READ: Final = """
    select id, org_path, place, asked::text, status, done, steps, result::text, asked_by, asked_at, ended_at
    from advice_trial
"""
_TIDY: Final = "delete from advice_trial where asked_at < $1"


class AskTrial(BaseModel):
    """A rule to be tried, in force or not, with other thresholds where wished, over the last whole months."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "rule": "I4_OVERDUE",
                    "place": "1708",
                    "months": 12,
                    "levels": {"institution": {"parameters": {"count": 3}}},
                }
            ]
        },
    )

    rule: Annotated[str, Field(max_length=40)]
    place: Annotated[str | None, Field(max_length=64)] = None
    months: Annotated[int, Field(ge=1, le=36, description="how many whole months back")] = 12
    levels: dict[OfficeLevel, LevelSetting] = {}


async def ask(uow: UnitOfWork, command: AskTrial, place: Place) -> dict[str, Any]:
    """Put a trial in the queue; it is carried out beside everything else. Raises NotFound and InvalidInput."""
    rule = rule_of(command.rule)
    changed(rule, command.levels)
    if uow.principal.role is not Role.MINISTRY:
        _require_open(rule, command.levels)
    connection = await raw_connection(uow.session)
    id_ = new_id()
    asked = command.model_dump(mode="json") | {"place": place.code}
    role = uow.principal.role.value
    steps = command.months * len(rule.levels)
    await connection.execute(_ASK, id_, place.path, place.code, json.dumps(asked), steps, role, uow.now)
    return {"id": id_, "status": "waiting", "done": 0, "steps": steps, "asked": asked}


def _require_open(rule: Rule, levels: Mapping[OfficeLevel, LevelSetting]) -> None:
    """Raise InvalidInput where others than those who see the whole country would try what is not theirs to choose."""
    allowed = TRIED_BY_ALL[rule.condition.kind]
    for level, setting in levels.items():
        declared = rule.condition_at(level, {})
        for name in sorted(setting.parameters.keys() - allowed):
            if setting.parameters[name] == getattr(declared, name):
                continue
            raise InvalidInput(FieldError(f"levels.{level}.parameters.{name}", "rule_trial", {"value": name}))


async def trial(connection: Any, scope: Scope, id_: str) -> dict[str, Any] | None:
    """A trial as its asker may see it; None where there is none within the scope."""
    row = await connection.fetchrow(f"{_READ} where id = $1", id_)
    return _shown(row) if row and scope.sees(row["org_path"]) else None


async def trials(connection: Any, scope: Scope, rule: str | None, limit: int) -> list[dict[str, Any]]:
    """The last trials within the scope (a path), the newest first, without their results."""
    rows = await connection.fetch(
        f"{_READ} where starts_with(org_path, $3) and ($1::text is null or asked->>'rule' = $1) "
        "order by asked_at desc limit $2",
        rule,
        limit,
        scope.value,
    )
    return [{name: value for name, value in _shown(row).items() if name != "result"} for row in rows]


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "place": row["place"],
        "asked": json.loads(row["asked"]),
        "status": row["status"],
        "done": row["done"],
        "steps": row["steps"],
        "result": json.loads(row["result"]) if row["result"] else None,
        "asked_by": row["asked_by"],
        "asked_at": row["asked_at"].isoformat(),
        "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None,
    }


@dataclass(slots=True)
class _Spell:
    """One firing at a place, and when it was all well again."""

    place: Place
    since: str
    evidence: dict[str, Any]
    until: str | None = None
    months: int = 0


@dataclass(slots=True)
class _Run:
    """What a rule says month after month at one level."""

    spells: list[_Spell] = field(default_factory=list)
    open: dict[int, _Spell] = field(default_factory=dict)
    by_month: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, month: str, found: Sequence[tuple[Place, Any]], within: Callable[[Place], bool]) -> None:
        """One month's judgements, of which those `within` count."""
        fired = resolved = 0
        for place, judgement in found:
            if not within(place):
                continue
            spell = self.open.get(place.id)
            if spell is not None:
                spell.months += 1
            if judgement.verdict is Verdict.FIRES and spell is None:
                fired += 1
                told = judgement.evidence.model_dump(mode="json", exclude_none=True)
                self.open[place.id] = spell = _Spell(place, month, told)
                self.spells.append(spell)
            elif judgement.verdict is Verdict.CLEAR and spell is not None:
                resolved += 1
                spell.until = month
                del self.open[place.id]
        self.by_month[month] = {"fired": fired, "resolved": resolved, "standing": len(self.open)}


class Trials:
    """Carries trials out, one at a time; `beat` is called while it works."""

    def __init__(self, database: Database, directory: Directory, k: int) -> None:
        self._database = database
        self._directory = directory
        self._k = k

    async def work(self, beat: Callable[[], None]) -> bool:
        """Carry out the next trial that waits; False where none does."""
        async with self._database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            await connection.execute(_TIDY, uow.now - KEPT)
            row = await connection.fetchrow(_CLAIM, uow.now, uow.now - TAKEN_AGAIN)
        if row is None:
            return False
        id_ = row["id"]
        asked = AskTrial.model_validate_json(row["asked"])

        async def progress(done: int, steps: int) -> None:
            beat()
            async with self._database.unit_of_work() as uow:
                await (await raw_connection(uow.session)).execute(_PROGRESS, id_, done, steps, uow.now)

        try:
            result, status = await self.carry_out(asked, row["org_path"], progress), "done"
        except Exception as problem:
            log.exception("advice.trial_failed", trial=id_)
            result, status = {"problem": type(problem).__name__}, "failed"
        async with self._database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            await connection.execute(_END, id_, status, json.dumps(result), uow.now)
        return True

    async def carry_out(
        self, asked: AskTrial, path: str, progress: Callable[[int, int], Awaitable[None]]
    ) -> dict[str, Any]:
        """What the rule would have said within `path`, month by month and level by level."""
        setting = Setting(rule_of(asked.rule), 0, True, asked.levels)
        halt = self._database.precedence.give_way
        days = _ends(local_day(self._database.clock()), asked.months)
        levels = [level for level in setting.rule.levels if setting.looks_at(level)]
        steps, done = len(days) * len(levels), 0
        told: dict[str, Any] = {}
        for level in levels:
            run, places = _Run(), list[Place]()
            for day in days:
                async with self._database.reading(SYSTEM) as session:
                    connection = await raw_connection(session)
                    await self._directory.look(connection)
                    places = self._places(setting.rule, level, path)
                    month = period_at(PeriodKind.MONTH, month_of(day)).text
                    if setting.rule.in_season(day):
                        found = await judged(connection, setting, level, places, day, self._k, halt)
                        run.take(month, found, lambda place: place.path.startswith(path))
                    else:
                        run.by_month[month] = {"fired": 0, "resolved": 0, "standing": len(run.open)}
                done += 1
                await progress(done, steps)
            told[level.value] = _summary(run, len([place for place in places if place.path.startswith(path)]))
        return {"months": [period_at(PeriodKind.MONTH, month_of(day)).text for day in days], "levels": told}

    def _places(self, rule: Rule, level: OfficeLevel, path: str) -> list[Place]:
        """Those that are looked at: of what is about the whole level all of it, else those within the path."""
        whole = rule.condition.kind in WHOLE_LEVEL
        found = self._directory.at_level(LEVEL_NUMBERS[level])
        return [place for place in found if place.active and (whole or place.path.startswith(path))]


def _ends(today: date, months: int) -> list[date]:
    """The last days of the last whole months."""
    this = month_of(today)
    return [first_day(month + 1) - timedelta(days=1) for month in range(this - months, this)]


def _summary(run: _Run, places: int) -> dict[str, Any]:
    """How many fired, where, and what became of them: `resolved` is the share that was all well again later, `flicker`
    of those the ones that were so after one month already – likely noise."""
    spells = run.spells
    resolved = [spell for spell in spells if spell.until is not None]
    lasted = sorted(spell.months for spell in resolved)
    return {
        "places": places,
        "fired": len(spells),
        "at_places": len({spell.place.id for spell in spells}),
        "resolved": len(resolved),
        "standing": len(run.open),
        "flicker": sum(spell.months <= 1 for spell in resolved),
        "precision": round(len(resolved) / len(spells), 3) if spells else None,
        "median_months": lasted[len(lasted) // 2] if lasted else None,
        "by_month": run.by_month,
        "examples": [
            {
                "place": spell.place.code,
                "since": spell.since,
                "until": spell.until,
                "evidence": spell.evidence,
            }
            for spell in sorted(spells, key=lambda each: (-each.months, each.since, each.place.code))[:EXAMPLES]
        ],
    }
