"""Who works on a page: session, words, services, and what the services describe for the registers declared."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.requests import Request

from services.portal.language import language_of
from services.portal.proxy import Upstreams
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded, SignIn
from services.portal.territory import NATION
from services.portal.work.api import Descriptions, Names, Services
from services.portal.work.declaration import Declaration, Declared, is_party
from services.portal.work.schema import Description
from services.portal.work.shown import Shower
from services.portal.work.words import Words
from shared import clock
from shared.errors import NotFound, Unavailable
from shared.i18n import Catalogue
from shared.scope import Role


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works, and with what."""

    session: Session
    words: Words
    services: Services
    shower: Shower
    described: dict[str, Description]
    away: tuple[str, ...]
    declared: Declaration
    today: date

    @property
    def role(self) -> Role:
        """The reader's role."""
        return self.session.role

    @property
    def org(self) -> str:
        """The institution, enterprise or territory the reader works for."""
        return self.session.org

    @property
    def office(self) -> str:
        """The territory of which the reader sees the whole; the nation where there is none."""
        return self.org if self.role in (Role.REGION, Role.DISTRICT) else NATION

    def signs_for(self, entry: Mapping[str, Any], party: Mapping[str, Any]) -> bool:
        """Whether a party of an entry is the reader, or the institution whose entry it is and whose work they do."""
        own = str(entry.get("institution_id") or self.org) if self.role is Role.INSTITUTION else self.org
        return is_party(party, self.role, own)

    def registers(self) -> list[Declared]:
        """The registers this reader may open, as far as their services have them."""
        return [
            each
            for each in self.declared.registers
            if self.role in each.readers and (self.described[each.name].listed or self.described[each.name].read)
        ]

    def register(self, name: str) -> tuple[Declared, Description]:
        """A register and its description.

        Raises NotFound for one that is not for this reader, Unavailable where its service can't be asked.
        """
        declared = self.declared.register_of(name)
        if declared is None or self.role not in declared.readers:
            raise NotFound
        description = self.described[name]
        if not (description.listed or description.read):
            if declared.service in self.away:
                raise Unavailable(service=declared.service)
            raise NotFound
        return declared, description


class Workers:
    """Makes the worker of a request."""

    def __init__(self, upstreams: Upstreams, sign_in: SignIn, catalogue: Catalogue, declared: Declaration) -> None:
        self._upstreams = upstreams
        self._sign_in = sign_in
        self._catalogue = catalogue
        self._declared = declared
        self._names = Names()
        self._descriptions = Descriptions(upstreams, declared)

    async def of(self, request: Request) -> Worker:
        """Who makes this request; raises SessionEnded."""
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        return await self._make(request, session, await self._sign_in.access_token(request))

    async def stranger(self, request: Request) -> Worker:
        """Somebody whose session has ended, to show again what they typed: asks no service on their behalf."""
        session = request.state.session or Session("", "", Role.OPERATOR, "", "", "")
        return await self._make(request, session, "")

    async def _make(self, request: Request, session: Session, token: str) -> Worker:
        words = Words(self._catalogue, language_of(request.scope))
        services = Services(self._upstreams, self._names, token, f"{session.role}:{session.org}", words.lang)
        described, away = await self._describe()
        readable = frozenset(
            each.name for each in self._declared.registers if session.role in each.readers and described[each.name].read
        )
        named = {each.name: each.named_by[session.role] for each in self._declared.registers
                 if session.role in each.named_by and each.name not in readable}  # fmt: skip
        shower = Shower(self._declared, words, services, self._descriptions.of, readable, named)
        today = clock.local_day(clock.now())
        return Worker(session, words, services, shower, described, away, self._declared, today)

    async def _describe(self) -> tuple[dict[str, Description], tuple[str, ...]]:
        answers = await asyncio.gather(
            *(self._descriptions.of(each) for each in self._declared.registers), return_exceptions=True
        )
        described: dict[str, Description] = {}
        away: set[str] = set()
        for register, answer in zip(self._declared.registers, answers, strict=True):
            if isinstance(answer, Unavailable):
                away.add(register.service)
            elif isinstance(answer, BaseException):
                raise answer
            described[register.name] = answer if isinstance(answer, Description) else Description()
        return described, tuple(sorted(away))
