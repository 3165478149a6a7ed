"""Agreements: drafting, signing by every party, amending, suspending, ending – and what passing time does to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from services.agreements.domain import periods
from services.agreements.domain.inputs import Command, Day, Opportunities, check_day
from services.agreements.domain.lifecycle import LIFECYCLE, Outcome, Step, require, take
from services.agreements.domain.schedules import Schedule, Terms, day_faults, is_complete, planned, with_results
from shared.contracts.agreements import (
    AGREEMENT_DRAFTED,
    AgreementState,
    AgreementStatus,
    Party,
    PartyWord,
    PendingAmendment,
    Renewal,
    Signature,
    SignatureKind,
)
from shared.contracts.fields import Id, Ref
from shared.contracts.vocabulary import Form, PartyCategory
from shared.errors import BrokenRule, DomainError, FieldError, Forbidden, InvalidInput

ONE_DAY = timedelta(days=1)


class AlreadySigned(DomainError):
    """A party signs once."""

    code = "already-signed"


class NotYourParty(Forbidden):
    """Everybody signs for themselves; the institution may record the others' signatures on paper, with their scan."""

    code = "not-your-party"


class PartyInput(Command):
    """A signatory: `ref` is the id of the institution or enterprise, else an opaque register number. Never a name."""

    category: PartyCategory
    ref: Ref


class RenewalInput(Command):
    """Renew by itself for so many months at a time, unless notice is given so many days before the last day."""

    months: Annotated[int, Field(ge=1, le=60)]
    notice_days: Annotated[int, Field(ge=0, le=365)] = 30


class DraftAgreement(Command):
    """Draw up an agreement of an institution with one to five others; `valid_until` is its last day."""

    institution_id: Id
    form: Form
    opportunities: Opportunities
    parties: Annotated[tuple[PartyInput, ...], Field(min_length=2, max_length=6)]
    valid_from: Day
    valid_until: Day
    renewal: RenewalInput | None = Field(default=None, description="left out: it ends after its last day")


class SignAgreement(Command):
    """A party's signature; one on paper names its scan."""

    party_id: Ref
    kind: SignatureKind
    signed_on: Day
    scan_ref: Ref | None = None

    @model_validator(mode="after")
    def _scan_of_paper(self) -> "SignAgreement":
        if self.kind is SignatureKind.PAPER and self.scan_ref is None:
            raise BrokenRule("scan_ref_required", "scan_ref")
        if self.kind is SignatureKind.ELECTRONIC and self.scan_ref is not None:
            raise BrokenRule("scan_ref_only_paper", "scan_ref")
        return self


class AmendAgreement(Command):
    """Change last day, opportunities or schedule with effect from a day (default: today); what is left out stays.

    Results of terms are not agreed, they are reported: those of terms that go on stay as they are.
    """

    effective_on: Day | None = None
    valid_until: Day | None = None
    opportunities: Opportunities | None = None
    schedule: Terms | None = None
    every_party: bool = Field(
        default=False, description="true: it counts only when every party has agreed to it, by confirm-amendment"
    )
    scan_ref: Ref | None = Field(
        default=None, description="the amendment as every party has signed it on paper; needed without every_party"
    )

    @model_validator(mode="after")
    def _something(self) -> "AmendAgreement":
        if self.valid_until is None and self.opportunities is None and self.schedule is None:
            raise ValueError("nothing_amended")
        return self

    @model_validator(mode="after")
    def _word_of_the_parties(self) -> "AmendAgreement":
        if self.every_party is (self.scan_ref is not None):
            raise BrokenRule("parties_word", "every_party")
        return self


class SuspendAgreement(Command):
    """Not active from `suspended_on` on (default: today)."""

    suspended_on: Day | None = None


class ResumeAgreement(Command):
    """Active again from `resumed_on` on (default: today)."""

    resumed_on: Day | None = None


