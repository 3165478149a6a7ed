"""What tests of surveys do again and again: plan a campaign, hold a code, fill in the form as a browser would."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
from sqlalchemy import text

from services.surveys.commands.institutions import take_over
from services.surveys.domain.campaigns import Campaign
from shared.clock import local_day
from shared.contracts.partners import InstitutionState, InstitutionStatus, Membership
from shared.contracts.vocabulary import InstitutionKind
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Role
from tests.support.services import Client, Running

K = 5
MINE = "019a0000-0000-7000-8000-000000000001"
OTHER = "019a0000-0000-7000-8000-000000000002"
DISTRICT, OTHER_DISTRICT = "1708201", "1703202"


def today() -> date:
    """The local day."""
    return local_day(datetime.now(UTC))


def an_institution(id_: str = MINE, district: str = DISTRICT, version: int = 1, **changes: Any) -> InstitutionState:
    """An institution as partners tell of it."""
    return InstitutionState(
        id=id_,
        version=version,
        code=f"P-{id_[-1]}",
        kind=InstitutionKind.TECHNIKUM,
        name=f"Texnikum {id_[-1]}",
        status=changes.get("status", InstitutionStatus.ACTIVE),
        path=f"/17/{district[:4]}/{district}/{changes.get('below', '')}{id_}/",
        membership=(Membership(district=district, since=date(2020, 9, 1)),),
    )


@dataclass
class Page:
    """A form page as a browser without script understands it."""

    response: httpx.Response
    fields: dict[str, list[str]] = field(default_factory=dict)
    offered: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    text: str = ""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    @classmethod
    def of(cls, response: httpx.Response) -> "Page":
        """Read a page."""
        page = cls(response)
        parser = _Parser(page)
        parser.feed(response.text)
        return page

    def answer(self, **answers: str | list[str]) -> "Page":
        """Tick and type; `__` in a name stands for a dot."""
        for name, given in answers.items():
            self.fields[name.replace("__", ".")] = given if isinstance(given, list) else [given]
        return self

    def answer_all(self, rating: str = "4") -> "Page":
        """Answer every question: scales with `rating`, choices with the first option, texts with something."""
        for name, kind in self.kinds.items():
            values = self.offered.get(name, [])
            if kind == "radio":
                self.fields[name] = [rating if rating in values else values[0]]
            elif kind == "checkbox":
                self.fields[name] = [values[0]]
            elif kind == "text":
                self.fields[name] = ["7231" if name == "profession" else "1"]
            else:
                self.fields[name] = ["Yaxshi"]
        return self


class _Parser(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._page.tags.append((tag, given))
        name = given.get("name")
        if name is None:
            return
        if tag == "textarea":
            self._area = name
            self._page.kinds[name] = "textarea"
        if tag == "input":
            kind = given.get("type") or "text"
            self._page.kinds[name] = kind
            value = given.get("value") or ""
            if kind in ("radio", "checkbox"):
                self._page.offered.setdefault(name, []).append(value)
                if "checked" in given:
                    self._page.fields.setdefault(name, []).append(value)
            elif value:
                self._page.fields[name] = [value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        self._page.text += data
        if self._area is not None and data.strip():
            self._page.fields[self._area] = [data.strip("\n")]


@dataclass
class Office:
    """A running surveys service and the people around it; the addresses of its database, where a test needs them."""

    running: Running
    url: str = ""
    owner_url: str = ""

    @property
    def database(self) -> Database:
        """The service's database as it uses it."""
        found: Database = self.running.app.state.database
        return found

    @property
    def coordinator(self) -> Client:
        """The coordinator of MINE."""
        return self.running.as_(Role.INSTITUTION, MINE)

    async def hear_of_institutions(self) -> None:
        """As if partners had told of two institutions."""
        institutions = (an_institution(), an_institution(OTHER, OTHER_DISTRICT))
        await self.take_over(*institutions)

    async def take_over(self, *institutions: InstitutionState) -> None:
        """As if partners had told."""
        async with self.database.unit_of_work() as uow:
            await take_over(uow, {each.id: each for each in institutions})

    async def campaign(
        self, instrument: str = "S3", *, opened: bool = True, starts_in: int = 0, **more: Any
    ) -> Campaign:
        """A campaign at MINE."""
        body = {
            "instrument": instrument,
            "institution": MINE,
            "period": {
                "from": (today() + timedelta(days=starts_in)).isoformat(),
                "to": (today() + timedelta(days=starts_in + 30)).isoformat(),
            },
            **more,
        }
        answer = await self.coordinator.post("/v1/campaigns", body)
        assert answer.status_code == 201, answer.text
        if opened:
            answer = await self.coordinator.post(f"/v1/campaigns/{answer.json()['id']}/open")
            assert answer.status_code == 200, answer.text
        return Campaign.model_validate(answer.json())

    async def codes(self, campaign: Campaign, count: int) -> list[str]:
        """Codes of a campaign, as printed."""
        answer = await self.coordinator.post(f"/v1/campaigns/{campaign.id}/codes", {"count": count})
        assert answer.status_code == 201, answer.text
        return [item["code"] for item in answer.json()["items"]]

    async def rows(self, query: str, **params: Any) -> list[Any]:
        """What a query finds with the service's own eyes."""
        async with self.database.reading(SYSTEM) as session:
            return list((await session.execute(text(query), params)).all())

    async def count(self, table: str) -> int:
        """Rows of a table."""
        (row,) = await self.rows(f"select count(*) from {table}")
        return int(row[0])

    async def open_form(self, code: str, lang: str = "en") -> Page:
        """The form behind a code."""
        return Page.of(await self.running.http.get(f"{self.running.base}/s/{code}", params={"lang": lang}))

    async def submit(self, page: Page, **more: str) -> httpx.Response:
        """Send what the page holds to where the page says."""
        action = next(given["action"] for tag, given in page.tags if tag == "form") or ""
        data: dict[str, Any] = {**page.fields, **more}
        return await self.running.http.post(urljoin(str(page.response.url), action), data=data)

    async def respond(self, code: str, rating: str = "4", **answers: str | list[str]) -> httpx.Response:
        """A whole response."""
        page = await self.open_form(code)
        return await self.submit(page.answer_all(rating).answer(**answers))
