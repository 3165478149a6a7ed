"""Imports of the enterprise register: a batch of rows at once, with the events of all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Text, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from services.partners.commands.enterprises import keep_words
from services.partners.domain import enterprises as domain
from services.partners.tables.registers import EnterpriseRow, TerritoryRow
from shared.contracts.events import EventType, Recorded
from shared.contracts.partners import EnterpriseState, EnterpriseStatus
from shared.contracts.vocabulary import TerritoryLevel
from shared.errors import field_error
from shared.ids import new_ids
from shared.importing.jobs import Done, Fault, Line, Target
from shared.persistence.arrays import array_of, as_arrays
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Scope, path_of

_COLUMNS = ("ids", "versions", "paths", "states", "stirs", "names", "statuses", "terms")
_GIVEN = (
    f"unnest({', '.join(array_of(name, 'integer' if name == 'versions' else 'text') for name in _COLUMNS)}) "
    "as given(id, version, org_path, state, stir, name, status, terms)"
)
_INSERT = text(
    "insert into enterprise (id, version, org_path, state, stir, name, status, terms) "  # noqa: S608 - constants
    "select id, version, org_path, cast(state as jsonb), stir, name, status, string_to_array(terms, ' ') "
    f"from {_GIVEN}"
)
_UPDATE = text(
    "update enterprise set version = given.version, org_path = given.org_path, state = cast(given.state as jsonb), "  # noqa: S608 - constants
    f"name = given.name, status = given.status, terms = string_to_array(given.terms, ' ') from {_GIVEN} "
    "where enterprise.id = given.id"
)
Outcome = tuple[EventType, EnterpriseState]


@dataclass
class Plan:
    """What a batch does: new entries, changed ones, and what is wrong."""

    new: list[Outcome] = field(default_factory=list)
    changed: list[Outcome] = field(default_factory=list)
    done: Done = field(default_factory=Done)


class EnterpriseImport:
    """New STIRs are registered; known ones updated by what differs, where the caller may. Empty cells say nothing."""

    columns: tuple[str, ...] = ("stir", "name", "size", "isic_section", "district", "union_affiliation")
    required: tuple[str, ...] = ("stir", "name", "size", "isic_section", "district")
    key: str = "stir"

    async def apply(self, uow: UnitOfWork, lines: Sequence[Line], *, commit: bool) -> Done:
        """One batch. An entry that somebody else registers meanwhile makes it fail as a whole: it is tried again."""
        commands, faults = await asyncio.to_thread(_read, lines)
        districts = await uow.session.execute(
            select(col(TerritoryRow.id)).where(col(TerritoryRow.state)["level"].astext == TerritoryLevel.DISTRICT)
        )
        # One parameter: a thousand of them would be written into the statement anew for every batch.
        stirs = literal([command.stir for _, command in commands], ARRAY(Text))
        query = select(EnterpriseRow.__table__.c.state).where(  # type: ignore[attr-defined]  # SQLModel has it
            col(EnterpriseRow.stir) == func.any(stirs)
        )
        if commit:
            query = query.order_by(col(EnterpriseRow.id)).with_for_update()
        known = {state["stir"]: state for state in (await uow.session.execute(query)).scalars()}
        plan = await asyncio.to_thread(_plan, commands, known, set(districts.scalars()), uow.principal.scope)
        plan.done.faults += faults
        if commit:
            await self._carry_out(uow, plan)
        return plan.done

    async def _carry_out(self, uow: UnitOfWork, plan: Plan) -> None:
        words: set[str] = set()
        for statement, outcomes in ((_INSERT, plan.new), (_UPDATE, plan.changed)):
            if outcomes:
                values, met = await asyncio.to_thread(_values, [state for _, state in outcomes])
                words |= met
                await uow.session.execute(statement, as_arrays(values))
                uow.recorded += [
                    Recorded(event_type, state.id, state, json)
                    for (event_type, state), json in zip(outcomes, values["states"], strict=True)
                ]
        await keep_words(uow, words)


TARGETS: dict[str, Target] = {"enterprises": EnterpriseImport()}
"""The registers of partners that imports fill."""


def _read(lines: Sequence[Line]) -> tuple[list[tuple[Line, domain.RegisterEnterprise]], list[Fault]]:
    commands: list[tuple[Line, domain.RegisterEnterprise]] = []
    faults: list[Fault] = []
    for line in lines:
        cells = dict(line.cells)
        if "size" in cells:
            cells["size"] = cells["size"].lower()
        if "isic_section" in cells:
            cells["isic_section"] = cells["isic_section"].upper()
        try:
            command = domain.RegisterEnterprise.model_validate(cells)
        except ValidationError as problem:
            faults += [
                Fault(line.number, error.field, line.cells.get(error.field, ""), error.rule, error.params)
                for error in map(field_error, problem.errors())
            ]
            continue
        if line.first != line.number:
            faults.append(Fault(line.number, "stir", command.stir, "duplicate_row", {"first": line.first}))
            continue
        commands.append((line, command))
    return commands, faults


def _plan(
    commands: Sequence[tuple[Line, domain.RegisterEnterprise]],
    known: dict[str, dict[str, Any]],
    districts: set[str],
    scope: Scope,
) -> Plan:
    plan = Plan()
    ids = iter(new_ids(len(commands)))
    for line, command in commands:
        if command.district not in districts:
            plan.done.faults.append(Fault(line.number, "district", command.district, "unknown_territory"))
            continue
        existing = known.get(command.stir)
        if existing is None:
            plan.new.append(domain.register(next(ids), command))
            continue
        said = command.model_dump(mode="json", exclude_none=True)
        changes = {name: value for name, value in said.items() if existing[name] != value}
        if not changes:
            plan.done.unchanged += 1
        elif existing["status"] != EnterpriseStatus.ACTIVE:
            params: dict[str, str | int | float] = {"state": existing["status"]}
            plan.done.faults.append(Fault(line.number, "stir", command.stir, "enterprise_ended", params))
        elif not scope.sees(path_of(existing["district"]), [existing["id"]]):
            plan.done.faults.append(Fault(line.number, "district", existing["district"], "beyond_territory"))
        else:
            state = EnterpriseState.model_validate(existing)
            plan.changed.append(domain.update(state, domain.UpdateEnterprise.model_validate(changes)))
    plan.done.new, plan.done.changed = len(plan.new), len(plan.changed)
    return plan


def _values(states: Sequence[EnterpriseState]) -> tuple[dict[str, list[Any]], set[str]]:
    columns = [EnterpriseRow.columns(state) for state in states]
    values: dict[str, list[Any]] = {
        "ids": [state.id for state in states],
        "versions": [state.version for state in states],
        "paths": [path_of(state.district) for state in states],
        "states": [state.model_dump_json() for state in states],
        "stirs": [each["stir"] for each in columns],
        "names": [each["name"] for each in columns],
        "statuses": [each["status"] for each in columns],
        "terms": [" ".join(each["terms"]) for each in columns],
    }
    return values, {term for each in columns for term in each["terms"] if ":" not in term}