class EndAgreement(Command):
    """Ended before its time; `ended_on` (default: today) is the first day on which it is no longer in force."""

    ended_on: Day | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom the caller signs for."""

    category: PartyCategory
    ref: str


def draft(id_: str, command: DraftAgreement) -> Outcome:
    """A new agreement; raises InvalidInput with every fault of its parties and days."""
    faults = list(_party_faults(command))
    if command.valid_until < command.valid_from:
        faults.append(FieldError("valid_until", "earlier_than", {"limit": command.valid_from.isoformat()}))
    if faults:
        raise InvalidInput(*faults)
    return AGREEMENT_DRAFTED, AgreementState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        form=command.form,
        opportunities=command.opportunities,
        status=AgreementStatus.DRAFT,
        parties=tuple(
            Party(party_id=f"p{number}", category=party.category, ref=party.ref)
            for number, party in enumerate(command.parties, start=1)
        ),
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        renewal=Renewal.model_validate(command.renewal.model_dump()) if command.renewal else None,
    )


def _party_faults(command: DraftAgreement) -> Iterator[FieldError]:
    seen: set[PartyInput] = set()
    for index, party in enumerate(command.parties):
        if party in seen:
            yield FieldError(f"parties.{index}.ref", "duplicate", {"value": party.ref})
        elif party.category is PartyCategory.INSTITUTION and party.ref != command.institution_id:
            yield FieldError(f"parties.{index}.ref", "other_institution", {"value": party.ref})
        seen.add(party)
    categories = [party.category for party in command.parties]
    if categories.count(PartyCategory.INSTITUTION) != 1:
        yield FieldError("parties", "one_institution")
    if not set(categories) - {PartyCategory.INSTITUTION, PartyCategory.STUDENT}:
        yield FieldError("parties", "partner_needed")


def sign(state: AgreementState, command: SignAgreement, signer: Signer, today: date) -> Outcome:
    """A signature; the last one makes the agreement signed, on the latest of the signing days.

    Raises NotYourParty, AlreadySigned, InvalidInput for an unknown party or a day in the future or after the validity,
    WrongState.
    """
    require(state, Step.SIGN)
    party = _party_of(state, command, signer)
    if party.signature is not None:
        raise AlreadySigned(party_id=party.party_id)
    if command.signed_on > today:
        raise InvalidInput(FieldError("signed_on", "in_future", {"value": command.signed_on.isoformat()}))
    if command.signed_on > state.valid_until:
        raise InvalidInput(FieldError("signed_on", "signed_after_end", {"limit": state.valid_until.isoformat()}))
    signature = Signature(kind=command.kind, signed_on=command.signed_on, scan_ref=command.scan_ref)
    signed = party.model_copy(update={"signature": signature})
    parties = tuple(signed if each is party else each for each in state.parties)
    days = [each.signature.signed_on for each in parties if each.signature is not None]
    if len(days) < len(parties):
        return take(state, Step.SIGN, parties=parties)
    return take(state, Step.COMPLETE, parties=parties, signed_on=max(days))


def confirm_amendment(state: AgreementState, command: SignAgreement, signer: Signer, today: date) -> Outcome:
    """A party agrees to the amendment that awaits it; with the last one it takes effect, not before its day.

    Raises NotYourParty, AlreadySigned, InvalidInput where nobody is awaited or for a day that can't be, WrongState.
    """
    require(state, Step.CONFIRM_AMENDMENT)
    party = _party_of(state, command, signer)
    pending = state.pending
    if pending is None or not pending.awaits:
        raise InvalidInput(FieldError("party_id", "no_amendment_awaits"))
    if party.party_id not in pending.awaits:
        raise AlreadySigned(party_id=party.party_id)
    check_day("signed_on", command.signed_on, first=pending.agreed_on, today=today)
    if pending.valid_until is not None and today > pending.valid_until:
        raise InvalidInput(FieldError("signed_on", "signed_after_end", {"limit": pending.valid_until.isoformat()}))
    signature = Signature(kind=command.kind, signed_on=command.signed_on, scan_ref=command.scan_ref)
    words = (*pending.words, PartyWord(party_id=party.party_id, signature=signature))
    changes: dict[str, Any] = {
        "words": words,
        "awaits": tuple(each for each in pending.awaits if each != party.party_id),
        # Nothing counts before everybody has agreed to it.
        "effective_on": max(pending.effective_on, command.signed_on),
    }
    return take(state, Step.CONFIRM_AMENDMENT, pending=pending.model_copy(update=changes))


def _party_of(state: AgreementState, command: SignAgreement, signer: Signer) -> Party:
    """The party that signs; raises InvalidInput for an unknown one, NotYourParty for somebody else's."""
    party = next((party for party in state.parties if party.party_id == command.party_id), None)
    if party is None:
        raise InvalidInput(FieldError("party_id", "unknown_party", {"value": command.party_id}))
    own = (party.category, party.ref) == (signer.category, signer.ref)
    keeper = signer == Signer(PartyCategory.INSTITUTION, state.institution_id)
    if not own and not (keeper and command.kind is SignatureKind.PAPER):
        raise NotYourParty(party_id=party.party_id)
    return party


