"""Invitations: made by facts of agreements' or by lists, handed over as secrets, reminded, turned into tokens, ended.

Who has taken an invitation up is known to the database as keyed hashes alone. It is told, and shown to the coordinator
to spare people reminders, only in company: of at least k of a campaign at once. That somebody took it up says nothing
of whether, when and what they answered: the token that they got cannot be recognised.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import SystemRandom
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.commands import campaigns
from services.surveys.commands.institutions import living_end
from services.surveys.domain import invitations as domain
from services.surveys.domain.campaigns import Campaign, CampaignOver, CampaignStatus
from services.surveys.domain.codes import AccessCode
from services.surveys.domain.invitations import Fact, OncePer, Rule
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import (
    CampaignRow,
    InstitutionRow,
    InvitationRow,
    OccasionRow,
    RuleRow,
    redemption,
)
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Ref
from shared.contracts.surveys import InvitationState, InvitationStatus, Occasion, RespondentKind
from shared.errors import AlreadyExists, FieldError, InvalidInput, NotFound, VersionMismatch, WrongState
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork

_CHANCE: Final = SystemRandom()
ASKING: Final = 0x61736B21
"""Advisory locks of institutions: whom one asks is decided by one at a time."""
LISTED_DAYS: Final = 60
OPEN: Final = (InvitationStatus.PENDING.value, InvitationStatus.REDEEMED.value)

WAITING, INVITED, COVERED, VOID, PASSED, OFF, HOMELESS = (
    "waiting",
    "invited",
    "covered",
    "void",
    "passed",
    "off",
    "homeless",
)
"""What an occasion can be: due now or later; invited; covered by another invitation; taken back; too late when it was
told; its rule is off; its institution is not known yet."""


class CampaignFull(WrongState):
    """A hard quota is full: nobody is let in any more."""

    code = "campaign-full"


class InviteListed(BaseModel):
    """Invite one reference of a list to a campaign: only the institution knows who it is."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {"campaign_id": "0199c1e4-7a52-7c3e-9d0b-5f7a1c2b3d4e", "respondent": "teacher", "ref": "T-42"}
        },
    )

    campaign_id: Id
    respondent: RespondentKind
    ref: Ref
    valid_days: Annotated[int, Field(ge=7, le=365)] = LISTED_DAYS


# -- rules


async def rules(session: AsyncSession) -> dict[str, Rule]:
    """Every rule as it is now."""
    changed = (await session.execute(select(RuleRow))).scalars()
    return {**domain.RULES, **{row.code: Rule.model_validate(row.state) for row in changed}}


async def set_rule(uow: UnitOfWork, library: InstrumentLibrary, code: str, command: domain.SetRule) -> Rule:
    """Change a rule; what waited while it was off is asked from now on."""
    known = (await rules(uow.session)).get(code)
    if known is None:
        raise NotFound(what="invitation-rule", id=code[:100])
    if uow.expected_version is not None and known.version != uow.expected_version:
        raise VersionMismatch(expected=uow.expected_version, found=known.version)
    try:
        await library.ensure(uow.session, command.instrument, scope=uow.principal.scope)
    except NotFound:
        names = ", ".join(each.code for each in library.latest)
        raise InvalidInput(FieldError("instrument", "instrument-unknown", {"known": names})) from None
    rule = known.changed(command)
    values = {"code": code, "version": rule.version, "state": rule.model_dump(mode="json")}
    statement = insert(RuleRow).values(values)
    stored = await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=["code"],
            set_={"version": statement.excluded.version, "state": statement.excluded.state},
            where=col(RuleRow.version) == known.version,
        ).returning(col(RuleRow.code))
    )
    if stored.scalar_one_or_none() is None:
        raise VersionMismatch(expected=known.version, found=known.version + 1)
    if rule.enabled:
        async with uow.beyond_scope():
            await _become(uow, WAITING, col(OccasionRow.rule) == code, col(OccasionRow.status) == OFF)
    return rule


# -- occasions


_KEEP = text(
    "insert into occasion (id, rule, source_id, source_version, months, institution_id, respondent_ref, due_on, "
    "status) values (:id, :rule, :source_id, :source_version, :months, :institution_id, :respondent_ref, :due_on, "
    "'waiting') on conflict (id) do update set source_version = excluded.source_version, "
    "respondent_ref = excluded.respondent_ref, due_on = excluded.due_on, "
    "status = case when occasion.status in ('void', 'passed') then 'waiting' else occasion.status end "
    "where occasion.source_version < excluded.source_version"
)


