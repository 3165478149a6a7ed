"""What single persons do at a place whose counts are withheld changes not one character of any output to any office."""

import io
import json
import re
from collections.abc import AsyncIterator
from datetime import date
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from services.monitoring.comparison.breakdown import BREAKDOWNS
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Unit
from services.monitoring.domain.periods import PeriodKind, parse
from services.monitoring.domain.reporting import REPORTING
from shared.contracts.agreements import (
    ActivePeriod,
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
    Party,
)
from shared.contracts.practice import (
    CourseStatus,
    EngagementStatus,
    MonthHours,
    OutcomeState,
    OutcomeStatus,
    SpecialistState,
    StaffInternshipState,
    TrainingKind,
    TrainingState,
)
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import Form, PartyCategory, RespondentGroup
from shared.ids import new_id
from shared.scope import Role
from tests.integration.monitoring.support import alone, tell
from tests.support.monitoring import Story
from tests.support.services import Client, Running, eventually

YEAR = "2025-26"
DAY = date(2026, 2, 3)
MOMENTS = ("made_at",)
CODES = [code for code, indicator in INDICATORS.items() if indicator not in REPORTING]
"""Reports are opened by the service itself as time passes: what is counted of them may move at any moment."""
BY_TIME = (*(f"{indicator.code} " for indicator in REPORTING), "– Against the period before")
"""How lines of a report begin that have to do with them."""
PERSONS = [code for code, indicator in INDICATORS.items() if indicator.privacy]
SPAN = {"from": "2026-01-01T00:00:00+05:00", "to": "2026-06-01T00:00:00+05:00"}
"""What the story tells happens within."""
SIZES = (2, 3, 14, 16, 21, 30, 40)
"""How many persons of each kind the institutions of the first district have; the first ones have few."""


class Land:
    """A district whose institutions have agreements of the forms that single persons' records belong to."""

    def __init__(self) -> None:
        self.story = Story(Random(8))
        self.story.territory(1, 2)
        self.persons = 0
        self.agreements: dict[tuple[str, Form], str] = {}
        self.enterprise = new_id()
        for district in self.story.districts:
            for _ in SIZES:
                self.story.an_institution(district)
        for ident in self.story.institutions:
            for form in (Form.AF2, Form.AF4, Form.AF6, Form.AF8):
                self._agree(ident, form)
        for ident, size in zip(self.story.institutions, (*SIZES, *SIZES), strict=True):
            for _ in range(size):
                self.everything_once(ident)

    def _agree(self, ident: str, form: Form) -> None:
        id_ = self.agreements[ident, form] = new_id()
        parties = [(PartyCategory.INSTITUTION, ident), (PartyCategory.ENTERPRISE, self.enterprise)]
        self.story.tell(
            AgreementState(
                id=id_,
                version=1,
                institution_id=ident,
                form=form,
                opportunities=(),
                status=AgreementStatus.ACTIVE,
                parties=tuple(
                    Party(party_id=str(number), category=category, ref=ref)
                    for number, (category, ref) in enumerate(parties)
                ),
                valid_from=date(2025, 9, 1),
                valid_until=date(2030, 9, 1),
                signed_on=date(2025, 9, 1),
                active_periods=(ActivePeriod(since=date(2025, 9, 1)),),
                schedule_complete=False,
            )
        )

    def everything_once(self, ident: str) -> None:
        """One more person of every kind at an institution."""
        self.persons += 1
        ref = str(self.persons)

        def common(form: Form | None = None) -> dict[str, Any]:
            found: dict[str, Any] = {"id": new_id(), "version": 1, "institution_id": ident}
            return found if form is None else found | {"agreement_id": self.agreements[ident, form]}

        work: dict[str, Any] = {"enterprise_id": self.enterprise, "profession": "7212"}
        self.story.tell(
            EmploymentState(**common(), **work, graduate_ref=ref, status=EmploymentStatus.CONFIRMED, started_on=DAY)
        )
        self.story.tell(
            OutcomeState(
                **common(),
                graduate_ref=ref,
                graduated_on=date(2025, 8, 3),
                months=6,
                status=OutcomeStatus.EMPLOYED,
                surveyed_on=DAY,
                withdrawn=False,
            )
        )
        course: dict[str, Any] = {
            "starts_on": DAY,
            "ends_on": DAY,
            "hours": 72,
            "status": CourseStatus.COMPLETED,
            "completed_on": DAY,
        }
        self.story.tell(StaffInternshipState(**common(Form.AF4), **course, **work, teacher_ref=ref))
        self.story.tell(
            TrainingState(
                **common(Form.AF6),
                **course,
                trainee_ref=ref,
                kind=TrainingKind.RETRAINING,
                profession="7212",
                referred_by="1",
            )
        )
        self.story.tell(
            SpecialistState(
                **common(Form.AF8),
                enterprise_id=self.enterprise,
                specialist_ref=ref,
                subject="x",
                since=DAY,
                hours=(MonthHours(month="2026-02", hours=4),),
                status=EngagementStatus.ENGAGED,
            )
        )
        self.story.tell(
            ResponseState(
                **common(),
                campaign_id=new_id(),
                group=RespondentGroup.S3,
                month="2026-02",
                index_thousandths=50_000,
                dimensions={},
            )
        )


