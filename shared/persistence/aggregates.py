"""Rows of aggregates: the whole state as the events carry it, beside the columns that queries need.

Commands read and write them by statements that are compiled once and go straight to the driver: every command passes
here, and the mapper's part of its processor time was two fifths.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import JSONB, asyncpg
from sqlmodel import Field, SQLModel, col

from shared.contracts.events import State
from shared.scope import Scope


class AggregateRow(SQLModel):
    """Base of a service's aggregate tables.

    `STATE` is the contract model; `columns(state)` gives the extra columns, which are always derived from the state,
    so that the two cannot disagree.
    """

    STATE: ClassVar[type[State]]

    id: str = Field(primary_key=True)
    version: int
    org_path: str
    state: dict[str, Any] = Field(sa_type=JSONB)

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:  # noqa: ARG003 - for those that have extra columns
        """The extra columns of `state`."""
        return {}

    def shown(self) -> dict[str, Any]:
        """What is there to be shown of the row."""
        return self.state

    def shown_to(self, scope: Scope) -> dict[str, Any]:  # noqa: ARG002 - for those that show not all to everybody
        """What is shown of the row to a scope that sees it."""
        return self.shown()

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall: the SQL condition of the rows that `scope` sees."""
        return scope.condition(col(cls.org_path))


class DetailedRow(AggregateRow):
    """An aggregate with details that no event tells: agendas, notes, names of persons – free text of any kind.

    `DETAILS` is their model; they lie beside the state, are shown with it, and go nowhere else.
    """

    DETAILS: ClassVar[type[BaseModel]]

    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)

    def shown(self) -> dict[str, Any]:
        """The state with the details."""
        return {**self.details, **self.state}


@dataclass(frozen=True, slots=True)
class LockedRead:
    """The statement that reads and locks a row within a scope: version, state, path and details."""

    sql: str
    parameters: tuple[Any, ...]

    def arguments(self, id_: str) -> list[Any]:
        """The statement's arguments for the row of that id."""
        return [id_ if each is _ID else each for each in self.parameters]


_ID: Final = "wanted_id"


@lru_cache(maxsize=4096)
def locked_read(row_type: type[AggregateRow], scope: Scope) -> LockedRead:
    """How to read and lock a row of `row_type` within `scope`."""
    columns = [col(row_type.version), cast(col(row_type.state), Text), col(row_type.org_path)]
    if issubclass(row_type, DetailedRow):
        columns.append(cast(col(row_type.details), Text))
    query = (
        select(*columns).where(col(row_type.id) == bindparam(_ID), row_type.visible(scope)).with_for_update(of=row_type)
    )
    compiled = query.compile(dialect=asyncpg.dialect())  # type: ignore[no-untyped-call]
    names = compiled.positiontup or []
    return LockedRead(str(compiled), tuple(_ID if name == _ID else compiled.params[name] for name in names))


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that stores a row, and the order of its arguments."""

    sql: str
    values: tuple[tuple[str, Callable[[Any], Any] | None], ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The statement's arguments."""
        return [prepare(values[name]) if prepare else values[name] for name, prepare in self.values]


@cache
def insert_of(row_type: type[AggregateRow], names: tuple[str, ...]) -> Write:
    """How to insert a row with these columns."""
    places, values = _places(row_type, names)
    return Write(
        f"insert into {_table(row_type)} ({', '.join(_quoted(name) for name in names)}) "  # noqa: S608 - own names
        f"values ({', '.join(places)})",
        values,
    )


@cache
def update_of(row_type: type[AggregateRow], names: tuple[str, ...]) -> Write:
    """How to bring a row to new values of these columns, `id` among them."""
    places, values = _places(row_type, names)
    set_ = ", ".join(f"{_quoted(name)} = {place}" for name, place in zip(names, places, strict=True) if name != "id")
    return Write(f"update {_table(row_type)} set {set_} where id = {places[names.index('id')]}", values)  # noqa: S608


def _places(
    row_type: type[AggregateRow], names: tuple[str, ...]
) -> tuple[list[str], tuple[tuple[str, Callable[[Any], Any] | None], ...]]:
    columns = row_type.__table__.columns  # type: ignore[attr-defined]
    json_ = [isinstance(columns[name].type, JSONB) for name in names]
    places = [f"${number}::text::jsonb" if is_json else f"${number}" for number, is_json in enumerate(json_, 1)]
    # The state comes as the text that its event carries.
    values = zip(names, json_, strict=True)
    return places, tuple((name, _as_json if is_json and name != "state" else None) for name, is_json in values)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(row_type: type[AggregateRow]) -> str:
    return _quoted(str(row_type.__tablename__))


def _quoted(name: str) -> str:
    return f'"{name}"'


def defaults_of(row_type: type[AggregateRow]) -> dict[str, Any]:
    """The columns that rows of `row_type` begin with where neither state nor details name them."""
    return {name: field_.get_default(call_default_factory=True) for name, field_ in _optional(row_type).items()}


@cache
def _optional(row_type: type[AggregateRow]) -> Mapping[str, FieldInfo]:
    columns = row_type.__table__.columns  # type: ignore[attr-defined]
    return {
        name: field_ for name, field_ in row_type.model_fields.items() if name in columns and not field_.is_required()
    }