def passed(state: AgreementState, today: date) -> Iterator[Outcome]:
    """What passing time has done by `today`, in order: brought into force at `valid_from`, over after `valid_until`.

    An agreement isn't in force before its last signature, and it is no longer on the day after its last day.
    """
    if state.status is AgreementStatus.SIGNED and state.valid_from <= today:
        since = max(state.valid_from, state.signed_on or state.valid_from)
        outcome = take(state, Step.ACTIVATE, active_periods=periods.opened(state.active_periods, since))
        state = outcome[1]
        yield outcome
    if state.pending is not None and _is_due(state.pending, min(today, state.valid_until)):
        outcome = _take_effect(state, state.pending)
        state = outcome[1]
        yield outcome
    while state.valid_until < today and _renews(state):
        assert state.renewal is not None
        until = _months_later(state.valid_until, state.renewal.months)
        outcome = take(state, Step.RENEW, valid_until=until, renewals=state.renewals + 1)
        state = outcome[1]
        yield outcome
    if (state.status, Step.EXPIRE) in LIFECYCLE and state.valid_until < today:
        yield take(state, Step.EXPIRE, **_over(state, state.valid_until + ONE_DAY))


def _is_due(pending: PendingAmendment, day: date) -> bool:
    """Whether everybody has agreed to it and its day has come."""
    return not pending.awaits and pending.effective_on <= day


def _renews(state: AgreementState) -> bool:
    """Whether it goes on by itself after its last day: in force, renewable, and nobody gave notice."""
    return state.status is AgreementStatus.ACTIVE and state.renewal is not None and state.notice_given_on is None


def _months_later(day: date, months: int) -> date:
    """The same day so many months later, or the month's last: 31 January and a month is 28 or 29 February."""
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    first_after = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), first_after - ONE_DAY)


def _take_effect(state: AgreementState, pending: PendingAmendment) -> Outcome:
    """The day of an agreed amendment has come."""
    valid_until = pending.valid_until or state.valid_until
    # What was reported since it was agreed stands.
    schedule = state.schedule if pending.schedule is None else with_results(pending.schedule, state.schedule)
    return take(
        state,
        Step.AMEND,
        amendment=state.amendment + 1,
        amended_on=pending.effective_on,
        amendment_words=pending.words,
        amendment_scan_ref=pending.scan_ref,
        valid_until=valid_until,
        opportunities=pending.opportunities or state.opportunities,
        schedule=schedule,
        schedule_complete=is_complete(schedule, state.valid_from, valid_until),
        pending=None,
    )


def give_notice(state: AgreementState, today: date) -> Outcome:
    """It will not be renewed; raises InvalidInput where it is not renewable or it is too late, WrongState."""
    require(state, Step.GIVE_NOTICE)
    if state.renewal is None or state.notice_given_on is not None:
        raise InvalidInput(FieldError("renewal", "no_renewal"))
    latest = state.valid_until - timedelta(days=state.renewal.notice_days)
    if today > latest:
        raise InvalidInput(FieldError("renewal", "notice_too_late", {"limit": latest.isoformat()}))
    return take(state, Step.GIVE_NOTICE, notice_given_on=today)


