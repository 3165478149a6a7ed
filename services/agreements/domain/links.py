"""Links by which a party without an account signs: for one signature, until a day, revocable; no token is kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.agreements.domain.agreements import AlreadySigned, SignAgreement, Signer, sign
from services.agreements.domain.inputs import Command
from services.agreements.domain.lifecycle import Outcome, Step, require
from shared.clock import local_day
from shared.contracts.agreements import AgreementState, InternshipTerm, Party, Renewal, SignatureKind
from shared.contracts.events import State
from shared.contracts.fields import Ref
from shared.contracts.vocabulary import Form, Opportunity, PartyCategory
from shared.errors import DomainError, FieldError, InvalidInput, WrongState

HAVE_ACCOUNTS = frozenset({PartyCategory.INSTITUTION, PartyCategory.ENTERPRISE})
"""Who signs signed in, or on paper; all others may be sent a link."""


class UnknownLink(DomainError):
    """No link has this token: mistyped, cut off, or guessed."""

    status = 404
    code = "link-not-found"


class LinkUsed(DomainError):
    """A link is for one signature."""

    status = 410
    code = "link-used"


class LinkExpired(DomainError):
    """A link counts until its time."""

    status = 410
    code = "link-expired"


class LinkRevoked(DomainError):
    """The institution took the link back, or sent another one."""

    status = 410
    code = "link-revoked"


class AgreementChanged(DomainError):
    """A party signs what it was shown, nothing that came afterwards; the link stays good."""

    code = "agreement-changed"


class LinkStatus(StrEnum):
    """What a link is good for."""

    OPEN = "open"
    USED = "used"
    REVOKED = "revoked"
    EXPIRED = "expired"


class IssueLink(Command):
    """Make a link by which a party without an account signs; the party's earlier links are revoked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"party_id": "p3", "days": 14}]})

    party_id: Ref = Field(description="one of the agreement's parties that is no institution or enterprise")
    days: Annotated[int, Field(ge=1, le=60, description="how many days the link counts")] = 14


class Confirm(Command):
    """Sign by a link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agreed": True, "version": 3}]})

    agreed: Literal[True] = Field(description="the party has read what GET shows, and agrees")
    version: Annotated[int, Field(ge=0, description="the version GET showed; nothing else is signed than that")]


class Link(State):
    """A link as the institution sees it; version 1 is open, 2 is used or revoked."""

    agreement_id: str
    party_id: str
    status: LinkStatus
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


class IssuedLink(Link):
    """A new link: token and path are shown this once."""

    token: str | None = Field(default=None, description="shown once; only its hash is kept")
    path: str | None = Field(default=None, description="path of the page at the portal: /c/{token}")


class Confirmation(BaseModel):
    """What is being signed, as the party that holds the link sees it."""

    agreement_id: str
    version: int = Field(description="of the agreement; sent back with the confirmation")
    institution_id: str
    form: Form
    opportunities: tuple[Opportunity, ...]
    valid_from: str
    valid_until: str
    renewal: Renewal | None = Field(description="whether it goes on by itself after its last day, and for how long")
    parties: tuple[Party, ...]
    names: dict[str, str] = Field(description="of institutions and enterprises among the parties, by `party_id`")
    schedule: tuple[InternshipTerm, ...]
    party_id: str = Field(description="the party that signs by this link")
    expires_at: datetime
    signed: bool = Field(description="whether this party has signed; true in the answer to a confirmation")


def issue(id_: str, agreement: AgreementState, command: IssueLink, now: datetime) -> Link:
    """A new link; raises WrongState unless a signature is awaited, AlreadySigned, InvalidInput for a wrong party."""
    require(agreement, Step.SIGN)
    party = party_of(agreement, command.party_id)
    if party is None:
        raise InvalidInput(FieldError("party_id", "unknown_party", {"value": command.party_id}))
    if party.category in HAVE_ACCOUNTS:
        raise InvalidInput(FieldError("party_id", "party_has_account", {"value": command.party_id}))
    if party.signature is not None:
        raise AlreadySigned(party_id=party.party_id)
    return Link(
        id=id_,
        version=1,
        agreement_id=agreement.id,
        party_id=party.party_id,
        status=LinkStatus.OPEN,
        made_at=now,
        expires_at=now + timedelta(days=command.days),
    )


def require_open(link: Link) -> None:
    """Raise what is wrong with a link that is not open any more."""
    match link.status:
        case LinkStatus.USED:
            raise LinkUsed
        case LinkStatus.REVOKED:
            raise LinkRevoked
        case LinkStatus.EXPIRED:
            raise LinkExpired(until=link.expires_at.isoformat())


def require_signable(link: Link, agreement: AgreementState) -> None:
    """Raise what is wrong with the link, WrongState where no signature is awaited, AlreadySigned."""
    require_open(link)
    require(agreement, Step.SIGN)
    party = party_of(agreement, link.party_id)
    if party is not None and party.signature is not None:
        raise AlreadySigned(party_id=party.party_id)


def require_revocable(link: Link) -> None:
    """Raise WrongState for a link that is not open any more: there is nothing to take back."""
    if link.status is not LinkStatus.OPEN:
        raise WrongState(state=link.status.value, step="revoke", possible="")


def sign_by(link: Link, agreement: AgreementState, command: Confirm, now: datetime) -> Outcome:
    """The signature of the link's party today.

    Raises as signing does, what is wrong with the link, AgreementChanged where the party was shown another version.
    """
    require_signable(link, agreement)
    if command.version != agreement.version:
        raise AgreementChanged
    party = party_of(agreement, link.party_id)
    assert party is not None, "parties of an agreement stay"
    today = local_day(now)
    signature = SignAgreement(party_id=party.party_id, kind=SignatureKind.ELECTRONIC, signed_on=today)
    return sign(agreement, signature, Signer(party.category, party.ref), today)


def confirmation(link: Link, agreement: AgreementState, names: Mapping[str, str]) -> Confirmation:
    """What is being signed; the other parties' scans are nobody's business.

    `names` of institutions and enterprises by the reference under which they are parties, as far as they are known.
    """
    party = party_of(agreement, link.party_id)
    return Confirmation(
        agreement_id=agreement.id,
        version=agreement.version,
        institution_id=agreement.institution_id,
        form=agreement.form,
        opportunities=agreement.opportunities,
        valid_from=agreement.valid_from.isoformat(),
        valid_until=agreement.valid_until.isoformat(),
        renewal=agreement.renewal,
        parties=tuple(_without_scan(each) for each in agreement.parties),
        names={
            each.party_id: names[each.ref]
            for each in agreement.parties
            if each.category in HAVE_ACCOUNTS and each.ref in names
        },
        schedule=agreement.schedule,
        party_id=link.party_id,
        expires_at=link.expires_at,
        signed=party is not None and party.signature is not None,
    )


def party_of(agreement: AgreementState, party_id: str) -> Party | None:
    """The party with this id."""
    return next((party for party in agreement.parties if party.party_id == party_id), None)


def _without_scan(party: Party) -> Party:
    if party.signature is None:
        return party
    return party.model_copy(update={"signature": party.signature.model_copy(update={"scan_ref": None})})
