"""The way of an answer: a mark and a sealed answer first, then, in shuffled company, the anonymous response."""

import asyncio
import json
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import delete, select, text
from sqlmodel import col

from services.surveys.commands import tallying
from services.surveys.domain.answers import Answers
from services.surveys.domain.campaigns import Campaign, CampaignStatus, may_move_on
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.results import rated_topics
from services.surveys.domain.scoring import ResponseScore
from services.surveys.domain.tallies import Counting
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, spent_mark
from services.surveys.vault import SealBroken, Vault
from shared.clock import local_day
from shared.contracts.events import Recorded
from shared.contracts.surveys import RESPONSE_RECORDED, ResponseMode, ResponseState, Score
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork

BATCH: Final = 2000
"""Answers moved on in one transaction."""

SLICE: Final = 10
"""Answers worked on before whoever waits for an answer gets the processor."""

LOCKS: Final = 0x696E746B
"""Advisory locks of campaigns: shared by those who spend, alone for the one who wipes the marks."""

_CHANCE: Final = random.SystemRandom()

_SHARE = "select pg_advisory_xact_lock_shared($1, hashtext(id)) from unnest($2::text[]) as id"
# The look at the campaign stands in the statement that spends: whatever was closed before takes nothing any more.
_TAKE = (
    "with sent as (select * from unnest($1::text[], $2::bytea[], $3::bytea[]) as s(campaign_id, mark, sealed)), "
    "taking as (select id from campaign where id = any($4::text[]) and (status = 'open' "
    "and $5::date between first_day and last_day or $7 and status <> 'draft' and interview_days > 0 "
    "and $5::date between first_day and coalesce(closed_on, last_day) + interview_days) "
    # Whose request was under way while the marks were wiped, past midnight: what it sends may have been counted.
    "and not exists (select from intake i where i.campaign_id = campaign.id and i.over)), "
    "spent as (insert into spent_mark (mark, campaign_id) select mark, campaign_id from sent "
    "join taking on id = campaign_id order by mark on conflict do nothing returning mark), "
    "staged as (insert into staged_answer (campaign_id, key_id, sealed) "
    "select campaign_id, $6, sealed from sent join spent using (mark) order by random()) "
    "select array(select mark from spent) as spent, array(select id from taking) as taking"
)
_STAGED = (
    "select ctid::text as place, sealed from staged_answer where campaign_id = $1 and key_id = $2 "
    "order by random() limit $3"
)
_SET_ASIDE = "update staged_answer set key_id = '' where ctid = any($1::text[]::tid[])"
_UNSTAGE = "delete from staged_answer where ctid = any($1::text[]::tid[])"
_RESPONSES = (
    "insert into response (id, campaign_id, day, mode, answers) "
    "select id, $1, day, mode, answers::jsonb from unnest($2::text[], $3::date[], $4::text[], $5::text[]) "
    "as r(id, day, mode, answers)"
)
_COUNT = (
    "insert into intake as i (campaign_id, moved) values ($1, $2) "
    "on conflict (campaign_id) do update set moved = i.moved + excluded.moved"
)
_OVER = text(
    "insert into intake (campaign_id, moved, over) values (:campaign, 0, true) "
    "on conflict (campaign_id) do update set over = true"
)
_LOCK = text("select pg_advisory_xact_lock(:space, hashtext(:campaign))")
_ON_ITS_WAY = text("select exists (select from staged_answer where campaign_id = :campaign and key_id = :key_id)")


class Outcome(StrEnum):
    """What became of a submission."""

    TAKEN = "taken"
    ALREADY = "already"
    """Its mark was there: it counted before, once."""
    CLOSED = "closed"
    """The campaign takes no answers now; nothing was spent."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Answers on their way in: the mark of what they spend, and themselves sealed."""

    campaign: str
    mark: bytes
    sealed: bytes


def submission(
    vault: Vault, campaign: str, mark: bytes, answers: Answers, day: date, mode: ResponseMode = ResponseMode.FORM
) -> Submission:
    """Seal checked answers; `mark` is `vault.mark(code)` or `vault.mark_of(…)`, `day` the local one."""
    content = {"day": day.isoformat(), "answers": dict(answers), "mode": mode.value}
    return Submission(campaign, mark, vault.seal(campaign, content))


async def record_answers(
    uow: UnitOfWork, vault: Vault, submissions: Sequence[Submission], *, late: bool = False
) -> list[Outcome]:
    """Spend and stage, each submission or not at all: the one way in for a form, a token, an interview, a batch.

    A mark counts once, within the call and across all calls at the same time. The marks' table is written in the order
    of marks, so that two calls never wait for each other in a ring. `late`: they are interviews, which come in for some
    days after the end too.
    """
    first: dict[bytes, Submission] = {}
    for each in submissions:
        first.setdefault(each.mark, each)
    sent = [first[mark] for mark in sorted(first)]
    campaigns = sorted({each.campaign for each in sent})
    connection = await raw_connection(uow.session)
    await connection.execute(_SHARE, LOCKS, campaigns)
    row = await connection.fetchrow(
        _TAKE,
        [each.campaign for each in sent],
        [each.mark for each in sent],
        [each.sealed for each in sent],
        campaigns,
        local_day(uow.now),
        vault.key_id,
        late,
    )
    assert row is not None
    spent, taking = {bytes(mark) for mark in row["spent"]}, set(row["taking"])
    return [_outcome(each, first[each.mark] is each, spent, taking) for each in submissions]