def amend(state: AgreementState, command: AmendAgreement, today: date) -> Outcome:
    """Another last day (not before today: that would be an end), other opportunities, another schedule.

    A schedule that is not given must fit the new validity. With an effect day ahead it is agreed now and takes effect
    then; where every party is to agree, it waits for that too. One at a time: only one that still awaits somebody gives
    way to another. Raises InvalidInput, WrongState.
    """
    require(state, Step.AMEND)
    effective_on = command.effective_on or today
    if effective_on < _signed_on(state):
        raise InvalidInput(FieldError("effective_on", "earlier_than", {"limit": _signed_on(state).isoformat()}))
    if effective_on > state.valid_until:
        limits: dict[str, str | int | float] = {
            "since": _signed_on(state).isoformat(),
            "until": state.valid_until.isoformat(),
        }
        raise InvalidInput(FieldError("effective_on", "outside_validity", limits))
    waits = effective_on > today or command.every_party
    agreed_for = state.pending.effective_on if state.pending is not None and not state.pending.awaits else None
    if waits and agreed_for is not None:
        raise InvalidInput(FieldError("effective_on", "amendment_pending", {"value": agreed_for.isoformat()}))
    valid_until = command.valid_until or state.valid_until
    earliest = max(today, state.valid_from, effective_on, agreed_for or today)
    if valid_until < earliest:
        raise InvalidInput(FieldError("valid_until", "earlier_than", {"limit": earliest.isoformat()}))
    schedule: Schedule = state.schedule
    if command.schedule is not None:
        terms = with_results(command.schedule, state.schedule)
        schedule = planned(terms, state.form, state.valid_from, valid_until, "schedule")
    elif any(fault for term in schedule for fault in day_faults("", term, state.valid_from, valid_until)):
        last = max(term.ends_on for term in schedule)
        raise InvalidInput(FieldError("valid_until", "schedule_reaches_beyond", {"limit": last.isoformat()}))
    if waits:
        pending = PendingAmendment(
            agreed_on=today,
            effective_on=effective_on,
            valid_until=command.valid_until,
            opportunities=command.opportunities,
            schedule=None if schedule == state.schedule else schedule,
            awaits=tuple(party.party_id for party in state.parties) if command.every_party else (),
            scan_ref=command.scan_ref,
        )
        return take(state, Step.AGREE_AMENDMENT, pending=pending)
    return take(
        state,
        Step.AMEND,
        amendment=state.amendment + 1,
        amended_on=effective_on,
        amendment_words=(),
        amendment_scan_ref=command.scan_ref,
        valid_until=valid_until,
        opportunities=command.opportunities or state.opportunities,
        schedule=schedule,
        schedule_complete=is_complete(schedule, state.valid_from, valid_until),
    )


def suspend(state: AgreementState, command: SuspendAgreement, today: date) -> Outcome:
    """Not active for a while; raises InvalidInput for a day in the future or before the last change, WrongState."""
    require(state, Step.SUSPEND)
    day = command.suspended_on or today
    check_day("suspended_on", day, first=_changed_on(state), today=today)
    return take(state, Step.SUSPEND, active_periods=periods.closed(state.active_periods, day), suspended_on=day)


def resume(state: AgreementState, command: ResumeAgreement, today: date) -> Outcome:
    """Active again; raises InvalidInput for a day in the future or before the suspension, WrongState."""
    require(state, Step.RESUME)
    day = command.resumed_on or today
    check_day("resumed_on", day, first=_changed_on(state), today=today)
    return take(state, Step.RESUME, active_periods=periods.opened(state.active_periods, day), suspended_on=None)


def end(state: AgreementState, command: EndAgreement, today: date) -> Outcome:
    """Over before its time; raises InvalidInput for a day in the future or before the last change, WrongState."""
    require(state, Step.END)
    day = command.ended_on or today
    check_day("ended_on", day, first=_changed_on(state), today=today)
    return take(state, Step.END, **_over(state, day))


def cancel(state: AgreementState) -> Outcome:
    """A draft that will not be signed; raises WrongState."""
    return take(state, Step.CANCEL)


def reassign(state: AgreementState, old: str, new: str) -> Outcome:
    """References follow a merged enterprise.

    Parties are the places for signatures on one document: where `new` stands on it already, both places stay, each
    with its own signature, and a draft is signed once both are. No signature is lost, and the enterprise still counts
    once wherever enterprises are counted distinctly.
    """
    return take(
        state,
        Step.REASSIGN,
        parties=tuple(
            party.model_copy(update={"ref": new})
            if (party.category, party.ref) == (PartyCategory.ENTERPRISE, old)
            else party
            for party in state.parties
        ),
    )


def _over(state: AgreementState, day: date) -> dict[str, Any]:
    closed = periods.closed(state.active_periods, day)
    return {"active_periods": closed, "ended_on": day, "suspended_on": None, "pending": None}


def _signed_on(state: AgreementState) -> date:
    if state.signed_on is None:
        raise AssertionError(f"agreement {state.id} is {state.status} without a signing day")
    return state.signed_on


def _changed_on(state: AgreementState) -> date:
    """The day of the last change between active and not; later changes can't be dated before it."""
    if state.suspended_on is not None:
        return state.suspended_on
    if state.status is AgreementStatus.ACTIVE and state.active_periods:
        return state.active_periods[-1].since
    return _signed_on(state)
