"""A campaign with as many responses as a test wants, put into the database as the service stores and tallies them."""

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from services.surveys.commands import pooling, tallying
from services.surveys.domain.answers import Answers
from services.surveys.domain.campaigns import Campaign, CampaignStatus, Period
from services.surveys.domain.instruments import (
    CompetencePair,
    FreeText,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    ProfessionQuestion,
    SingleChoice,
)
from services.surveys.domain.results import rated_topics
from services.surveys.domain.tallies import Counting
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, InstitutionRow
from shared.clock import local_day, now
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database

SCHOOL: Final = "0199c1e4-0000-7000-8000-000000000001"
DISTRICT: Final = "1708201"
K: Final = 10
SLICE: Final = 5_000
DISTINCT: Final = 5_000
"""Responses that are drawn; a campaign with more repeats them."""
_ROWS = (
    "insert into response (id, campaign_id, day, mode, answers) select id, $1, $2, 'form', answers::jsonb "
    "from unnest($3::text[], $4::text[]) as r(id, answers)"
)
_FINISH = (
    "insert into intake (campaign_id, moved, over) select id, 0, true from unnest($1::text[]) as c(id) "
    "on conflict (campaign_id) do update set over = true"
)
_CAME = (
    "insert into intake as i (campaign_id, moved) values ($1, $2) on conflict (campaign_id) do update set "
    "moved = i.moved + excluded.moved"
)
_OVER = (
    "insert into intake (campaign_id, moved, over) values ($1, $2, $3) on conflict (campaign_id) do update set "
    "moved = excluded.moved, over = excluded.over"
)


def a_response(instrument: Instrument, chance: random.Random) -> Answers:
    """One response: every kind of question, rarely unanswered."""
    answers: dict[str, Any] = {}
    for question in instrument.questions:
        match question:
            case SingleChoice():
                answers[question.code] = chance.choice(question.options).code
            case MultipleChoice():
                answers[question.code] = [chance.choice(question.options).code]
            case Likert():
                answers[question.code] = chance.choices(range(1, question.scale.top + 1), k=1)[0]
            case CompetencePair():
                answers[question.code] = {
                    "importance": chance.choice([1, 2, 3, 4, 4, 5, 5]),
                    "satisfaction": chance.choice([1, 2, 3, 3, 4, 4, 5]),
                }
            case Matrix():
                given = range(1, question.scale.top + 1) if question.scale else [each.code for each in question.options]
                answers[question.code] = {row.code: chance.choice(list(given)) for row in question.rows}
            case NumberQuestion():
                answers[question.code] = chance.randint(question.minimum, min(question.maximum, 200))
            case ProfessionQuestion():
                answers[question.code] = chance.choice(["7212", "7231", "2512", "5120"])
            case FreeText() if chance.random() < 0.01:
                answers[question.code] = "Koʻproq amaliyot kerak."
    return answers


@dataclass(frozen=True)
class Asked:
    """Where and when a campaign was: its school, and its last day (yesterday, where it is over)."""

    school: str = SCHOOL
    district: str = DISTRICT
    last: date | None = None
    wave: str | None = None
    k: int = K

    @property
    def path(self) -> str:
        """The school's path."""
        return f"/17/{self.district[:4]}/{self.district}/{self.school}/"


async def fill(
    database: Database,
    library: InstrumentLibrary,
    code: str,
    count: int,
    *,
    over: bool,
    asked: Asked | None = None,
    answers: Sequence[Answers] = (),
) -> str:
    """A campaign with so many responses – drawn, unless `answers` names them; returns its id."""
    asked = asked or Asked()
    instrument = library.get(code)
    last = asked.last or local_day(now()) + timedelta(days=-1 if over else 20)
    campaign = Campaign(
        id=str(uuid.uuid4()),
        version=2,
        instrument=code,
        instrument_version=instrument.version,
        institution_id=asked.school,
        period=Period(first=last - timedelta(days=39 if over else 60), last=last),
        status=CampaignStatus.CLOSED if over else CampaignStatus.OPEN,
        group=instrument.group,
        wave_id=asked.wave,
    )
    async with database.unit_of_work() as uow:
        if await uow.session.get(InstitutionRow, asked.school) is None:
            uow.session.add(
                InstitutionRow(
                    id=asked.school,
                    version=1,
                    org_path=asked.path,
                    code=f"J-{asked.school[-4:].lstrip('0')}",
                    name="Jizzax texnikumi",
                    active=True,
                    kind="technikum",
                )
            )
            await uow.session.flush()
        uow.session.add(CampaignRow.of(campaign, asked.path))
    chance = random.Random(7)
    drawn = answers or [a_response(instrument, chance) for _ in range(min(count, DISTINCT))]
    for start in range(0, count, SLICE):
        some = [drawn[number % len(drawn)] for number in range(start, min(start + SLICE, count))]
        await more(database, library, campaign.id, some, asked.k)
    async with database.unit_of_work() as uow:
        await (await raw_connection(uow.session)).execute(_OVER, campaign.id, count, over)
    return campaign.id


async def more(
    database: Database, library: InstrumentLibrary, campaign: str, answers: Sequence[Answers], k: int = K
) -> None:
    """Responses that move on together."""
    async with database.unit_of_work() as uow:
        row = await uow.session.get_one(CampaignRow, campaign)
        instrument = library.get(row.instrument, row.instrument_version)
        counting = Counting(instrument)
        ids, bodies = [], []
        for each in answers:
            counting.add(each)
            ids.append(str(uuid.uuid4()))
            bodies.append(json.dumps(each))
        connection = await raw_connection(uow.session)
        await connection.execute(_ROWS, campaign, min(row.last_day, local_day(now())), ids, bodies)
        await tallying.store(connection, campaign, counting.added(), k, rated_topics(instrument))
        await connection.execute(_CAME, campaign, len(ids))


async def finish(database: Database, campaigns: Sequence[str]) -> None:
    """Close campaigns, as if every answer had moved on."""
    async with database.unit_of_work() as uow:
        connection = await raw_connection(uow.session)
        await connection.execute("update campaign set status = 'closed' where id = any($1)", list(campaigns))
        await connection.execute(_FINISH, list(campaigns))


async def pool(database: Database, library: InstrumentLibrary, k: int = K) -> None:
    """Pool all that is due."""
    pooled = True
    while pooled:
        async with database.unit_of_work() as uow:
            pooled = await pooling.pool(uow, library, k)