async def take_facts(uow: UnitOfWork, facts: Sequence[Fact]) -> None:
    """Keep what facts ask for, each once whatever order they come in; what no longer holds is taken back.

    Of one source there is one fact here, the newest that was told.
    """
    sources = sorted(fact.source_id for fact in facts)
    query = select(col(OccasionRow.source_id)).where(col(OccasionRow.source_id).in_(sources))
    known = set((await uow.session.execute(query)).scalars()) if sources else set()
    wanted: list[dict[str, Any]] = []
    for fact in sorted(facts, key=lambda each: each.source_id):
        if fact.source_id in known:
            await _take_back(uow, fact)
        if fact.holds:
            wanted += _occasions(fact)
    if wanted:
        await uow.session.execute(_KEEP, wanted)


def _occasions(fact: Fact) -> Iterable[dict[str, Any]]:
    for rule in domain.RULES.values():
        ref = fact.respondents.get(rule.respondent)
        if rule.occasion is fact.occasion and ref is not None:
            for months in rule.months:
                yield {
                    "id": f"{fact.source_id}:{rule.id}:{months}",
                    "rule": rule.id,
                    "source_id": fact.source_id,
                    "source_version": fact.source_version,
                    "months": months,
                    "institution_id": fact.institution_id,
                    "respondent_ref": ref,
                    "due_on": domain.due_on(fact.since, months),
                }


async def _take_back(uow: UnitOfWork, fact: Fact) -> None:
    """Where the fact asks somebody else now, later, or nobody: what is pending because of it is withdrawn."""
    query = (
        select(OccasionRow)
        .where(col(OccasionRow.source_id) == fact.source_id, col(OccasionRow.source_version) < fact.source_version)
        .order_by(col(OccasionRow.id))
        .with_for_update()
    )
    for row in (await uow.session.execute(query)).scalars():
        ref = fact.respondents.get(domain.RULES[row.rule].respondent)
        due = domain.due_on(fact.since, row.months)
        # An enterprise's reference follows merges by itself, there as here.
        same = ref is not None and await living_end(uow, ref) == await living_end(uow, row.respondent_ref)
        if fact.holds and same and due == row.due_on:
            continue
        await _release(uow, row, VOID)
        if not fact.holds:
            row.source_version = fact.source_version
    await uow.session.flush()


async def _release(uow: UnitOfWork, row: OccasionRow, status: str) -> None:
    """Withdraw what an occasion brought, unless it was taken up; whoever it covered is asked by the next occasion."""
    invitation_id, was = row.invitation_id, row.status
    row.status, row.invitation_id = status, None
    await uow.session.flush()
    if invitation_id is None or was != INVITED:
        return
    invitation = await load(uow, invitation_id)
    if invitation.status is InvitationStatus.PENDING:
        await _record(uow, domain.move(invitation, domain.Step.WITHDRAW, local_day(uow.now)))
        await _become(uow, WAITING, col(OccasionRow.invitation_id) == invitation_id)


async def _become(uow: UnitOfWork, status: str, *conditions: Any) -> None:
    await uow.session.execute(
        update(OccasionRow)
        .where(*conditions)
        .values(status=status, invitation_id=None)
        .execution_options(synchronize_session=False)
    )


async def find_homes(uow: UnitOfWork, institutions: Iterable[str]) -> None:
    """Institutions became known: what was told of them before is asked now."""
    ids = sorted(institutions)
    await _become(uow, WAITING, col(OccasionRow.institution_id).in_(ids), col(OccasionRow.status) == HOMELESS)


async def invite(uow: UnitOfWork, library: InstrumentLibrary, id_: str) -> list[EventType]:
    """Make the invitation that an occasion asks for today, in the campaign that is open for it, or a standing one."""
    row = await uow.session.get_one(OccasionRow, id_)
    rule = (await rules(uow.session))[row.rule]
    today = local_day(uow.now)
    institution = await uow.session.get(InstitutionRow, row.institution_id)
    if not rule.enabled:
        row.status = OFF
    elif institution is None:
        row.status = HOMELESS
    elif not institution.active or row.due_on + timedelta(days=rule.valid_days) < today:
        row.status = PASSED
    else:
        return await _ask(uow, library, row, rule, institution)
    return []