def plain(answer: Any) -> Any:
    """An answer without the moments at which it was made."""
    if isinstance(answer, dict):
        return {name: plain(value) for name, value in answer.items() if name not in MOMENTS}
    return [plain(each) for each in answer] if isinstance(answer, list) else answer


async def report_of(client: Client, place: str, period: str) -> list[str]:
    """The lines of a report without what time alone may move: when it was drawn up, reports, what is recommended."""
    answer = await client.get("/v1/report.pdf", place=place, period=period, lang="en")
    assert answer.status_code == 200, answer.text
    pages = PdfReader(io.BytesIO(answer.content)).pages
    lines = [line.strip() for page in pages for line in page.extract_text().splitlines()]
    told = lines[: lines.index("Recommendations")]
    return [line for line in told if "rawn up on" not in line and not line.startswith(BY_TIME)]


class Listener:
    """Asks one caller's questions and keeps the answers."""

    def __init__(self, client: Client, place: str, hidden: str | None) -> None:
        self.client = client
        self.place = place
        self.places = [place] if hidden is None else [place, hidden]
        self.answers: dict[str, Any] = {}

    async def ask(self, path: str, **query: Any) -> None:
        """Keep what one route says."""
        answer = await self.client.get(path, **query)
        assert answer.status_code in (200, 404, 422), (path, query, answer.text)
        kind = answer.headers["content-type"]
        # What was frozen is kept in no order.
        said = plain(answer.json()) if "json" in kind else sorted(answer.content.splitlines())
        self.answers[f"{path} {sorted(query.items())}"] = said

    async def about(self, code: str) -> None:
        """What is said of one indicator."""
        indicator = INDICATORS[code]
        asked = {"indicator": code}
        if PeriodKind.ACADEMIC_YEAR in indicator.period_kinds:
            asked["period"] = YEAR
        for where in self.places:
            await self.ask("/v1/values", **asked, place=where, children=True)
            await self.ask("/v1/lineage", **asked, place=where, limit=200)
            await self.ask("/v1/peers", **asked, place=where)
            for kind in indicator.period_kinds if indicator.privacy else ():
                await self.ask("/v1/series", indicator=code, place=where, kind=str(kind))
            for by in BREAKDOWNS.get(code, ()):
                await self.ask("/v1/breakdown", **asked, by=by, place=where)
        await self.ask("/v1/ranking", **asked, place=self.place, level="institution")
        await self.ask("/v1/distribution", **asked, place=self.place, level="institution")
        await self.ask("/v1/changed", indicator=code, place=self.place, **SPAN)

    async def reports(self) -> None:
        """What is printed."""
        for where in self.places:
            for period in (YEAR, "2026-02"):
                self.answers[f"report {where} {period}"] = await report_of(self.client, where, period)

    async def files(self) -> None:
        """What is said in files, of what is composed and of what is published."""
        place, named = self.place, {"place": self.place, "indicator": CODES, "level": ["district", "institution"]}
        await self.ask("/v1/values/export", **named)
        for first, form in ((YEAR, "csv"), (YEAR, "parquet"), ("2026-02", "csv"), ("2026-Q1", "csv")):
            span = {"from": first, "to": first, "format": form}
            known = [each for each in CODES if parse(first).kind in INDICATORS[each].period_kinds]
            await self.ask("/v1/values/export", **named | {"indicator": known}, **span)
        await self.ask("/v1/ranking/export", indicator="F3", period=YEAR, place=place, level="institution")
        for period in (YEAR, "2026-02"):
            known = [each for each in CODES if parse(period).kind in INDICATORS[each].period_kinds]
            await self.ask("/v1/dhis2/dataValueSets", period=period, place=place, depth=3, indicator=known)
        for code in PERSONS:
            if PeriodKind.MONTH in INDICATORS[code].period_kinds:
                await self.ask("/v1/published", indicator=code, period="2026-02", place=place)
        for where in self.places:
            await self.ask("/v1/effectiveness", place=where, period=YEAR)
        for item in (await self.client.get("/v1/publications")).json()["items"]:
            await self.ask(f"/v1/publications/{item['id']}/values.csv")

    async def advice(self) -> None:
        """What is recommended for the sake of counts of persons."""
        await self.client.post(f"/v1/recommendations/look?place={self.place}", {})
        found = await self.client.get("/v1/recommendations", place=self.place, below=True, limit=200)
        items = [each for each in found.json()["items"] if each["latest"]["indicator"] in PERSONS]
        self.answers["recommendations"] = plain(items)


