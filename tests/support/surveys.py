"""A campaign with as many responses as a test wants, put into the database as the service stores and tallies them."""

import json
import random
import uuid
from datetime import timedelta
from typing import Any, Final

from services.surveys.commands import tallying
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
from services.surveys.domain.tallies import Counting
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, InstitutionRow
from shared.clock import local_day, now
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database

SCHOOL: Final = "0199c1e4-0000-7000-8000-000000000001"
PATH: Final = f"/17/1708/1708201/{SCHOOL}/"
K: Final = 10
SLICE: Final = 5_000
DISTINCT: Final = 5_000
"""Responses that are drawn; a campaign with more repeats them."""
_ROWS = (
    "insert into response (id, campaign_id, day, mode, answers) select id, $1, $2, 'form', answers::jsonb "
    "from unnest($3::text[], $4::text[]) as r(id, answers)"
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


async def fill(database: Database, library: InstrumentLibrary, code: str, count: int, *, over: bool) -> str:
    """A campaign with so many responses; returns its id."""
    instrument = library.get(code)
    today = local_day(now())
    campaign = Campaign(
        id=str(uuid.uuid4()),
        version=2,
        instrument=code,
        instrument_version=instrument.version,
        institution_id=SCHOOL,
        period=Period(first=today - timedelta(days=40), last=today + timedelta(days=-1 if over else 20)),
        status=CampaignStatus.CLOSED if over else CampaignStatus.OPEN,
        group=instrument.group,
    )
    chance = random.Random(7)
    drawn = [a_response(instrument, chance) for _ in range(min(count, DISTINCT))]
    async with database.unit_of_work() as uow:
        if await uow.session.get(InstitutionRow, SCHOOL) is None:
            uow.session.add(
                InstitutionRow(
                    id=SCHOOL,
                    version=1,
                    org_path=PATH,
                    code="J-1",
                    name="Jizzax texnikumi",
                    active=True,
                    kind="technikum",
                )
            )
            await uow.session.flush()
        uow.session.add(CampaignRow.of(campaign, PATH))
    for start in range(0, count, SLICE):
        counting = Counting(instrument)
        ids, bodies = [], []
        for number in range(start, min(start + SLICE, count)):
            answers = drawn[number % DISTINCT]
            counting.add(answers)
            ids.append(str(uuid.uuid4()))
            bodies.append(json.dumps(answers))
        async with database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            await connection.execute(_ROWS, campaign.id, today, ids, bodies)
            await tallying.store(connection, campaign.id, counting.added(), K)
            await connection.execute(_OVER, campaign.id, count, over)
    return campaign.id
