"""Webhooks: where events of an institution or a territory are sent, which ones, and when a sending is given up."""

import base64
import random
import re
import secrets
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import Name
from shared.contracts.platform import (
    WEBHOOK_CHANGED,
    WEBHOOK_DISABLED,
    WEBHOOK_ENABLED,
    WEBHOOK_REGISTERED,
    WEBHOOK_REMOVED,
    WEBHOOK_ROTATED,
    DisabledReason,
    WebhookState,
    WebhookStatus,
)
from shared.errors import WrongState

Outcome = tuple[EventType, WebhookState]

OVERLAP = timedelta(hours=24)
"""So long after a rotation the former secret signs too."""
RETRIES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses before another attempt, as Standard Webhooks recommends: a little over three days in all."""
KEPT_DAYS = 30
"""So long deliveries are kept, and can be replayed."""
STEPS: dict[WebhookStatus, dict[str, WebhookStatus]] = {
    WebhookStatus.ACTIVE: {
        "change": WebhookStatus.ACTIVE,
        "rotate": WebhookStatus.ACTIVE,
        "test": WebhookStatus.ACTIVE,
        "replay": WebhookStatus.ACTIVE,
        "disable": WebhookStatus.DISABLED,
        "remove": WebhookStatus.REMOVED,
    },
    WebhookStatus.DISABLED: {
        "change": WebhookStatus.DISABLED,
        "rotate": WebhookStatus.DISABLED,
        "enable": WebhookStatus.ACTIVE,
        "remove": WebhookStatus.REMOVED,
    },
    WebhookStatus.REMOVED: {},
}
NEVER_SENT = ("hamkor.surveys.",)
"""A survey's events come answer by answer: to send them would undo the suppression of small numbers."""


def _url(value: str) -> str:
    if any(not 32 < ord(character) < 127 for character in value):
        raise ValueError("webhook_url")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("webhook_url") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise ValueError("webhook_url")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("webhook_url")
    return value


Url = Annotated[
    str, StringConstraints(max_length=500), AfterValidator(_url), Field(json_schema_extra={"format": "uri"})
]
TypePattern = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^hamkor\.(\*|(partners|agreements|monitoring)\.[a-z0-9_.]*\*?)$")
]
Types = Annotated[tuple[TypePattern, ...], Field(min_length=1, max_length=50)]
TYPES_TEXT = "event types, each whole or ending in `*`: `hamkor.agreements.agreement.*`, `hamkor.*`"


class Endpoint(BaseModel):
    """Where a webhook leads; no event tells it."""

    url: str = ""
    label: str = ""


class RegisterWebhook(Command):
    """A new endpoint of an institution or a territorial office."""

    owner: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{2,64}$")] = Field(
        description="whose events: an institution's id, or a territory code (17, region, district)"
    )
    label: Name = Field(description="what the endpoint is for, as people call it")
    url: Url = Field(description="an https address with a public host; no redirect is followed")
    types: Types = Field(description=TYPES_TEXT)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "owner": "1708201",
                    "label": "Tuman portali",
                    "url": "https://portal.example.uz/hamkor/events",
                    "types": ["hamkor.agreements.agreement.*", "hamkor.partners.visit.held.v1"],
                }
            ]
        }
    )


class ChangeWebhook(Command):
    """Another address, label or choice of events; what is left out stays."""

    label: Name | None = Field(default=None, description="what the endpoint is for")
    url: Url | None = Field(default=None, description="an https address with a public host")
    types: Types | None = Field(default=None, description=TYPES_TEXT)

    model_config = ConfigDict(json_schema_extra={"examples": [{"types": ["hamkor.agreements.*"]}]})


def register(id_: str, command: RegisterWebhook) -> Outcome:
    """An active webhook with its first secret."""
    return WEBHOOK_REGISTERED, WebhookState(
        id=id_, version=1, owner=command.owner, types=_types(command.types), status=WebhookStatus.ACTIVE, secrets=1
    )


def change(state: WebhookState, command: ChangeWebhook) -> Outcome:
    """Another choice of events (or only another address, which the state does not hold)."""
    return WEBHOOK_CHANGED, _step(state, "change", types=_types(command.types) if command.types else state.types)


def rotate(state: WebhookState) -> Outcome:
    """Another secret; the former signs along for a day."""
    return WEBHOOK_ROTATED, _step(state, "rotate", secrets=state.secrets + 1)


def disable(state: WebhookState, reason: DisabledReason) -> Outcome:
    """Nothing is sent any more; what happens is kept for when it is enabled again."""
    return WEBHOOK_DISABLED, _step(state, "disable", disabled_reason=reason)


def enable(state: WebhookState) -> Outcome:
    """Send again, what was kept first."""
    return WEBHOOK_ENABLED, _step(state, "enable", disabled_reason=None)


def remove(state: WebhookState) -> Outcome:
    """Gone for good."""
    return WEBHOOK_REMOVED, _step(state, "remove", disabled_reason=None)


def require(state: WebhookState, step: str) -> None:
    """Raise WrongState unless `step` is possible now, naming what is."""
    possible = STEPS[state.status]
    if step not in possible:
        raise WrongState(state=state.status.value, step=step, possible=", ".join(possible))


def _step(state: WebhookState, step: str, **changes: object) -> WebhookState:
    require(state, step)
    status = STEPS[state.status][step]
    return state.model_copy(update={"status": status, "version": state.version + 1, **changes})


def _types(types: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(types)))


def wants(types: tuple[str, ...], event_type: str) -> bool:
    """Whether a webhook of these types is sent events of `event_type`."""
    if event_type.startswith(NEVER_SENT):
        return False
    return any(event_type.startswith(wanted[:-1]) if wanted.endswith("*") else event_type == wanted for wanted in types)


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after `attempts` attempts, a fifth sooner or later; None when it is given up."""
    if attempts > len(RETRIES_S):
        return None
    pause_s = RETRIES_S[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret
    return now + timedelta(seconds=pause_s)


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


TERRITORY = re.compile(r"17([0-9]{2}([0-9]{3})?)?")
