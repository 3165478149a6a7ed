"""What the routes share: what they need beside the database, and parameters of lists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from services.surveys.exports.making import Exports
from services.surveys.form.pages import Pages
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries import intake
from services.surveys.queries.crossings import Crossings
from services.surveys.vault import Vault
from shared.scope import SYSTEM
from shared.web.edge import RequestEdge

Limit = Annotated[int, Query(ge=1, le=500, description="items a page")]
After = Annotated[str | None, Query(max_length=500, description="cursor of the page before")]
Reference = Annotated[str | None, Query(max_length=64)]


@dataclass(frozen=True)
class Surveys:
    """What the routes need beside the database; stands in the state of the application."""

    library: InstrumentLibrary
    vault: Vault
    pages: Pages
    public_url: str
    privacy_k: int
    wake_flusher: Callable[[], None]
    exports: Exports
    crossings: Crossings
    interview_days: int = 0


async def _parts(request: Request) -> Surveys:
    found: Surveys = request.app.state.surveys
    return found


Parts = Annotated[Surveys, Depends(_parts)]


async def looked_at(edge: RequestEdge, campaign_id: str) -> None:
    """Leave no page that tells which secrets of a campaign were used first (`intake.look_at_all`)."""
    async with edge.database.reading(SYSTEM) as session:
        await intake.look_at_all(session, campaign_id)