async def _ask(
    uow: UnitOfWork, library: InstrumentLibrary, row: OccasionRow, rule: Rule, institution: InstitutionRow
) -> list[EventType]:
    today = local_day(uow.now)
    await uow.session.execute(
        text("select pg_advisory_xact_lock(:space, hashtext(:id))"), {"space": ASKING, "id": institution.id}
    )
    ref = row.respondent_ref
    if rule.respondent is RespondentKind.ENTERPRISE:
        ref = await living_end(uow, ref)
    before = len(uow.recorded)
    try:
        campaign = await _campaign_for(uow, library, institution, rule.instrument, today)
    except NotFound:
        row.status = OFF  # no such instrument is published any more: the rule wants another
        return []
    if campaign is None:
        row.status = PASSED
        return []
    twin = await _asked_already(uow, rule, campaign, ref, row.months)
    if twin is not None:
        row.status, row.invitation_id = COVERED, twin
        return [each.type for each in uow.recorded[before:]]
    outcome = domain.make(
        new_id(),
        (campaign.id, campaign.instrument, campaign.campaign().period),
        institution.id,
        (rule.respondent, ref),
        (rule.occasion, row.source_id, row.months),
        (today, rule.valid_days),
    )
    await _record(uow, outcome, org_path=institution.org_path, rule=rule)
    row.status, row.invitation_id = INVITED, outcome[1].id
    return [each.type for each in uow.recorded[before:]]


async def _campaign_for(
    uow: UnitOfWork, library: InstrumentLibrary, institution: InstitutionRow, instrument: str, today: date
) -> CampaignRow | None:
    """The open campaign of a wave, else any open one, else the standing one of the year, made where there is none.

    None where the coordinator has closed the standing one: then nobody is to be asked this year.
    """
    here = (col(CampaignRow.institution_id) == institution.id, col(CampaignRow.instrument) == instrument)
    query = (
        select(CampaignRow)
        .where(
            *here,
            col(CampaignRow.status) == CampaignStatus.OPEN.value,
            col(CampaignRow.first_day) <= today,
            col(CampaignRow.last_day) >= today,
            col(CampaignRow.full_since).is_(None),
        )
        .order_by(
            col(CampaignRow.wave_id).is_(None), col(CampaignRow.standing).is_not(None), col(CampaignRow.id).desc()
        )
        .limit(1)
    )
    found: CampaignRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    if found is not None:
        return found
    year, period = domain.academic_year(today)
    closed = select(func.count()).select_from(CampaignRow).where(*here, col(CampaignRow.standing) == year)
    if (await uow.session.execute(closed)).scalar_one():
        return None
    newest = await library.ensure(uow.session, instrument)
    campaign = Campaign(
        id=new_id(),
        version=2,
        instrument=newest.code,
        instrument_version=newest.version,
        institution_id=institution.id,
        period=period,
        status=CampaignStatus.OPEN,
        group=newest.group,
        standing=year,
    )
    return await campaigns.add(uow, campaign, institution.org_path)


async def _asked_already(uow: UnitOfWork, rule: Rule, campaign: CampaignRow, ref: str, months: int) -> str | None:
    """The invitation by which this person was asked already, as far as the rule minds."""
    if rule.once_per is OncePer.OCCASION:
        return None
    query = select(col(InvitationRow.id)).where(
        col(InvitationRow.institution_id) == campaign.institution_id,
        col(InvitationRow.respondent_ref) == ref,
        col(InvitationRow.instrument) == rule.instrument,
        col(InvitationRow.respondent) == rule.respondent.value,
        col(InvitationRow.months) == months,
        col(InvitationRow.status) != InvitationStatus.WITHDRAWN.value,
    )
    if rule.once_per is OncePer.CAMPAIGN:
        query = query.where(col(InvitationRow.campaign_id) == campaign.id)
    else:
        limit = local_day(uow.now) - timedelta(days=domain.PERSON_DAYS)
        query = query.where(col(InvitationRow.state)["made_on"].astext >= limit.isoformat())
    found: str | None = (await uow.session.execute(query.limit(1))).scalar_one_or_none()
    return found


# -- lists


