"""The way of an answer: spent code and sealed answer first, then, in shuffled company, the anonymous response."""

import random
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, text, update
from sqlmodel import col

from services.surveys.domain.answers import Answers
from services.surveys.domain.campaigns import Campaign, may_move_on
from services.surveys.domain.codes import AccessCode
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.scoring import measures, score
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import MIXED, SPENT, UNUSED, CampaignRow, ResponseRow, access_code, staged_answer
from services.surveys.vault import SealBroken, Vault
from shared.clock import local_day
from shared.contracts.events import Recorded
from shared.contracts.surveys import RESPONSE_RECORDED, ResponseState, Score
from shared.persistence.unit_of_work import UnitOfWork

BATCH: Final = 1000
"""Answers moved on in one transaction."""

COMPANY: Final = 200
"""Codes spent earlier that are moved together with the newly spent, so that these cannot be told from them."""

_CHANCE: Final = random.SystemRandom()

_STAGED = text(
    "select cast(ctid as text) as place, sealed from staged_answer "
    "where campaign_id = :campaign and key_id = :key_id limit :limit"
)
_SET_ASIDE = text("update staged_answer set key_id = '' where ctid = any(cast(cast(:places as text[]) as tid[]))")
_UNSTAGE = text("delete from staged_answer where ctid = any(cast(cast(:places as text[]) as tid[]))")
_EARLIER = text(
    "select fingerprint from access_code where campaign_id = :campaign and state = :mixed "
    "and fingerprint >= :start order by fingerprint limit :limit"
)
_ADD = text(
    "insert into tally as t (campaign_id, measure, count, total, squares) "
    "values (:campaign, :measure, :count, :total, :squares) on conflict (campaign_id, measure) do update set "
    "count = t.count + excluded.count, total = t.total + excluded.total, squares = t.squares + excluded.squares"
)
_RELEASE = text(
    "insert into released_result as r (campaign_id, measure, count, total, squares) "
    "select t.campaign_id, t.measure, t.count, t.total, t.squares from tally t "
    "left join released_result old using (campaign_id, measure) "
    "where t.campaign_id = :campaign and t.count - coalesce(old.count, 0) >= :step "
    "on conflict (campaign_id, measure) do update set "
    "count = excluded.count, total = excluded.total, squares = excluded.squares"
)


async def record_answers(uow: UnitOfWork, vault: Vault, code: AccessCode, campaign: Campaign, answers: Answers) -> bool:
    """Spend the code and stage the answers; False, and nothing done, if the code is spent already.

    Two submissions at once meet at the code's row: one of them finds it spent.
    """
    spent = await uow.session.execute(
        update(access_code)
        .where(access_code.c.fingerprint == vault.fingerprint(code), access_code.c.state == UNUSED)
        .values(state=SPENT)
        .returning(access_code.c.campaign_id)
    )
    if spent.scalar_one_or_none() is None:
        return False
    content = {"day": local_day(uow.now).isoformat(), "answers": dict(answers)}
    await uow.session.execute(
        insert(staged_answer).values(
            campaign_id=campaign.id, key_id=vault.key_id, sealed=vault.seal(campaign.id, content)
        )
    )
    return True


async def move_on(uow: UnitOfWork, vault: Vault, library: InstrumentLibrary, campaign_id: str, step: int) -> int:
    """Turn staged answers of a campaign into responses and events, in an order drawn by chance; returns how many.

    In the same transaction the spent codes are written anew, in another order drawn by chance and together with
    codes spent earlier, so that neither transaction ids nor places in the tables pair a code with a response.
    Results are released in steps of at least `step` responses per measure. Does nothing while another process moves,
    or where it left fewer than `step` behind.
    """
    row = (
        await uow.session.execute(
            select(CampaignRow).where(col(CampaignRow.id) == campaign_id).with_for_update(skip_locked=True)
        )
    ).scalar_one_or_none()
    if row is None:
        return 0
    wanted = {"campaign": campaign_id, "key_id": vault.key_id, "limit": BATCH}
    contents: list[dict[str, Any]] = []
    places: list[str] = []
    damaged: list[str] = []
    for place, sealed in await uow.session.execute(_STAGED, wanted):
        try:
            contents.append(vault.unseal(campaign_id, bytes(sealed)))
            places.append(place)
        except SealBroken:
            damaged.append(place)
    campaign = row.campaign()
    if damaged:
        # They must not count as company: the others are looked at again without them.
        await uow.session.execute(_SET_ASIDE, {"places": damaged})
        return 0
    if not may_move_on(campaign, len(contents), step, row.flush_due, uow.now):
        return 0
    if contents:
        await uow.session.execute(_UNSTAGE, {"places": places})
        _CHANCE.shuffle(contents)
        instrument = library.get(campaign.instrument, campaign.instrument_version)
        await _store(uow, campaign, instrument, contents, step)
        await _mix_codes(uow, campaign_id)
    row.flush_due = None
    return len(contents)


