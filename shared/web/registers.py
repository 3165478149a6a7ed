"""Registers: every kind of aggregate is listed, read and created the same way, declared in one place.

    VISITS = Register(
        name="visits", what="visit", row=VisitRow, state=VisitState, read="visit.read", filters=VisitFilter,
        create=Creation("visit.plan", visit_domain.PlanVisit, visits.plan_visit),
    )
    add_register(router, VISITS)

gives GET /visits (filters, keyset pages), GET /visits/{id_} with its ETag, POST /visits, and what shared.web.exchange
adds to every register: export, bulk, import. An entry's other commands are routes of their own beside it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, SelectBase, any_, func, select
from sqlmodel import col

from shared.contracts.events import State
from shared.contracts.fields import NAMED_PATTERN, PLAIN_PATTERN
from shared.persistence.aggregates import AggregateRow
from shared.persistence.pages import one_state, page_of_states
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Scope
from shared.web.edge import Edge, page_response, state_dict_response

Reference = Annotated[str | None, Field(max_length=64, pattern=NAMED_PATTERN)]
"""A query parameter that names something by its id or code."""
Search = Annotated[str | None, Field(max_length=100, pattern=PLAIN_PATTERN)]
"""A query parameter that is looked for in names."""


class Filter(BaseModel):
    """Query parameters of a register's list; subclasses add what it can be narrowed by.

    A field means equality with the column of the same name, unless the register's `conditions` say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: str | None = Field(default=None, max_length=500, description="cursor of the page before")
    limit: int = Field(default=50, ge=1, le=500, description="items a page")


PAGING = frozenset(Filter.model_fields)
Condition = Callable[[Any], ColumnElement[bool]]
Paths = Callable[[str], SelectBase]
"""The paths at which an institution's rows lie, by its id."""


@dataclass(frozen=True, slots=True)
class Creation:
    """How an entry comes into being: the action that must be permitted, the command, the use case."""

    action: str
    command: type[BaseModel]
    use_case: Callable[[UnitOfWork, Any], Awaitable[State]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One kind of aggregate as people and portals meet it.

    `name` is its address and its tag, `what` one of its entries, `read` the action that permits reading; `order` are
    the text columns that its pages are sorted by, the last one unique; `shown` the model of an entry where rows have
    details beside their state.

    `own_paths` is for rows that an institution sees where they are its own, and nowhere else. What it sees follows from
    the row's path, but row-level security lets no index serve a pattern, which might tell of rows unseen; equality it
    does. Without it an institution's list reads the nation's.
    """

    name: str
    what: str
    row: type[AggregateRow]
    state: type[State]
    read: str
    filters: type[Filter] = Filter
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    order: tuple[str, ...] = ("id",)
    create: Creation | None = None
    shown: type[BaseModel] | None = None
    own_paths: Paths | None = None

    def query(self, scope: Scope, asked: BaseModel) -> "Select[Any]":
        """The rows within `scope` that the filters leave."""
        query = select(self.row).where(self.row.visible(scope))
        if self.own_paths is not None and scope.kind == "institution":
            paths = self.own_paths(scope.value).scalar_subquery()
            query = query.where(col(self.row.org_path) == any_(func.array(paths)))
        for name in self.filters.model_fields.keys() - PAGING:
            value = getattr(asked, name)
            if value is not None:
                condition = self.conditions.get(name)
                query = query.where(condition(value) if condition else col(getattr(self.row, name)) == value)
        return query


def add_register(router: APIRouter, register: Register) -> None:
    """Add the routes of a register; a list answers {"items": [...], "next": cursor or null}."""

    async def list_entries(edge: Edge, asked: Any) -> Response:
        async with edge.reading(register.read) as session:
            by = [col(getattr(register.row, name)) for name in register.order]
            query = register.query(edge.principal.scope, asked)
            page = await page_of_states(
                session,
                query,
                by=by,
                names=register.order,
                after=asked.after,
                limit=asked.limit,
                scope=edge.principal.scope,
            )
            return page_response(*page)

    async def get_entry(edge: Edge, id_: str) -> Response:
        async with edge.reading(register.read) as session:
            state = await one_state(session, register.row, id_, edge.principal.scope)
            return state_dict_response(state, register.what, id_)

    from shared.web.exchange import add_exchange  # it is made of registers itself

    add_exchange(router, register)
    shown = register.shown or register.state
    stem = register.name.replace("-", "_")
    list_entries.__annotations__["asked"] = Annotated[register.filters, Query()]
    router.add_api_route(
        f"/{register.name}",
        list_entries,
        name=f"list_{stem}",
        summary=f"List {register.name}",
        description=f"The {register.name} of the caller's scope, a page at a time.",
        response_model=_page_of(shown),
        tags=[register.name],
    )
    router.add_api_route(
        f"/{register.name}/{{id_}}",
        get_entry,
        name=f"get_{register.what}",
        summary=f"Get one {register.what}",
        description="One entry; its version is the ETag.",
        response_model=shown,
        tags=[register.name],
    )
    if register.create is not None:
        router.add_api_route(
            f"/{register.name}",
            _creating(register.create),
            methods=["POST"],
            status_code=201,
            name=f"create_{register.what}",
            summary=f"Create one {register.what}",
            description=(register.create.use_case.__doc__ or "").strip(),
            response_model=shown,
            tags=[register.name],
        )


def _creating(create: Creation) -> Callable[..., Awaitable[Response]]:
    async def create_entry(edge: Edge, body: Any) -> Response:
        return await edge.command(create.action, lambda uow: create.use_case(uow, body), status=201)

    create_entry.__annotations__["body"] = create.command
    return create_entry


def _page_of(state: type[BaseModel]) -> type[BaseModel]:
    from pydantic import create_model

    return create_model(
        f"PageOf{state.__name__}",
        items=(list[state], ...),  # type: ignore[valid-type]  # the model is made for this register
        next=(str | None, Field(description="cursor of the next page; null at the end")),
    )
