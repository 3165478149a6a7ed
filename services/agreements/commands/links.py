"""Use cases of links: issued and revoked by the institution, used once by a party that has no account.

The agreement is always locked before its links, so that using, revoking and issuing wait for each other in one order.
"""

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.commands.agreements import present_agreement, record_outcome
from services.agreements.domain import links as domain
from services.agreements.tables.agreements import AgreementRow, EnterpriseRef, InstitutionRef
from services.agreements.tables.links import LinkRow
from shared.contracts.agreements import AgreementState
from shared.errors import NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork, is_uuid

TOKEN_BYTES = 32


async def issue_link(uow: UnitOfWork, agreement_id: str, command: domain.IssueLink) -> tuple[domain.Link, str]:
    """A new link and its token, which is told this once; earlier links of the party are revoked."""
    agreement = await present_agreement(uow, agreement_id)
    link = domain.issue(new_id(), agreement, command, uow.now)
    for row in await _rows(uow.session, agreement.id, command.party_id):
        if _seen(row, uow.now).status is domain.LinkStatus.OPEN:
            row.revoked_at = uow.now
    token = secrets.token_urlsafe(TOKEN_BYTES)
    uow.session.add(
        LinkRow(
            id=UUID(link.id),
            agreement_id=link.agreement_id,
            party_id=link.party_id,
            token_hash=hash_of(token),
            made_at=link.made_at,
            expires_at=link.expires_at,
        )
    )
    await uow.session.flush()
    return link, token


async def revoke_link(uow: UnitOfWork, agreement_id: str, link_id: str) -> domain.Link:
    """Take a link back; raises WrongState where it was used, revoked or has expired."""
    await present_agreement(uow, agreement_id)
    row = await uow.session.get(LinkRow, UUID(link_id)) if is_uuid(link_id) else None
    if row is None or row.agreement_id != agreement_id:
        raise NotFound(what="link", id=link_id[:100])
    domain.require_revocable(_seen(row, uow.now))
    row.revoked_at = uow.now
    await uow.session.flush()
    return _seen(row, uow.now)


async def confirm_by_link(uow: UnitOfWork, token: str, command: domain.Confirm) -> domain.Confirmation:
    """Sign for the link's party; the link is used up.

    Raises UnknownLink, what is wrong with the link, AgreementChanged, WrongState.
    """
    found = await _find(uow.session, token)
    agreement = await present_agreement(uow, found.agreement_id)
    # Read again under the agreement's lock: whoever held it may have used or revoked the link meanwhile.
    await uow.session.refresh(found)
    link = _seen(found, uow.now)
    await record_outcome(uow, domain.sign_by(link, agreement, command, uow.now))
    found.used_at = uow.now
    # With the last signature it may be in force at once.
    agreement = await present_agreement(uow, agreement.id)
    return domain.confirmation(link, agreement, await _names(uow.session, agreement))


async def shown_by_link(session: AsyncSession, token: str, now: datetime) -> domain.Confirmation:
    """What the link's party would sign; changes nothing. Raises UnknownLink, what is wrong with the link."""
    found = await _find(session, token)
    row = await session.get_one(AgreementRow, found.agreement_id)
    agreement = AgreementState.model_validate(row.state)
    link = _seen(found, now)
    domain.require_signable(link, agreement)
    return domain.confirmation(link, agreement, await _names(session, agreement))


async def links_of(session: AsyncSession, agreement_id: str, now: datetime) -> list[domain.Link]:
    """The links of an agreement, the oldest first."""
    query = select(LinkRow).where(col(LinkRow.agreement_id) == agreement_id).order_by(col(LinkRow.id))
    return [_seen(row, now) for row in (await session.execute(query)).scalars()]


def hash_of(token: str) -> bytes:
    """What is kept of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def _find(session: AsyncSession, token: str) -> LinkRow:
    digest = hash_of(token)
    row: LinkRow | None = (
        await session.execute(select(LinkRow).where(col(LinkRow.token_hash) == digest))
    ).scalar_one_or_none()
    # The index compares hashes: how long it takes says nothing of the token. This comparison says so in code.
    if row is None or not hmac.compare_digest(bytes(row.token_hash), digest):
        raise domain.UnknownLink
    return row


async def _names(session: AsyncSession, agreement: AgreementState) -> dict[str, str]:
    """What institutions and enterprises among the parties are called, as far as it was told."""
    refs = [each.ref for each in agreement.parties if each.category in domain.HAVE_ACCOUNTS]
    found: dict[str, str] = {}
    for table in (InstitutionRef, EnterpriseRef):
        query = select(col(table.id), col(table.name)).where(col(table.id).in_(refs), col(table.name).is_not(None))
        found |= {row.id: row.name for row in await session.execute(query)}
    return found


async def _rows(session: AsyncSession, agreement_id: str, party_id: str) -> list[LinkRow]:
    query = select(LinkRow).where(col(LinkRow.agreement_id) == agreement_id, col(LinkRow.party_id) == party_id)
    return list((await session.execute(query)).scalars())


def _seen(row: LinkRow, now: datetime) -> domain.Link:
    """A link as it is at this moment."""
    if row.used_at is not None:
        status = domain.LinkStatus.USED
    elif row.revoked_at is not None:
        status = domain.LinkStatus.REVOKED
    else:
        status = domain.LinkStatus.EXPIRED if row.expires_at <= now else domain.LinkStatus.OPEN
    return domain.Link(
        id=str(row.id),
        version=1 if row.used_at is None and row.revoked_at is None else 2,
        agreement_id=row.agreement_id,
        party_id=row.party_id,
        status=status,
        made_at=row.made_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
