"""Rows of aggregates: the whole state as the events carry it, beside the columns that queries need."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB
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

    @classmethod
    def of(cls, state: State, org_path: str) -> Self:
        """A new row for `state`."""
        return cls(
            id=state.id,
            version=state.version,
            org_path=org_path,
            state=state.model_dump(mode="json"),
            **cls.columns(state),
        )

    def take(self, state: State, org_path: str) -> None:
        """Bring the row to `state`."""
        self.version = state.version
        self.org_path = org_path
        self.state = state.model_dump(mode="json")
        for name, value in self.columns(state).items():
            setattr(self, name, value)

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
