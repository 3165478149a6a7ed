"""Rules are looked at and recommendations follow: made, kept up to date, resolved – one open one a rule and place.

However often and by however many processes it is done, the same data gives the same recommendations: what is open is
fenced by a unique index, what is changed is locked, in one order everywhere.
"""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from services.monitoring.advice.declarations import WHOLE_LEVEL, Rule
from services.monitoring.advice.judging import Judgement, Verdict, judge
from services.monitoring.advice.lifecycle import LEVELS, make, quiet_until, step
from services.monitoring.advice.reading import CHUNK, Looked, look
from services.monitoring.advice.settings import Setting
from services.monitoring.advice.tables import RecommendationRow
from services.monitoring.comparison.peers import groups
from services.monitoring.domain.periods import month_of
from services.monitoring.domain.territory import Place
from shared.contracts.events import EventType, Recorded
from shared.contracts.monitoring import (
    RECOMMENDATION_MADE,
    Evidence,
    OfficeLevel,
    RecommendationState,
)
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.precedence import Halt, no_halt
from shared.scope import SYSTEM

BATCH: Final = 200
"""Recommendations written in one transaction."""
PATIENT_DAYS: Final = 2
"""On how many days in a row a trend, or a position among peers, must be well again before it counts as resolved."""

_OPEN: Final = """
    select id, place, status, cleared, latest_on from recommendation
    where rule = $1 and open and place = any($2::text[]) order by id for update
"""
_QUIET: Final = """
    select distinct place from recommendation
    where rule = $1 and not open and quiet_until >= $2 and place = any($3::text[])
"""
_MAKE: Final = """
    insert into recommendation (id, version, org_path, state, details, rule, place, level, severity, element, status,
        open, look_on, latest, latest_on, measured)
    select id, 1, org_path, state::jsonb, '{}', rule, place, level, severity, element, 'open', true, look_on,
        latest::jsonb, latest_on, measured::jsonb
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::smallint[], $8::text[],
        $9::date[], $10::text[], $11::date[], $12::text[])
        as new(id, org_path, state, rule, place, level, severity, element, look_on, latest, latest_on, measured)
    order by rule, place
    on conflict (rule, place) where open do nothing returning id
"""
_KEEP: Final = """
    update recommendation set latest = new.latest::jsonb, latest_on = $4, cleared = new.cleared
    from unnest($1::text[], $2::text[], $3::smallint[]) as new(id, latest, cleared)
    where recommendation.id = new.id and open
      and (recommendation.latest <> new.latest::jsonb or latest_on < $4 or recommendation.cleared <> new.cleared)
"""
_LOCK: Final = "select id, state::text from recommendation where id = any($1::text[]) and open order by id for update"
_CLOSE: Final = """
    update recommendation set version = new.version, state = new.state::jsonb, status = new.status, open = false,
        quiet_until = new.quiet_until, look_on = null, latest = new.latest::jsonb, latest_on = $7,
        measured = recommendation.measured || new.measured::jsonb
    from unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::date[], $6::text[], $8::text[])
        as new(id, version, state, status, quiet_until, latest, measured)
    where recommendation.id = new.id
"""
_MOVE: Final = """
    update recommendation set org_path = place.path from place
    where place.code = recommendation.place and recommendation.org_path <> place.path
      and ($1::text[] is null or recommendation.place = any($1::text[]))
"""
_LEFT: Final = "select id, place from recommendation where rule = $1 and level = $2 and open"


@dataclass(slots=True)
class Outcome:
    """What an evaluation did."""

    made: int = 0
    resolved: int = 0
    expired: int = 0
    looked: int = 0

    def add(self, other: "Outcome") -> None:
        """Sum up."""
        self.made += other.made
        self.resolved += other.resolved
        self.expired += other.expired
        self.looked += other.looked


def measurement(what: str, on: date, evidence: Evidence) -> dict[str, Any]:
    """A measuring of the indicator as it is kept beside the recommendation."""
    kept = evidence.model_dump(mode="json", include={"period", "value", "numerator", "denominator", "state", "count"})
    return {"what": what, "on": on.isoformat(), **kept}


