"""API keys: with one an institution's own system acts for it, within the key's scopes, until its last day."""

import hashlib
import hmac
import secrets
from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Name
from shared.contracts.platform import API_KEY_ISSUED, API_KEY_REVOKED, ApiKeyState, ApiKeyStatus
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, ApiKeyState]
MOST_DAYS = 400
"""A year and a month: long enough to renew without haste, short enough that a forgotten key ends."""
ScopeName = Annotated[str, StringConstraints(pattern=r"^(read|write|[a-z_]{2,40}\.([a-z_]{2,40}|\*))$")]


class Label(BaseModel):
    """What people call a key; no event tells it."""

    label: str = ""


class IssueApiKey(Command):
    """A new key for an institution's own system."""

    institution_id: Id = Field(description="the institution for which the key acts")
    label: Name = Field(description="what the key is for, as people call it")
    scopes: Annotated[tuple[ScopeName, ...], Field(min_length=1, max_length=50)] = Field(
        description="what the key may do: `read`, `write`, all of one kind (`visit.*`) or one action (`visit.plan`)"
    )
    expires_on: date = Field(description=f"the last day on which the key works, at most {MOST_DAYS} days from today")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c1e4-7a52-7c3e-9d0b-5f7a1c2b3d4e",
                    "label": "Oʻquv portali",
                    "scopes": ["read", "visit.*", "employment.record"],
                    "expires_on": "2027-08-31",
                }
            ]
        }
    )


def issue(id_: str, command: IssueApiKey, today: date) -> Outcome:
    """A key that works from today; raises InvalidInput for a last day that is past or too far."""
    limit = today + timedelta(days=MOST_DAYS)
    if command.expires_on < today:
        raise InvalidInput(FieldError("expires_on", "earlier_than", {"limit": today.isoformat()}))
    if command.expires_on > limit:
        raise InvalidInput(FieldError("expires_on", "key_too_long", {"limit": limit.isoformat()}))
    return API_KEY_ISSUED, ApiKeyState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        status=ApiKeyStatus.ISSUED,
        scopes=tuple(sorted(set(command.scopes))),
        issued_on=today,
        expires_on=command.expires_on,
    )


def revoke(state: ApiKeyState, today: date) -> Outcome:
    """The key works no longer; raises WrongState for one that was revoked before."""
    if state.status is ApiKeyStatus.REVOKED:
        raise WrongState(state=state.status.value, step="revoke")
    changed = {"status": ApiKeyStatus.REVOKED, "revoked_on": today, "version": state.version + 1}
    return API_KEY_REVOKED, state.model_copy(update=changed)


def works(state: ApiKeyState, today: date) -> bool:
    """Whether the key is neither revoked nor past its last day."""
    return state.status is ApiKeyStatus.ISSUED and today <= state.expires_on


def new_secret() -> str:
    """32 random bytes in hexadecimal: nothing that could be guessed, so that a plain digest of it is safe to keep."""
    return secrets.token_hex(32)


def token_of(id_: str, secret: str) -> str:
    """The key as its owner keeps it."""
    return f"hk_{id_.replace('-', '')}_{secret}"


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def same(digest: bytes, secret: str) -> bool:
    """Whether a digest is that of `secret`, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(digest, digest_of(secret))