async def everything(client: Client, place: str, hidden: str | None) -> dict[str, Any]:
    """What every route says of a place and of the institution whose counts are withheld."""
    listener = Listener(client, place, hidden)
    for code in CODES:
        await listener.about(code)
    await listener.files()
    await listener.reports()
    await listener.advice()
    if hidden is not None:
        await listener.ask(f"/v1/institutions/{hidden}/stage")
    return listener.answers


TABLES = (("I1", "I2", "I3", "I4", "I5", "STAGE"), ("F1", "F2", "F3", "F4", "F5", "F6", "F7"))
"""The codes above the tables of places in a report."""
NUMBER = re.compile(r"\d[\d.,\u00a0\u202f]*%?")
CELL = re.compile(rf"[•–]|[-−+]?{NUMBER.pattern}")


class Printed:
    """What a report says of persons, held against what the API says to the same caller; `said`: how many numbers."""

    def __init__(self, client: Client, place: str) -> None:
        self.client = client
        self.place = place
        self.said = 0
        self.lines: list[str] = []
        self.known: dict[str, dict[str, dict[str, Any]]] = {}

    async def check(self, names: dict[str, str]) -> int:
        """Table by table and line by line."""
        self.lines = await report_of(self.client, self.place, YEAR)
        for code in PERSONS:
            await self._ask(code)
        places = list(self.known["F3"])
        for codes in TABLES if len(places) > 1 else ():
            self._table(codes, places)
        for code in PERSONS:
            await self._lines(code, names[code])
        return self.said

    async def _ask(self, code: str) -> None:
        # Where academic years are not known the report has the year's last month.
        years = PeriodKind.ACADEMIC_YEAR in INDICATORS[code].period_kinds
        asked = {"period": YEAR if years else "2026-08", "children": True}
        found = (await self.client.get("/v1/values", indicator=code, place=self.place, **asked)).json()
        self.known[code] = {self.place: found["value"]}
        self.known[code] |= {each["place"]["code"]: each for each in found["children"]}

    def _text(self, code: str, value: float | None) -> str:
        if value is None:
            return "–"
        return f"{value * 100:.4g}%" if INDICATORS[code].unit is Unit.RATIO else f"{value:.4g}"

    def _table(self, codes: tuple[str, ...], places: list[str]) -> None:
        at = next(n for n, line in enumerate(self.lines) if line.startswith(f"Place {' '.join(codes[:5])}"))
        rows = (line.split()[-len(codes) :] for line in self.lines[at + 1 :])
        # Where a page ends, its foot and the next one's head stand between two rows.
        whole = (cells for cells in rows if len(cells) == len(codes) and all(map(CELL.fullmatch, cells)))
        for place, cells in zip(places, list(islice(whole, len(places))), strict=True):
            for code, cell in zip(codes, cells, strict=True):
                if code in PERSONS:
                    value = self.known[code][place]
                    expected = "•" if value["suppressed"] else self._text(code, value["value"])
                    assert cell == expected, (code, place, cells)
                    self.said += bool(NUMBER.fullmatch(cell))

    async def _lines(self, code: str, name: str) -> None:
        value = self.known[code][self.place]
        answer = await self.client.get(
            "/v1/series", indicator=code, place=self.place, kind=str(PeriodKind.ACADEMIC_YEAR)
        )
        points = [each["value"] for each in answer.json().get("points", ())]
        moved = [after - before for before, after in pairwise(points) if None not in (before, after)]
        allowed = {str(value["numerator"]), str(value["denominator"])}
        allowed |= {self._text(code, each) for each in (0, value["value"], *points, *moved)}
        shown = f"{code.replace('_', ' ')} {name}"
        own = [number for number, line in enumerate(self.lines) if line.startswith(shown)]
        assert own, code
        for number in own:
            said = self.lines[number].removeprefix(shown).split()
            if said and self._is_of_the_index(said):
                said = said[:1]  # what follows is the weight, the score and what that adds
            elif not said:  # a chart's name: the ends of its axis stand below
                said = [line for line in self.lines[number + 1 : number + 3] if NUMBER.fullmatch(line)]
            numbers = {each for word in said for each in NUMBER.findall(word)}
            assert numbers <= allowed, (self.lines[number], allowed)
            assert not (value["suppressed"] and numbers), self.lines[number]
            self.said += len(numbers)

    @staticmethod
    def _is_of_the_index(said: list[str]) -> bool:
        return len(said) == 4 and said[1].endswith("%") and said[3] != "answers"