async def judged(
    connection: Any,
    setting: Setting,
    level: OfficeLevel,
    places: Sequence[Place],
    on: date,
    k: int,
    halt: Halt = no_halt,
) -> list[tuple[Place, Judgement]]:
    """The judgements of a rule about places of one level; of trends and peers give it the whole level.

    `halt` is awaited often: others of this loop take events meanwhile.
    """
    condition = setting.condition(level)
    looked: list[Looked] = []
    found: list[tuple[Place, Judgement]] = []
    whole = condition.kind in WHOLE_LEVEL
    sizes: dict[int, tuple[str, int]] = {}
    for begin in range(0, len(places), CHUNK):
        chunk = places[begin : begin + CHUNK]
        seen = await look(connection, condition, chunk, on, k)
        if condition.kind == "peers":
            sizes |= await groups(connection, chunk, month_of(on), k)
        if whole:
            looked += seen
        else:
            found += zip(chunk, judge(condition, seen), strict=True)
        await halt()
    if whole:
        if condition.kind == "peers":
            looked = [replace(seen, group=sizes[seen.place.id]) for seen in looked]
        # Thousands of tests: beside the loop, which has events to take meanwhile.
        found = list(zip(places, await asyncio.to_thread(judge, condition, looked), strict=True))
    return await _where_needed(connection, setting.rule, found, on, k, halt) if setting.rule.needs else found


async def _where_needed(
    connection: Any, rule: Rule, found: list[tuple[Place, Judgement]], on: date, k: int, halt: Halt
) -> list[tuple[Place, Judgement]]:
    """All is well where what the rule needs to have anything to say is not there."""
    needs = rule.needs
    assert needs is not None
    kept = []
    for begin in range(0, len(found), CHUNK):
        chunk = found[begin : begin + CHUNK]
        for (place, each), seen in zip(
            chunk, await look(connection, needs, [place for place, _ in chunk], on, k), strict=True
        ):
            there = (seen.now.parts.get(needs.part) or 0) >= needs.at_least
            kept.append(
                (place, each if there or each.verdict is not Verdict.FIRES else replace(each, verdict=Verdict.CLEAR))
            )
        await halt()
    return kept


@dataclass
class Evaluator:
    """Looks at rules; `k` is the limit of privacy."""

    database: Database
    k: int

    async def level(self, setting: Setting, level: OfficeLevel, places: Sequence[Place], on: date) -> Outcome:
        """One rule at all places of a level – or at some, where it is not about the whole; committed in batches."""
        if not setting.looks_at(level):
            return await self._withdraw(setting.rule, level, on)
        if not setting.rule.in_season(on):
            return Outcome()
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            active = [place for place in places if place.active]
            found = await judged(connection, setting, level, active, on, self.k, self.database.precedence.give_way)
        outcome = Outcome()
        for begin in range(0, len(found), BATCH):
            async with self.database.unit_of_work() as uow:
                outcome.add(await apply(uow, setting.rule, found[begin : begin + BATCH], on))
            await self.database.precedence.give_way()
        closed = {place.code for place in places if not place.active}
        if closed:
            outcome.add(await self._expire(setting.rule, level, on, closed))
        return outcome

    async def moved(self, places: Collection[str] | None) -> None:
        """Recommendations follow their places through the territory; None: all."""
        async with self.database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            await connection.execute(_MOVE, None if places is None else sorted(places))

    async def _withdraw(self, rule: Rule, level: OfficeLevel, on: date) -> Outcome:
        """A rule that is switched off takes back what it said."""
        return await self._expire(rule, level, on, None)

    async def _expire(self, rule: Rule, level: OfficeLevel, on: date, places: Collection[str] | None) -> Outcome:
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            number = next(place for place, office in LEVELS.items() if office is level)
            rows = await connection.fetch(_LEFT, rule.code, int(number))
        ids = [row["id"] for row in rows if places is None or row["place"] in places]
        outcome = Outcome()
        for begin in range(0, len(ids), BATCH):
            async with self.database.unit_of_work() as uow:
                told = await close(uow, dict.fromkeys(ids[begin : begin + BATCH]), "expire", on, rule)
                outcome.expired += len(told)
        return outcome


