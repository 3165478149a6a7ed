"""What the rooms' routes stand on: places, periods and indicators as a request names them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from services.monitoring import queries
from services.monitoring.changes import Changes
from services.monitoring.directory import Directory, name_of
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import BadPeriod, Period, month_of, parse, period_at
from services.monitoring.domain.territory import Place
from shared.clock import Clock, local_day
from shared.errors import FieldError, InvalidInput, NotFound
from shared.i18n import Catalogue
from shared.web.edge import RequestEdge, UseCase

MOST_NAMED = 20


class UnknownPlace(NotFound):
    """There is no such place, or none that the caller sees; the refusal names some that are there."""

    code = "unknown-place"


Code = Annotated[str, Query(max_length=64)]
OptionalCode = Annotated[str | None, Query(max_length=64)]


@dataclass(frozen=True)
class Ground:
    """What the composition root hands to the routes; `clock` says which period is the present one, `k` what is few."""

    directory: Directory
    changes: Changes
    catalogue: Catalogue
    clock: Clock
    k: int

    @property
    def this_month(self) -> int:
        """The present month in Tashkent."""
        return month_of(local_day(self.clock()))

    def place(self, edge: RequestEdge, code: str | None, month: int | None = None) -> Place:
        """The place of that code, or the top of what the caller sees; raises NotFound outside the caller's scope.

        An institution that was within it at the end of `month` is seen as well: its values of then are of that scope.
        """
        if code is None:
            return self.directory.root(edge.principal)
        try:
            return self.directory.seen(code, edge.principal, month)
        except NotFound as problem:
            raise self._unknown(edge, code) from problem

    def sight(self, edge: RequestEdge) -> queries.Sight:
        """What the caller sees of places in periods."""
        return queries.Sight(self.directory, edge.principal, self.this_month)

    def _unknown(self, edge: RequestEdge, code: str) -> NotFound:
        """No such place, with those there are for the caller: the one at the top and some right below it."""
        try:
            root = self.directory.root(edge.principal)
        except NotFound as problem:
            return problem
        below = self.directory.below(root, self.this_month, edge.principal)[:MOST_NAMED]
        known = ", ".join(f"{place.code} ({name_of(place, edge.lang)})" for place in (root, *below))
        return UnknownPlace(what="place", id=code[:100], known=known)

    def period(self, indicator: Indicator, text: str | None) -> Period:
        """The period of that text, or the present one of the indicator's first kind; raises InvalidInput."""
        if text is None:
            kind = indicator.period_kinds[0]
            return period_at(kind, self.this_month)
        found = period_of("period", text)
        if found.kind not in indicator.period_kinds:
            raise InvalidInput(wrong_kind("period", indicator, text))
        return found


async def _ground(request: Request) -> Ground:
    ground: Ground = request.app.state.ground
    return ground


Grounded = Annotated[Ground, Depends(_ground)]


def indicator_of(code: str) -> Indicator:
    """The indicator of that code; raises InvalidInput, which says which exist."""
    found = INDICATORS.get(code)
    if found is None:
        known = ", ".join(INDICATORS)
        raise InvalidInput(FieldError("indicator", "unknown_indicator", {"value": code, "known": known}))
    return found


def period_of(field: str, text: str) -> Period:
    """The period of that text; raises InvalidInput, which says which forms exist."""
    try:
        return parse(text)
    except BadPeriod:
        raise InvalidInput(FieldError(field, "period", {"value": text})) from None


def wrong_kind(field: str, indicator: Indicator, value: str) -> FieldError:
    """The indicator has no values for periods of that kind."""
    known = ", ".join(indicator.period_kinds)
    return FieldError(field, "period_kind", {"value": value, "indicator": indicator.code, "known": known})


async def step(edge: RequestEdge, action: str, use_case: UseCase) -> Response:
    """A step in the life of what is read before it is changed: If-Match says what was read."""
    return await edge.command(action, use_case, versioned=True)