@pytest.fixture
async def told(postgres: Any, issuer: Any, http: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Running]:
    """The service alone."""
    async with alone(postgres, issuer, http, tmp_path) as (running, _):
        yield running


@pytest.mark.slow
async def test_what_few_persons_do_at_a_withheld_place_changes_no_output(told: Running) -> None:
    land = Land()
    story = land.story
    await tell(told, story.events)
    hidden, district = story.institutions[0], story.districts[0]
    beside = story.institutions[6]
    ministry = told.as_(Role.MINISTRY, "17")
    ordered = await ministry.post("/v1/publications", {"place": "17", "period": "2026-02"})

    async def made() -> bool:
        state = await ministry.get(f"/v1/publications/{ordered.json()['id']}")
        return bool(state.json()["editions"])

    await eventually(made, "the publication is made")
    shown = (await ministry.get("/v1/values", indicator="F3", place=district, period=YEAR, children=True)).json()
    values = {each["place"]["code"]: each["value"] for each in shown["children"]}
    assert (values[hidden], values[beside]) == (None, 40)
    callers = {
        "ministry": (ministry, "17"),
        "district": (told.as_(Role.DISTRICT, district), district),
        "beside": (told.as_(Role.INSTITUTION, beside), beside),
    }
    seen = {name: hidden if name != "beside" else None for name in callers}
    dictionary = (await ministry.get("/v1/dictionary", lang="en")).json()["items"]
    names = {each["code"]: each["name"] for each in dictionary}
    assert await Printed(ministry, "17").check(names) > 10
    assert await Printed(callers["district"][0], district).check(names) > 10
    assert await Printed(callers["beside"][0], beside).check(names) > 5
    before = {name: await everything(client, place, seen[name]) for name, (client, place) in callers.items()}
    number = len(story.events)
    for _ in range(2):
        land.everything_once(hidden)
    await tell(told, story.events[number:])
    for name, (client, place) in callers.items():
        after = await everything(client, place, seen[name])
        assert after.keys() == before[name].keys()
        for key, answer in after.items():
            assert answer == before[name][key], (name, key, json.dumps(answer, default=str)[:600])
    number = len(story.events)
    for _ in range(12):
        land.everything_once(beside)
    await tell(told, story.events[number:])
    # What is shown does move: the test would see it.
    assert await everything(ministry, "17", hidden) != before["ministry"]