async def apply(uow: UnitOfWork, rule: Rule, found: Sequence[tuple[Place, Judgement]], on: date) -> Outcome:
    """Recommendations follow the judgements of one rule, inside the unit of work."""
    connection = await raw_connection(uow.session)
    codes = [place.code for place, _ in found]
    opened = {row["place"]: row for row in await connection.fetch(_OPEN, rule.code, codes)}
    firing = [(place, each) for place, each in found if each.verdict is Verdict.FIRES and place.code not in opened]
    outcome = Outcome(looked=len(found))
    if firing:
        quiet = {
            row["place"] for row in await connection.fetch(_QUIET, rule.code, on, [place.code for place, _ in firing])
        }
        outcome.made = await _make(uow, rule, [each for each in firing if each[0].code not in quiet], on)
    resolving: dict[str, Evidence | None] = {}
    keeping: list[tuple[str, str, int]] = []
    for place, each in found:
        row = opened.get(place.code)
        if row is None or each.verdict is Verdict.UNKNOWN:
            continue
        cleared = 0
        if each.verdict is Verdict.CLEAR:
            cleared = row["cleared"] + (row["latest_on"] is None or row["latest_on"] < on or not row["cleared"])
            if cleared >= (PATIENT_DAYS if rule.condition.kind in WHOLE_LEVEL else 1):
                resolving[row["id"]] = each.evidence
                continue
        keeping.append((row["id"], each.evidence.model_dump_json(), cleared))
    if keeping:
        keeping.sort()
        await connection.execute(_KEEP, *map(list, zip(*keeping, strict=True)), on)
    if resolving:
        outcome.resolved = len(await close(uow, resolving, "resolve", on, rule))
    return outcome


async def _make(uow: UnitOfWork, rule: Rule, firing: Sequence[tuple[Place, Judgement]], on: date) -> int:
    if not firing:
        return 0
    states = {id_: (place, make(id_, rule, place, each.evidence, on)) for place, each in firing if (id_ := new_id())}
    rows = []
    for id_, (place, state) in states.items():
        columns = RecommendationRow.columns(state)
        latest = state.evidence.model_dump_json()
        rows.append(
            (
                id_,
                place.path,
                state.model_dump_json(),
                state.rule,
                state.place,
                columns["level"],
                columns["severity"],
                state.element,
                state.due_on,
                latest,
                on,
                json.dumps([measurement("made", on, state.evidence)]),
            )
        )
    connection = await raw_connection(uow.session)
    made = await connection.fetch(_MAKE, *map(list, zip(*rows, strict=True)))
    for row in made:
        _, state = states[row["id"]]
        uow.recorded.append(Recorded(RECOMMENDATION_MADE, state.institution_id or state.place, state))
    return len(made)


async def close(
    uow: UnitOfWork, ids: Mapping[str, Evidence | None], what: str, on: date, rule: Rule | None
) -> list[EventType]:
    """Those of these that are still worked on are resolved or expire, with their evidence of now where there is any."""
    connection = await raw_connection(uow.session)
    rows = []
    told: list[EventType] = []
    for id_, text in await connection.fetch(_LOCK, sorted(ids)):
        before = RecommendationState.model_validate_json(text)
        event_type, state = step(before, what, on, ids[id_])
        rows.append(
            (
                id_,
                state.version,
                state.model_dump_json(),
                state.status.value,
                quiet_until(state, rule, on),
                state.evidence.model_dump_json(),
                json.dumps([measurement(state.status.value, on, state.evidence)] if ids[id_] else []),
            )
        )
        uow.recorded.append(Recorded(event_type, state.institution_id or state.place, state))
        told.append(event_type)
    if rows:
        columns = list(map(list, zip(*rows, strict=True)))
        await connection.execute(_CLOSE, *columns[:6], on, columns[6])
    return told


async def measure(connection: Any, setting: Setting, place: Place, on: date, k: int) -> Evidence | None:
    """What the rule sees at one place now; None of trends and peers, which one place says nothing about."""
    level = LEVELS[place.level]
    if setting.rule.condition.kind in WHOLE_LEVEL or level not in setting.rule.levels:
        return None
    return (await judged(connection, setting, level, [place], on, k))[0][1].evidence