async def invite_listed(uow: UnitOfWork, command: InviteListed) -> InvitationState:
    """Invite one reference of a list; whoever is invited to the campaign already is not invited twice."""
    query = select(CampaignRow).where(
        col(CampaignRow.id) == command.campaign_id, CampaignRow.visible(uow.principal.scope)
    )
    row = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="campaign", id=command.campaign_id)
    campaign = row.campaign()
    today = local_day(uow.now)
    if campaign.is_over(today):
        raise CampaignOver(last=campaign.period.last.isoformat())
    twin = select(col(InvitationRow.id)).where(
        col(InvitationRow.campaign_id) == campaign.id,
        col(InvitationRow.respondent_ref) == command.ref,
        col(InvitationRow.status).in_(OPEN),
    )
    if (found := (await uow.session.execute(twin.limit(1))).scalar_one_or_none()) is not None:
        raise AlreadyExists(what="invitation", id=found)
    outcome = domain.make(
        new_id(),
        (campaign.id, campaign.instrument, campaign.period),
        campaign.institution_id,
        (command.respondent, command.ref),
        (Occasion.LIST, None, 0),
        (max(today, campaign.period.first), command.valid_days),
    )
    outcome = outcome[0], outcome[1].model_copy(update={"made_on": today})
    await _record(uow, outcome, org_path=row.org_path, rule=_of_lists(command))
    return outcome[1]


def _of_lists(command: InviteListed) -> Rule:
    """How people of a list are reminded: as the events' rules do at the start."""
    return domain.RULES["placement-student"].model_copy(update={"valid_days": command.valid_days})


async def withdraw(uow: UnitOfWork, id_: str) -> InvitationState:
    """Take an invitation back that nobody has taken up; its secret opens nothing any more."""
    outcome = domain.move(await load(uow, id_), domain.Step.WITHDRAW, local_day(uow.now))
    await _record(uow, outcome)
    return outcome[1]


async def remind(uow: UnitOfWork, id_: str) -> InvitationState:
    """Note that the coordinator reminded somebody; the next reminder by the calendar comes so much later.

    Where the calendar has called for it, this answers that call and is no second reminder.
    """
    invitation = await load(uow, id_)
    row = await uow.session.get_one(InvitationRow, id_)
    today = local_day(uow.now)
    called = invitation.reminded_on
    pending = invitation.status is InvitationStatus.PENDING
    if not pending or called is None or (row.spoken_on is not None and row.spoken_on >= called):
        outcome = domain.remind_now(invitation, today)
        await _record(uow, outcome, rule=await _rule_of(uow.session, invitation))
        invitation = outcome[1]
    row.spoken_on = today
    return invitation


# -- secrets


@dataclass(frozen=True, slots=True)
class Handed:
    """A secret that is shown this once, and whom it is for."""

    invitation: str
    respondent_ref: str
    code: AccessCode


async def hand_over(
    uow: UnitOfWork, vault: Vault, campaign_id: str, command: domain.HandOver, key: str
) -> dict[str, Any]:
    """Give out secrets of a campaign's pending invitations; a secret that was given out before opens nothing any more.

    `key` is the idempotency key: with it, and for as long as it is remembered, the same secrets are shown again.
    """
    query = select(InvitationRow).where(
        col(InvitationRow.campaign_id) == campaign_id,
        col(InvitationRow.status) == InvitationStatus.PENDING.value,
        InvitationRow.visible(uow.principal.scope),
    )
    if command.invitations:
        query = query.where(col(InvitationRow.id).in_(set(command.invitations)))
    else:
        query = query.where(col(InvitationRow.fingerprint).is_(None)).limit(domain.MOST_LISTED)
    rows = list((await uow.session.execute(query.order_by(col(InvitationRow.id)).with_for_update())).scalars())
    missing = set(command.invitations) - {row.id for row in rows}
    if missing:
        raise NotFound(what="invitation", id=min(missing)[:100])
    batch = new_id()
    for row, code in zip(rows, vault.codes(batch, key, len(rows)), strict=True):
        row.fingerprint = fingerprint(vault, code)
        row.handed_on = local_day(uow.now)
    await uow.session.flush()
    items = [{"invitation": row.id, "respondent_ref": row.respondent_ref} for row in rows]
    return {"batch": batch, "campaign": campaign_id, "count": len(rows), "items": items}


def fingerprint(vault: Vault, code: AccessCode) -> bytes:
    """What is stored of an invitation's secret."""
    return vault.mark_of("", "invitation", code.encode())


