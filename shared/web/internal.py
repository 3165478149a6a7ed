"""What services and operators ask of a service behind the public door: feed, heads, inbox, dead letters."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from shared.errors import Forbidden, InvalidInput, NotFound
from shared.ids import SHARDS
from shared.messaging.dead_letters import count_open, list_dead_letters, settle
from shared.messaging.feed import PAGE, FeedHeads, page_of
from shared.messaging.inbox import Inbox, read_positions
from shared.messaging.stream import read_events, read_heads
from shared.persistence.engine import is_transient
from shared.persistence.unit_of_work import is_uuid
from shared.scope import SYSTEM, Role
from shared.web.edge import Edge, RequestEdge, json_response

OPERATORS = frozenset({Role.OPERATOR, Role.SERVICE})


def internal_router(service: str, inbox: Inbox | None) -> APIRouter:
    """The routes under /internal: events only for services, the machinery for operators too."""
    router = APIRouter(prefix="/internal", tags=["internal"], include_in_schema=False)

    @router.get("/heads")
    async def heads(edge: Edge) -> Response:
        """The last position of every shard."""
        _only(edge, OPERATORS)
        async with edge.database.reading(SYSTEM) as session:
            body = FeedHeads(service, await read_heads(session))
        return Response(msgspec.json.encode(body), media_type="application/json")

    @router.get("/events")
    async def events(
        edge: Edge,
        shard: Annotated[int, Query(ge=0, lt=SHARDS)],
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = PAGE,
    ) -> Response:
        """Events of one shard behind `after`, in order."""
        _only(edge, frozenset({Role.SERVICE}))
        async with edge.database.reading(SYSTEM) as session:
            found = await read_events(session, service, shard, after, limit)
        return Response(page_of(service, found), media_type="application/json")

    @router.get("/inbox")
    async def inbox_positions(edge: Edge) -> Response:
        """The applied positions per source, and how many dead letters are open."""
        _only(edge, OPERATORS)
        async with edge.database.reading(SYSTEM) as session:
            sources = inbox.sources if inbox else []
            applied: dict[str, Any] = {source: await read_positions(session, source) for source in sources}
            letters = await count_open(session)
        return json_response({"service": service, "applied": applied, "dead_letters": letters})

    @router.get("/dead-letters")
    async def dead_letters(edge: Edge, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """Open dead letters, oldest first."""
        _only(edge, OPERATORS)
        async with edge.database.reading(SYSTEM) as session:
            return json_response({"items": await list_dead_letters(session, limit)})

    @router.post("/dead-letters/{id_}/replay")
    async def replay(edge: Edge, id_: str) -> Response:
        """Bring a dead letter into effect, now that its cause is mended."""
        _only(edge, OPERATORS)
        if inbox is None or not is_uuid(id_):
            raise NotFound(what="dead-letter", id=id_)
        try:
            replayed = await inbox.replay(id_)
        except Exception as problem:
            if is_transient(problem):
                raise
            raise InvalidInput(reason=repr(problem)[:500]) from problem
        if not replayed:
            raise NotFound(what="dead-letter", id=id_)
        return json_response({"id": id_, "outcome": "replayed"})

    @router.post("/dead-letters/{id_}/discard")
    async def discard(edge: Edge, id_: str) -> Response:
        """Close a dead letter that will never take effect."""
        _only(edge, OPERATORS)
        async with edge.database.unit_of_work(SYSTEM) as uow:
            if not is_uuid(id_) or not await settle(uow.session, id_, "discarded", uow.now):
                raise NotFound(what="dead-letter", id=id_)
        return json_response({"id": id_, "outcome": "discarded"})

    return router


def _only(edge: RequestEdge, roles: frozenset[Role]) -> None:
    if edge.principal.role not in roles:
        raise Forbidden(role=edge.principal.role.value)