def _outcome(each: Submission, first: bool, spent: set[bytes], taking: set[str]) -> Outcome:
    if each.campaign not in taking:
        return Outcome.CLOSED
    return Outcome.TAKEN if first and each.mark in spent else Outcome.ALREADY


async def move_on(uow: UnitOfWork, vault: Vault, library: InstrumentLibrary, campaign_id: str, step: int) -> int:
    """Turn staged answers of a campaign into responses and events, in an order drawn by chance; returns how many.

    Nothing of codes, tokens or marks is touched: no row of theirs shares a transaction with a response. Results are
    released in steps of at least `step` responses per measure. Does nothing while another process moves, or where it
    left fewer than `step` behind.
    """
    row = (
        await uow.session.execute(
            select(CampaignRow).where(col(CampaignRow.id) == campaign_id).with_for_update(skip_locked=True)
        )
    ).scalar_one_or_none()
    if row is None:
        return 0
    connection = await raw_connection(uow.session)
    contents: list[dict[str, Any]] = []
    places: list[str] = []
    damaged: list[str] = []
    for number, (place, sealed) in enumerate(await connection.fetch(_STAGED, campaign_id, vault.key_id, BATCH)):
        if number % SLICE == 0:
            await asyncio.sleep(0)
        try:
            contents.append(vault.unseal(campaign_id, sealed))
            places.append(place)
        except SealBroken:
            damaged.append(place)
    campaign = row.campaign()
    if damaged:
        # They must not count as company: the others are looked at again without them.
        await connection.execute(_SET_ASIDE, damaged)
        return 0
    if not contents or not may_move_on(campaign, len(contents), step, uow.now):
        return 0
    await connection.execute(_UNSTAGE, places)
    _CHANCE.shuffle(contents)
    instrument = await library.ensure(uow.session, campaign.instrument, campaign.instrument_version)
    await _store(uow, campaign, instrument, contents, step)
    return len(contents)


async def wipe(uow: UnitOfWork, vault: Vault, campaign_id: str) -> bool:
    """Forget what was spent in a closed campaign whose answers have all moved on; False while that is not so.

    Who sends now is refused because the campaign is closed. Whoever began to spend before it was is waited for.
    """
    await uow.session.execute(_LOCK, {"space": LOCKS, "campaign": campaign_id})
    row = await uow.session.get(CampaignRow, campaign_id)
    on_its_way = await uow.session.execute(_ON_ITS_WAY, {"campaign": campaign_id, "key_id": vault.key_id})
    if row is None or row.status != CampaignStatus.CLOSED or on_its_way.scalar_one():
        return False
    if not row.campaign().is_complete(local_day(uow.now)):
        return False  # an interview that is sent again must find its mark
    await uow.session.execute(delete(spent_mark).where(spent_mark.c.campaign_id == campaign_id))
    await uow.session.execute(_OVER, {"campaign": campaign_id})
    return True


async def _store(
    uow: UnitOfWork, campaign: Campaign, instrument: Instrument, contents: Iterable[Mapping[str, Any]], step: int
) -> None:
    ids: list[str] = []
    days: list[date] = []
    modes: list[str] = []
    bodies: list[str] = []
    counting = Counting(instrument)
    for number, content in enumerate(contents):
        if number % SLICE == 0:
            await asyncio.sleep(0)
        answers: Answers = content["answers"]
        day = date.fromisoformat(content["day"])
        # UUIDv4: a UUIDv7 would carry the moment.
        id_ = str(uuid.UUID(int=_CHANCE.getrandbits(128), version=4))
        ids.append(id_)
        days.append(day)
        mode = ResponseMode(content["mode"])
        modes.append(mode.value)
        bodies.append(json.dumps(answers, ensure_ascii=False))
        state = _state(id_, campaign, instrument, day, mode, counting.add(answers))
        uow.recorded.append(Recorded(RESPONSE_RECORDED, campaign.institution_id, state))
    connection = await raw_connection(uow.session)
    await connection.execute(_RESPONSES, campaign.id, ids, days, modes, bodies)
    await connection.execute(_COUNT, campaign.id, len(ids))
    await tallying.store(connection, campaign.id, counting.added(), step, rated_topics(instrument))


def _state(
    id_: str, campaign: Campaign, instrument: Instrument, day: date, mode: ResponseMode, scored: ResponseScore
) -> ResponseState:
    return ResponseState(
        id=id_,
        version=1,
        campaign_id=campaign.id,
        group=instrument.group,
        institution_id=campaign.institution_id,
        month=f"{day:%Y-%m}",
        index_thousandths=scored.index,
        dimensions={
            str(dimension): Score(sum_thousandths=tally.total, count=tally.count)
            for dimension, tally in scored.dimensions.items()
        },
        mode=mode,
    )
