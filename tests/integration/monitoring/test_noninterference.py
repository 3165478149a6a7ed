"""What single persons do at a place whose counts are withheld changes not one character of any output to any office."""

import io
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from services.monitoring.comparison.breakdown import BREAKDOWNS
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import PeriodKind
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
MOMENTS = ("made_at", "asked_at", "now")
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

        work = {"enterprise_id": self.enterprise, "profession": "7212"}
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


async def everything(client: Client, place: str, hidden: str | None) -> dict[str, Any]:
    """What every route says of a place and of the institution whose counts are withheld."""
    found: dict[str, Any] = {}

    async def ask(path: str, **query: Any) -> None:
        answer = await client.get(path, **query)
        assert answer.status_code in (200, 404, 422), (path, query, answer.text)
        key = f"{path} {sorted(query.items())}"
        kind = answer.headers["content-type"]
        if "json" in kind:
            found[key] = plain(answer.json())
        else:
            found[key] = answer.content

    places = [place] if hidden is None else [place, hidden]
    for code, indicator in INDICATORS.items():
        year = {"indicator": code, "period": YEAR} if PeriodKind.ACADEMIC_YEAR in indicator.period_kinds else {}
        year = year or {"indicator": code}
        for where in places:
            await ask("/v1/values", **year, place=where, children=True)
            await ask("/v1/lineage", **year, place=where, limit=200)
            await ask("/v1/peers", **year, place=where)
            for kind in indicator.period_kinds if indicator.privacy else ():
                await ask("/v1/series", indicator=code, place=where, kind=str(kind))
        await ask("/v1/ranking", **year, place=place, level="institution")
        await ask("/v1/distribution", **year, place=place, level="institution")
        await ask("/v1/changed", indicator=code, place=place, **{"from": "2026-01-01T00:00:00+05:00"})
        for by in BREAKDOWNS.get(code, ()):
            for where in places:
                await ask("/v1/breakdown", **year, by=by, place=where)
    levels = ["district", "institution"]
    for first in (YEAR, "2026-02", "2026-Q1"):
        await ask("/v1/values/export", place=place, level=levels, **{"from": first, "to": first})
    await ask("/v1/values/export", place=place, level=levels, format="parquet", **{"from": YEAR, "to": YEAR})
    await ask("/v1/ranking/export", indicator="F3", period=YEAR, place=place, level="institution")
    for period in (YEAR, "2026-02"):
        await ask("/v1/dhis2/dataValueSets", period=period, place=place, depth=3)
        await ask("/v1/published", indicator="F3", period=period, place=place)
    await ask("/v1/dhis2/metadata", place=place, depth=3)
    for where in places:
        await ask("/v1/effectiveness", place=where, period=YEAR)
        await ask("/v1/targets", place=where)
    for item in (await client.get("/v1/publications")).json()["items"]:
        await ask(f"/v1/publications/{item['id']}/values", place=place, limit=500)
        await ask(f"/v1/publications/{item['id']}/values.csv")
    await client.post(f"/v1/recommendations/look?place={place}", {})
    await ask("/v1/recommendations", place=place, below=True, limit=200)
    await ask("/v1/recommendations/counts", place=place)
    await ask("/v1/reporting/progress", place=place)
    await ask("/v1/submissions")
    if hidden is not None:
        await ask(f"/v1/institutions/{hidden}/stage")
    return found


@pytest.fixture
async def told(postgres: Any, issuer: Any, http: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Running]:
    """The service alone."""
    async with alone(postgres, issuer, http, tmp_path) as (running, _):
        yield running


async def reports(client: Client, place: str) -> list[str]:
    """The printed report's text, but for when it was made."""
    answer = await client.get("/v1/report.pdf", period=YEAR, place=place)
    assert answer.status_code == 200
    lines = [line for page in PdfReader(io.BytesIO(answer.content)).pages for line in page.extract_text().splitlines()]
    return [line for line in lines if ":" not in line]


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
    before = {name: await everything(client, place, seen[name]) for name, (client, place) in callers.items()}
    printed = await reports(callers["district"][0], district)
    number = len(story.events)
    for _ in range(2):
        land.everything_once(hidden)
    await tell(told, story.events[number:])
    for name, (client, place) in callers.items():
        after = await everything(client, place, seen[name])
        assert after.keys() == before[name].keys()
        for key, answer in after.items():
            assert answer == before[name][key], (name, key, json.dumps(answer, default=str)[:600])
    assert await reports(callers["district"][0], district) == printed
    number = len(story.events)
    for _ in range(12):
        land.everything_once(beside)
    await tell(told, story.events[number:])
    # What is shown does move: the test would see it.
    assert await everything(ministry, "17", hidden) != before["ministry"]