async def set_due(uow: UnitOfWork, campaign_id: str, due: datetime) -> None:
    """Say until when the staged answers of a campaign wait for company."""
    await uow.session.execute(
        update(CampaignRow)
        .where(col(CampaignRow.id) == campaign_id, col(CampaignRow.flush_due).is_(None))
        .values(flush_due=due)
    )


async def _store(
    uow: UnitOfWork, campaign: Campaign, instrument: Instrument, contents: Iterable[Mapping[str, Any]], step: int
) -> None:
    rows: list[dict[str, Any]] = []
    sums: dict[str, list[int]] = {}
    for content in contents:
        answers: Answers = content["answers"]
        day = date.fromisoformat(content["day"])
        # UUIDv4: a UUIDv7 would carry the moment.
        id_ = str(uuid.UUID(int=_CHANCE.getrandbits(128), version=4))
        rows.append({"id": id_, "campaign_id": campaign.id, "day": day, "answers": answers})
        for measure, value in measures(instrument, answers).items():
            sums.setdefault(measure, []).append(value)
        state = _state(id_, campaign, instrument, day, answers)
        uow.recorded.append(Recorded(RESPONSE_RECORDED, campaign.institution_id, state))
    await uow.session.execute(insert(ResponseRow), rows)
    additions = [
        {
            "campaign": campaign.id,
            "measure": measure,
            "count": len(values),
            "total": sum(values),
            "squares": sum(value * value for value in values),
        }
        for measure, values in sorted(sums.items())
    ]
    if additions:
        await uow.session.execute(_ADD, additions)
        await uow.session.execute(_RELEASE, {"campaign": campaign.id, "step": step})


def _state(id_: str, campaign: Campaign, instrument: Instrument, day: date, answers: Answers) -> ResponseState:
    scored = score(instrument, answers)
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
    )


async def _mix_codes(uow: UnitOfWork, campaign_id: str) -> None:
    """Write the newly spent codes and a random sample of those spent earlier anew, in an order drawn by chance."""
    here = access_code.c.campaign_id == campaign_id
    fresh = await uow.session.execute(
        delete(access_code).where(here, access_code.c.state == SPENT).returning(access_code.c.fingerprint)
    )
    fingerprints = [bytes(found) for found in fresh.scalars()]
    # Fingerprints are spread evenly: a stretch from a random place on is a random sample.
    start = _CHANCE.randbytes(32)
    earlier = await uow.session.execute(
        _EARLIER, {"campaign": campaign_id, "mixed": MIXED, "start": start, "limit": COMPANY}
    )
    company = [bytes(found) for found in earlier.scalars()]
    if len(company) < COMPANY:
        rest = {"campaign": campaign_id, "mixed": MIXED, "start": b"", "limit": COMPANY - len(company)}
        around = await uow.session.execute(_EARLIER, rest)
        company = list(dict.fromkeys(company + [bytes(found) for found in around.scalars()]))
    if company:
        await uow.session.execute(delete(access_code).where(access_code.c.fingerprint.in_(company)))
        fingerprints += company
    _CHANCE.shuffle(fingerprints)
    rows = [{"fingerprint": found, "campaign_id": campaign_id, "state": MIXED} for found in fingerprints]
    if rows:
        await uow.session.execute(insert(access_code), rows)
