"""Keys of campaigns, and blind signatures under them."""

import asyncio
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.domain.tokens import PublicKey, SecretKey
from services.surveys.tables import token_key
from services.surveys.vault import Vault
from shared.persistence.unit_of_work import UnitOfWork


async def public_key(session: AsyncSession, campaign_id: str) -> PublicKey | None:
    """The key that a campaign's tokens are verified with, None before the first was asked for."""
    query = select(token_key.c.public).where(token_key.c.campaign_id == campaign_id)
    der = (await session.execute(query)).scalar_one_or_none()
    return None if der is None else _public(bytes(der))


async def ensure_key(uow: UnitOfWork, vault: Vault, campaign_id: str) -> PublicKey:
    """The key of a campaign, made where there is none; of two who make one at once, one key stays.

    Its secret half is stored sealed under the pepper: whoever has the database alone can sign nothing.
    """
    found = await public_key(uow.session, campaign_id)
    if found is not None:
        return found
    made = await asyncio.to_thread(SecretKey.make)
    row = {
        "campaign_id": campaign_id,
        "public": made.public.der,
        "sealed": vault.seal_key(campaign_id, made.der),
    }
    await uow.session.execute(insert(token_key).values(row).on_conflict_do_nothing())
    found = await public_key(uow.session, campaign_id)
    assert found is not None
    return found


async def require_blinded(uow: UnitOfWork, vault: Vault, campaign_id: str, blinded: bytes) -> None:
    """Raise BadBlinded for what the campaign's key would not sign, whatever is to be redeemed by it."""
    (await ensure_key(uow, vault, campaign_id)).require(blinded)


async def sign_blinded(uow: UnitOfWork, vault: Vault, campaign_id: str, blinded: bytes) -> bytes:
    """The blind signature of a campaign; raises BadBlinded, SealBroken.

    Whoever calls it has made sure, in the same transaction, that there is a key and that what is redeemed is redeemed
    once.
    """
    query = select(token_key.c.sealed).where(token_key.c.campaign_id == campaign_id)
    sealed = bytes((await uow.session.execute(query)).scalar_one())
    key = SecretKey.read(vault.unseal_key(campaign_id, sealed))
    return await asyncio.to_thread(key.blind_sign, blinded)


@lru_cache(500)
def _public(der: bytes) -> PublicKey:
    return PublicKey.read(der)
