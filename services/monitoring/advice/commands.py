"""Use cases of recommendations: taking one on, doing it, dismissing it, looking again – and what passing time does."""

from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlmodel import col

from services.monitoring.advice import lifecycle
from services.monitoring.advice.declarations import WHOLE_LEVEL, rules
from services.monitoring.advice.evaluation import Outcome, apply, close, judged, measure, measurement
from services.monitoring.advice.lifecycle import LEVELS, WORKED_ON, Accept, Complete, Dismiss, Notes
from services.monitoring.advice.settings import in_force
from services.monitoring.advice.tables import RecommendationRow
from services.monitoring.directory import Directory
from services.monitoring.domain.territory import Place
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.monitoring import (
    RECOMMENDATION_EXPIRED,
    Evidence,
    RecommendationState,
)
from shared.persistence.engine import raw_connection
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork


class Advice:
    """The use cases with what they stand on; `k` is the limit of privacy."""

    def __init__(self, directory: Directory, k: int) -> None:
        self._directory = directory
        self._k = k

    async def accept(self, uow: UnitOfWork, id_: str, command: Accept) -> RecommendationState:
        """Take it on."""
        state = await self._mine(uow, id_, "accept")
        evidence = await self._evidence(uow, state)
        outcome = lifecycle.accept(state, command, local_day(uow.now), evidence, uow.principal.role)
        return await self._record(uow, outcome, command.note)

    async def complete(self, uow: UnitOfWork, id_: str, command: Complete) -> RecommendationState:
        """It is done."""
        state = await self._mine(uow, id_, "complete")
        evidence = await self._evidence(uow, state)
        outcome = lifecycle.step(state, "complete", local_day(uow.now), evidence, role=uow.principal.role)
        return await self._record(uow, outcome, command.note)

    async def dismiss(self, uow: UnitOfWork, id_: str, command: Dismiss) -> RecommendationState:
        """It is not followed."""
        state = await self._mine(uow, id_, "dismiss")
        evidence = await self._evidence(uow, state)
        outcome = lifecycle.step(
            state, "dismiss", local_day(uow.now), evidence, role=uow.principal.role, reason=command.reason
        )
        return await self._record(uow, outcome, command.note)

    async def look_again(self, uow: UnitOfWork, place: Place) -> Outcome:
        """Every rule that can be told at one place alone is looked at there now; where nobody works, all expires."""
        connection = await raw_connection(uow.session)
        on, level, outcome = local_day(uow.now), LEVELS[place.level], Outcome()
        if not place.active:
            ids = [row["id"] for row in await connection.fetch(_OPEN, place.code)]
            outcome.expired = len(await close(uow, dict.fromkeys(ids), "expire", on, None))
            return outcome
        for setting in (await in_force(connection)).values():
            kind = setting.rule.condition.kind
            if kind in WHOLE_LEVEL or not setting.looks_at(level) or not setting.rule.in_season(on):
                continue
            found = await judged(connection, setting, level, [place], on, self._k)
            outcome.add(await apply(uow, setting.rule, found, on))
        return outcome

    async def _mine(self, uow: UnitOfWork, id_: str, what: str) -> RecommendationState:
        state = await uow.load(RecommendationRow, RecommendationState, id_, what="recommendation")
        if (state.status, what) in lifecycle.LIFECYCLE:
            lifecycle.require_may(uow.principal, state, what)
        return state

    async def _evidence(self, uow: UnitOfWork, state: RecommendationState) -> Evidence:
        """What the rule sees now, or last saw."""
        connection = await raw_connection(uow.session)
        await self._directory.look(connection)
        found = await self._measured(connection, state, local_day(uow.now))
        if found is not None:
            return found
        row = await uow.session.get(RecommendationRow, state.id)
        return Evidence.model_validate(row.latest) if row is not None and row.latest else state.evidence

    async def _measured(self, connection: Any, state: RecommendationState, on: date) -> Evidence | None:
        setting = (await in_force(connection)).get(state.rule)
        place = self._directory.by_code(state.place)
        if setting is None or place is None:
            return None
        return await measure(connection, setting, place, on, self._k)

    async def _record(
        self, uow: UnitOfWork, outcome: tuple[EventType, RecommendationState], note: str
    ) -> RecommendationState:
        event_type, state = outcome
        row = await uow.session.get(RecommendationRow, state.id)
        assert row is not None
        on, rule = local_day(uow.now), rules().get(state.rule)
        row.quiet_until = lifecycle.quiet_until(state, rule, on)
        row.latest, row.latest_on = state.evidence.model_dump(mode="json"), on
        row.measured = [*row.measured, measurement(state.status.value, on, state.evidence)]
        row.look_on = next_look(state, row.measured)
        notes = {**row.details.get("notes", {}), **({state.status.value: note} if note else {})}
        return await uow.record(
            RecommendationRow,
            event_type,
            state,
            key=state.institution_id or state.place,
            org_path=row.org_path,
            details=Notes(notes=notes),
        )

    def passage(self) -> Passage:
        """What passing time does: measures at the due day and some time after it was done, and lets expire."""
        return Passage(RecommendationRow, _due, self._bring)

    async def _bring(self, uow: UnitOfWork, id_: str) -> list[EventType]:
        row = await uow.session.get(RecommendationRow, id_)
        assert row is not None
        state = RecommendationState.model_validate(row.state)
        on, rule = local_day(uow.now), rules().get(state.rule)
        connection = await raw_connection(uow.session)
        await self._directory.look(connection)
        what = _what_to_measure(state, row.measured, on)
        if what:
            found = await self._measured(connection, state, on) or Evidence.model_validate(row.latest)
            row.measured = [*row.measured, measurement(what, on, found)]
        row.look_on = next_look(state, row.measured)
        await uow.session.flush()
        if state.status in WORKED_ON and on >= lifecycle.expires_on(state, rule):
            await close(uow, {id_: None}, "expire", on, rule)
            return [RECOMMENDATION_EXPIRED]
        return []


_OPEN: Final = "select id from recommendation where place = $1 and open order by id"
_DUE: Final = "due"
_FOLLOW_UP: Final = "follow_up"


def next_look(state: RecommendationState, measured: list[dict[str, Any]]) -> date | None:
    """The day on which time next has something to do to it: its due day, its follow-up, its expiry."""
    rule = rules().get(state.rule)
    done, taken = lifecycle.done_on(state), {each["what"] for each in measured}
    days = []
    if state.status in WORKED_ON:
        days.append(lifecycle.expires_on(state, rule))
    if (state.status in WORKED_ON or done) and _DUE not in taken:
        days.append(state.due_on)
    if done is not None and _FOLLOW_UP not in taken:
        days.append(done + timedelta(days=rule.follow_days if rule else 60))
    return min(days) if days else None


def _what_to_measure(state: RecommendationState, measured: list[dict[str, Any]], on: date) -> str:
    rule = rules().get(state.rule)
    done, taken = lifecycle.done_on(state), {each["what"] for each in measured}
    if _DUE not in taken and state.due_on <= on and (state.status in WORKED_ON or done):
        return _DUE
    if done and _FOLLOW_UP not in taken and done + timedelta(days=rule.follow_days if rule else 60) <= on:
        return _FOLLOW_UP
    return ""


def _due(now: Any) -> ColumnElement[bool]:
    return col(RecommendationRow.look_on) <= local_day(now)