@dataclass(frozen=True, slots=True)
class Invited:
    """What stands behind an invitation's secret, for the page that turns it into a token."""

    invitation: InvitationState
    campaign: Campaign
    institution_name: str


async def invited(session: AsyncSession, vault: Vault, code: AccessCode) -> Invited | None:
    """What a secret opens, None for one that was never given out or was replaced; needs the service's own scope."""
    query = (
        select(InvitationRow, CampaignRow, col(InstitutionRow.name))
        .join(CampaignRow, col(CampaignRow.id) == InvitationRow.campaign_id)
        .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
        .where(col(InvitationRow.fingerprint) == fingerprint(vault, code))
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    return Invited(InvitationState.model_validate(found[0].state), found[1].campaign(), found[2])


Require = Callable[[Campaign], Awaitable[None]]
Sign = Callable[[Campaign], Awaitable[bytes]]
"""Signs the blinded message of a redemption with the campaign's key; the same message gives the same signature."""


async def redeem(
    uow: UnitOfWork, vault: Vault, code: AccessCode, blinded: bytes, require: Require, sign: Sign
) -> bytes:
    """One signature for one invitation; the same blinded message again gets the same, another one is refused.

    What cannot be signed is refused first (`require`): whoever sends it to invitations that are not theirs would learn
    which of them were taken up, and leave no trace.

    The invitation's own row is neither written nor locked: nothing but a keyed hash says that it was taken up, and
    neither transaction ids nor times in the tables pair an invitation with an answer.

    Raises UnknownInvitation, InvitationUsed, CampaignOver, CampaignFull, or WrongState for one that ended.
    """
    found = await invited(uow.session, vault, code)
    if found is None:
        raise domain.UnknownInvitation
    invitation, campaign = found.invitation, found.campaign
    await require(campaign)
    taken = {
        "fingerprint": vault.mark_of(campaign.id, "redemption", invitation.id.encode()),
        "campaign_id": campaign.id,
        "blinded": vault.mark_of(campaign.id, "blinded", blinded),
        "told": False,
    }
    mine = select(redemption.c.blinded).where(redemption.c.fingerprint == taken["fingerprint"])
    before = (await uow.session.execute(mine)).scalar_one_or_none()
    other = before is not None and bytes(before) != taken["blinded"]
    if before is None or (other and invitation.status is not InvitationStatus.REDEEMED):
        # Whoever is kept out hears the same whether it was taken up or not, until that is told of k at once.
        require_open(invitation, campaign, local_day(uow.now))
    if before is None:
        await uow.session.execute(insert(redemption).values(taken).on_conflict_do_nothing())
        before = (await uow.session.execute(mine)).scalar_one()
    elif campaign.is_over(local_day(uow.now)):
        raise CampaignOver(last=campaign.period.last.isoformat())
    if bytes(before) != taken["blinded"]:
        raise domain.InvitationUsed
    return await sign(campaign)


def require_open(invitation: InvitationState, campaign: Campaign, today: date) -> None:
    """Raise what keeps somebody with an invitation out at the door."""
    if campaign.is_over(today):
        raise CampaignOver(last=campaign.period.last.isoformat())
    if invitation.status is not InvitationStatus.PENDING:
        raise WrongState(state=invitation.status.value, step=domain.Step.REDEEM.value)
    if campaign.full_since is not None:
        raise CampaignFull(since=campaign.full_since.isoformat())


# -- passing time


async def pass_time(uow: UnitOfWork, id_: str, step: int) -> list[EventType]:
    """Remind of an invitation, or let it lapse – not before those of its campaign that can be told as taken up are."""
    row = await uow.session.get_one(InvitationRow, id_)
    invitation = await load(uow, id_)
    today = local_day(uow.now)
    if row.lapses_on <= today:
        untold = select(func.count()).select_from(redemption)
        untold = untold.where(redemption.c.campaign_id == row.campaign_id, ~redemption.c.told)
        if (await uow.session.execute(untold)).scalar_one() >= step:
            return []
        outcome = domain.move(invitation, domain.Step.LAPSE, today)
        await _record(uow, outcome)
        return [outcome[0]]
    rule = await _rule_of(uow.session, invitation)
    if domain.next_reminder(invitation, rule.remind_after_days, rule.reminders) is None:
        row.remind_on = None  # the rule has changed: there are no more
        return []
    outcome = domain.move(invitation, domain.Step.REMIND, today)
    await _record(uow, outcome, rule=rule)
    return [outcome[0]]


async def tell_redeemed(uow: UnitOfWork, vault: Vault, campaign_id: str, step: int) -> int:
    """Tell who took an invitation up, in an order drawn by chance, if there are `step` or more untold; else nothing.

    What is left when a campaign ends is never told: those invitations lapse like the others.
    """
    untold = redemption.c.campaign_id == campaign_id, ~redemption.c.told
    query = select(redemption.c.fingerprint).where(*untold).with_for_update(skip_locked=True)
    marks = {bytes(found) for found in (await uow.session.execute(query)).scalars()}
    if len(marks) < step:
        return 0
    pending = (
        select(col(InvitationRow.id))
        .where(
            col(InvitationRow.campaign_id) == campaign_id,
            col(InvitationRow.status) == InvitationStatus.PENDING.value,
        )
        .order_by(col(InvitationRow.id))
    )
    ids = list((await uow.session.execute(pending)).scalars())
    redeemed = [id_ for id_ in ids if vault.mark_of(campaign_id, "redemption", id_.encode()) in marks]
    _CHANCE.shuffle(redeemed)
    for id_ in redeemed:
        invitation = await load(uow, id_)
        if invitation.status is InvitationStatus.PENDING:
            await _record(uow, domain.move(invitation, domain.Step.REDEEM, local_day(uow.now)))
    await uow.session.execute(update(redemption).where(redemption.c.fingerprint.in_(marks)).values(told=True))
    return len(redeemed)


async def with_untold(session: AsyncSession, step: int) -> Sequence[str]:
    """Campaigns of which `step` redemptions or more are untold; needs the service's own scope."""
    query = (
        select(redemption.c.campaign_id)
        .where(~redemption.c.told)
        .group_by(redemption.c.campaign_id)
        .having(func.count() >= step)
    )
    return (await session.execute(query)).scalars().all()


# -- merges


async def follow_merge(uow: UnitOfWork, old: str, new: str) -> None:
    """Invitations of a merged enterprise become the living one's; two to one campaign become one."""
    query = (
        select(col(InvitationRow.id))
        .where(
            col(InvitationRow.respondent) == RespondentKind.ENTERPRISE.value,
            col(InvitationRow.respondent_ref).in_([old, new]),
        )
        .order_by(col(InvitationRow.id))
        .with_for_update()
    )
    states = [await load(uow, id_) for id_ in (await uow.session.execute(query)).scalars().all()]
    kept = {each.campaign_id for each in states if each.respondent_ref == new and each.status.value in OPEN}
    for state in states:
        if state.respondent_ref != old:
            continue
        if state.status is InvitationStatus.PENDING and state.campaign_id in kept:
            outcome = domain.move(state, domain.Step.WITHDRAW, local_day(uow.now))
        else:
            outcome = domain.move(state, domain.Step.REASSIGN, local_day(uow.now), respondent_ref=new)
        await _record(uow, outcome)


# -- rows


async def load(uow: UnitOfWork, id_: str) -> InvitationState:
    """An invitation, locked until the end; raises NotFound."""
    return await uow.load(InvitationRow, InvitationState, id_, what="invitation")


async def _rule_of(session: AsyncSession, invitation: InvitationState) -> Rule:
    known = await rules(session)
    for rule in known.values():
        if rule.occasion is invitation.occasion and rule.respondent is invitation.respondent:
            return rule
    return known["placement-student"]


async def _record(
    uow: UnitOfWork, outcome: domain.Outcome, *, org_path: str | None = None, rule: Rule | None = None
) -> None:
    """Store and tell; `rule` gives the next reminder, without it there is none."""
    event_type, state = outcome
    if org_path is None:
        org_path = (await uow.session.get_one(InvitationRow, state.id)).org_path
    await uow.record(InvitationRow, event_type, state, key=state.institution_id, org_path=org_path)
    row = await uow.session.get_one(InvitationRow, state.id)
    if rule is not None:
        row.remind_on = domain.next_reminder(state, rule.remind_after_days, rule.reminders)
    elif state.status is not InvitationStatus.PENDING:
        row.remind_on = None
        if state.status is InvitationStatus.WITHDRAWN:
            row.fingerprint = None  # the secret opens nothing any more, and says nothing of why
