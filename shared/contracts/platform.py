"""What partners tells of schools' own systems: API keys and webhooks, without any secret, address or free text."""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, declare


class ApiKeyStatus(StrEnum):
    """A revoked key never comes back; an expired one is known by its last day."""

    ISSUED = "issued"
    REVOKED = "revoked"


class ApiKeyState(State):
    """A key with which an institution's own system acts for it: only `scopes`, up to and including `expires_on`."""

    institution_id: str
    status: ApiKeyStatus
    scopes: tuple[str, ...]
    issued_on: date
    expires_on: date
    revoked_on: date | None = None


class WebhookStatus(StrEnum):
    """A disabled webhook may be enabled again; a removed one is gone."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


class DisabledReason(StrEnum):
    """Why nothing is sent: its owner wished so, nothing was taken for days, or the endpoint said 410 Gone."""

    OWNER = "owner"
    FAILING = "failing"
    GONE = "gone"


class WebhookState(State):
    """A subscription to events of `owner`, an institution's id or a territory code: those that `types` fit.

    A type may end in `*`; `secrets` counts the signing secrets there have been. The address is nobody else's business.
    """

    owner: str
    types: tuple[str, ...]
    status: WebhookStatus
    secrets: int
    disabled_reason: DisabledReason | None = None


API_KEY_ISSUED, API_KEY_REVOKED = declare("partners", "api_key", ApiKeyState, "issued", "revoked")
WEBHOOK_REGISTERED, WEBHOOK_CHANGED, WEBHOOK_ROTATED, WEBHOOK_DISABLED, WEBHOOK_ENABLED, WEBHOOK_REMOVED = declare(
    "partners", "webhook", WebhookState, "registered", "changed", "rotated", "disabled", "enabled", "removed"
)
