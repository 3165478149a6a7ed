"""Rules of drafting, signing, amending, schedules and activities that the tables don't show."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from services.agreements.domain import activities, agreements, schedules
from services.agreements.domain.agreements import AlreadySigned, NotYourParty, Signer
from services.agreements.domain.inputs import FIRST_DAY, LAST_DAY
from shared.contracts.agreements import AgreementStatus, OtherPurpose, Renewal, SignatureKind
from shared.contracts.vocabulary import Form, Opportunity, PartyCategory
from shared.errors import DomainError, InvalidInput
from tests.unit.agreements.builders import (
    ENTERPRISE,
    INSTITUTION,
    KEEPER,
    OTHER,
    TODAY,
    a_draft,
    an_active,
    brought_to,
    on_paper,
    signed,
    the_draft,
)

FIRM = Signer(PartyCategory.ENTERPRISE, ENTERPRISE)
TERM = {
    "term": "t1",
    "starts_on": date(2026, 11, 1),
    "ends_on": date(2026, 12, 20),
    "profession": "7212",
    "seats": 10,
}


def broken(refusal: "pytest.ExceptionInfo[InvalidInput]") -> dict[str, str]:
    return {error.field: error.rule for error in refusal.value.errors}


@pytest.mark.parametrize("form", Form)
def test_every_form_is_drafted_with_two_to_six_parties(form: Form) -> None:
    others = [(category, f"R-{category}") for category in PartyCategory if category is not PartyCategory.INSTITUTION]
    for count in range(1, 6):
        _, state = agreements.draft("a", the_draft(*others[:count], form=form))
        assert [party.party_id for party in state.parties] == [f"p{number}" for number in range(1, count + 2)]
        assert (state.form, state.status) == (form, AgreementStatus.DRAFT)
    with pytest.raises(ValidationError):
        the_draft(*others[:6])


def test_opportunities_are_kept_once_in_order() -> None:
    command = the_draft().model_dump() | {"opportunities": ["O7", "O1", "O7"]}
    assert agreements.DraftAgreement.model_validate(command).opportunities == (Opportunity.O1, Opportunity.O7)


@pytest.mark.parametrize("day", [FIRST_DAY - timedelta(days=1), LAST_DAY + timedelta(days=1)])
def test_days_outside_reason_are_refused(day: date) -> None:
    with pytest.raises(ValidationError, match="day_out_of_range"):
        agreements.SuspendAgreement(suspended_on=day)


def test_paper_needs_its_scan_and_an_electronic_signature_has_none() -> None:
    given = {"party_id": "p1", "signed_on": TODAY}
    with pytest.raises(ValidationError, match="scan_ref_required"):
        agreements.SignAgreement.model_validate({**given, "kind": "paper"})
    with pytest.raises(ValidationError, match="scan_ref_only_paper"):
        agreements.SignAgreement.model_validate({**given, "kind": "electronic", "scan_ref": "s"})


def test_agreement_is_signed_on_the_latest_of_the_signing_days_however_they_are_recorded() -> None:
    state = signed(a_draft(), date(2026, 10, 5), date(2026, 9, 20))
    assert (state.status, state.signed_on) == (AgreementStatus.SIGNED, date(2026, 10, 5))
    assert brought_to(state, TODAY).active_periods[0].since == date(2026, 10, 5)


def test_signing_refuses_strangers_repetition_the_future_and_what_is_too_late() -> None:
    state = a_draft()
    electronic = agreements.SignAgreement(party_id="p2", kind=SignatureKind.ELECTRONIC, signed_on=TODAY)
    for signer in (KEEPER, Signer(PartyCategory.ENTERPRISE, OTHER), Signer(PartyCategory.INSTITUTION, ENTERPRISE)):
        with pytest.raises(NotYourParty):
            agreements.sign(state, electronic, signer, TODAY)
    with pytest.raises(NotYourParty):
        agreements.sign(state, on_paper("p1", TODAY), FIRM, TODAY)
    once = agreements.sign(state, electronic, FIRM, TODAY)[1]
    with pytest.raises(AlreadySigned):
        agreements.sign(once, electronic, FIRM, TODAY)
    for party, day, field, rule in (
        ("p9", TODAY, "party_id", "unknown_party"),
        ("p1", TODAY + timedelta(days=1), "signed_on", "in_future"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            agreements.sign(state, on_paper(party, day), KEEPER, TODAY)
        assert broken(refusal) == {field: rule}
    with pytest.raises(InvalidInput) as refusal:
        agreements.sign(state, on_paper("p1", date(2027, 7, 1)), KEEPER, date(2027, 8, 1))
    assert broken(refusal) == {"signed_on": "signed_after_end"}


def test_amendment_changes_what_is_given_and_counts() -> None:
    state = an_active()
    amended = agreements.amend(state, agreements.AmendAgreement(valid_until=date(2028, 6, 30), scan_ref="scan"), TODAY)[
        1
    ]
    assert (amended.valid_until, amended.amendment, amended.amended_on) == (date(2028, 6, 30), 1, TODAY)
    assert (amended.opportunities, amended.active_periods) == (state.opportunities, state.active_periods)
    again = agreements.AmendAgreement(opportunities=(Opportunity.O6,), effective_on=date(2026, 11, 1), scan_ref="scan")
    amended = agreements.amend(amended, again, TODAY)[1]
    assert (amended.amendment, amended.amended_on) == (2, date(2026, 11, 1))
    with pytest.raises(ValidationError, match="nothing_amended"):
        agreements.AmendAgreement(scan_ref="scan")


def test_amendment_counts_by_the_parties_words_or_on_paper_and_keeps_how() -> None:
    for how in ({}, {"every_party": True, "scan_ref": "scan"}):
        with pytest.raises(ValidationError, match="parties_word"):
            agreements.AmendAgreement.model_validate({"valid_until": date(2028, 6, 30), **how})
    longer = agreements.AmendAgreement(valid_until=date(2028, 6, 30), every_party=True)
    asked = agreements.amend(an_active(), longer, TODAY)[1]
    assert (asked.amendment, asked.valid_until) == (0, an_active().valid_until)
    for party in ("p1", "p2"):
        asked = agreements.confirm_amendment(asked, on_paper(party, TODAY), KEEPER, TODAY)[1]
    words = brought_to(asked, TODAY)
    assert [word.party_id for word in words.amendment_words] == ["p1", "p2"]
    on_one_sheet = agreements.AmendAgreement(valid_until=date(2028, 7, 31), scan_ref="sheet")
    paper = agreements.amend(words, on_one_sheet, TODAY)[1]
    assert (paper.amendment, paper.amendment_words, paper.amendment_scan_ref) == (2, (), "sheet")
    ahead = on_one_sheet.model_copy(update={"effective_on": TODAY + timedelta(days=2)})
    later = brought_to(agreements.amend(an_active(), ahead, TODAY)[1], TODAY + timedelta(days=2))
    assert (later.amendment, later.amendment_scan_ref) == (1, "sheet")


@pytest.mark.parametrize("status", [AgreementStatus.SIGNED, AgreementStatus.ACTIVE, AgreementStatus.SUSPENDED])
def test_plan_that_was_signed_is_amended_and_results_are_reported(status: AgreementStatus) -> None:
    bare = an_active().model_copy(update={"status": status})
    term = schedules.TermInput.model_validate(TERM)
    first = schedules.set_schedule(bare, schedules.SetSchedule(terms=(term,)))[1]
    assert first.schedule_complete, "one that was signed without a schedule takes its first"
    others: tuple[tuple[schedules.TermInput, ...], ...] = (
        (term.model_copy(update={"seats": term.seats + 1}),),
        (term.model_copy(update={"ends_on": term.ends_on - timedelta(days=1)}),),
        (term.model_copy(update={"profession": "7213"}),),
        (term, term.model_copy(update={"term": "t2"})),
        (),
    )
    for terms in others:
        with pytest.raises(schedules.ScheduleAgreed):
            schedules.set_schedule(first, schedules.SetSchedule(terms=terms))
    filled = schedules.SetSchedule(terms=(term.model_copy(update={"filled": 3}),))
    assert schedules.set_schedule(first, filled)[1].schedule[0].filled == 3


def test_amended_plan_keeps_what_was_reported_meanwhile() -> None:
    term = schedules.TermInput.model_validate(TERM)
    state = schedules.set_schedule(an_active(), schedules.SetSchedule(terms=(term,)))[1]
    state = schedules.report_term(state, term.term, schedules.ReportTerm(filled=2))[1]
    day = TODAY + timedelta(days=2)
    more = term.model_copy(update={"seats": term.seats + 5})
    ahead = agreements.AmendAgreement(schedule=(more,), scan_ref="scan", effective_on=day)
    agreed = agreements.amend(state, ahead, TODAY)[1]
    agreed = schedules.report_term(agreed, term.term, schedules.ReportTerm(filled=4, completed=1))[1]
    (now,) = brought_to(agreed, day).schedule
    assert (now.seats, now.filled, now.completed) == (term.seats + 5, 4, 1)
    same = agreements.AmendAgreement(schedule=(term,), valid_until=date(2028, 6, 30), every_party=True)
    pending = agreements.amend(state, same, TODAY)[1].pending
    assert pending is not None
    assert pending.schedule is None, "what stays is not asked about"
    fewer = agreements.AmendAgreement(schedule=(term.model_copy(update={"seats": 3}),), scan_ref="scan")
    with pytest.raises(InvalidInput) as refusal:
        agreements.amend(agreed.model_copy(update={"pending": None}), fewer, TODAY)
    assert broken(refusal) == {"schedule.0.filled": "more_than_seats"}


def test_amendment_ends_nothing_in_the_past_and_cuts_no_schedule() -> None:
    terms = (schedules.TermInput.model_validate(TERM),)
    state = schedules.set_schedule(an_active(), schedules.SetSchedule(terms=terms))[1]

    def refused(**given: object) -> dict[str, str]:
        with pytest.raises(InvalidInput) as refusal:
            agreements.amend(state, agreements.AmendAgreement.model_validate({"scan_ref": "scan", **given}), TODAY)
        return broken(refusal)

    assert refused(valid_until=TODAY - timedelta(days=1)) == {"valid_until": "earlier_than"}
    assert refused(valid_until=date(2026, 12, 1)) == {"valid_until": "schedule_reaches_beyond"}
    assert refused(valid_until=date(2028, 12, 1), effective_on=date(2027, 7, 1)) == {"effective_on": "outside_validity"}
    assert refused(valid_until=date(2027, 12, 1), effective_on=date(2026, 9, 30)) == {"effective_on": "earlier_than"}
    late = {**TERM, "ends_on": date(2027, 12, 1)}
    assert refused(schedule=[late]) == {"schedule.0.ends_on": "outside_validity"}
    short = agreements.AmendAgreement.model_validate(
        {"valid_until": date(2026, 12, 1), "schedule": [{**TERM, "ends_on": date(2026, 12, 1)}], "scan_ref": "scan"}
    )
    amended = agreements.amend(state, short, TODAY)[1]
    assert (amended.valid_until, amended.schedule_complete) == (date(2026, 12, 1), True)


def test_states_change_in_the_order_of_their_days() -> None:
    state = agreements.suspend(an_active(), agreements.SuspendAgreement(suspended_on=date(2026, 11, 1)), TODAY)[1]
    with pytest.raises(InvalidInput) as refusal:
        agreements.resume(state, agreements.ResumeAgreement(resumed_on=date(2026, 10, 31)), TODAY)
    assert broken(refusal) == {"resumed_on": "earlier_than"}
    state = agreements.resume(state, agreements.ResumeAgreement(resumed_on=date(2026, 11, 10)), TODAY)[1]
    for day, rule in ((date(2026, 11, 9), "earlier_than"), (TODAY + timedelta(days=1), "in_future")):
        with pytest.raises(InvalidInput) as refusal:
            agreements.end(state, agreements.EndAgreement(ended_on=day), TODAY)
        assert broken(refusal) == {"ended_on": rule}


def test_agreement_ended_before_it_began_was_never_active() -> None:
    state = signed(a_draft(valid_from=date(2027, 1, 1)), date(2026, 10, 1), date(2026, 10, 1))
    ended = agreements.end(brought_to(state, TODAY), agreements.EndAgreement(), TODAY)[1]
    assert (ended.status, ended.ended_on, ended.active_periods) == (AgreementStatus.ENDED, TODAY, ())


def test_merge_keeps_both_places_with_their_signatures() -> None:
    both = ((PartyCategory.ENTERPRISE, ENTERPRISE), (PartyCategory.ENTERPRISE, OTHER))
    state = agreements.draft("a", the_draft(*both))[1]
    state = agreements.sign(state, on_paper("p2", TODAY), KEEPER, TODAY)[1]
    merged = agreements.reassign(state, ENTERPRISE, OTHER)[1]
    assert [party.ref for party in merged.parties] == [INSTITUTION, OTHER, OTHER]
    assert [party.signature for party in merged.parties] == [party.signature for party in state.parties]
    other_kind = agreements.draft("a", the_draft((PartyCategory.TRADE_UNION, ENTERPRISE)))[1]
    assert agreements.reassign(other_kind, ENTERPRISE, OTHER)[1].parties == other_kind.parties


def test_schedule_belongs_to_internships_alone_and_needs_a_term_to_be_complete() -> None:
    command = schedules.SetSchedule(terms=(schedules.TermInput.model_validate(TERM),))
    for form in Form:
        state = a_draft(form)
        if form is Form.AF1:
            assert schedules.set_schedule(state, command)[1].schedule_complete
            assert not schedules.set_schedule(state, schedules.SetSchedule(terms=()))[1].schedule_complete
        else:
            with pytest.raises(DomainError):
                schedules.set_schedule(state, command)


@pytest.mark.parametrize(
    "change", [{"seats": 0}, {"filled": -1}, {"profession": "721"}, {"profession": "9999"}, {"term": ""}, {"x": 1}]
)
def test_term_that_is_not_whole_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        schedules.TermInput.model_validate({**TERM, **change})


def test_activity_is_refused_on_a_day_of_suspension() -> None:
    state = agreements.suspend(an_active(), agreements.SuspendAgreement(suspended_on=date(2026, 11, 1)), TODAY)[1]
    state = agreements.resume(state, agreements.ResumeAgreement(resumed_on=date(2026, 11, 10)), TODAY)[1]
    for day, allowed in ((date(2026, 10, 31), True), (date(2026, 11, 1), False), (date(2026, 11, 10), True)):
        command = activities.RecordActivity(held_on=day, participants=2)
        if allowed:
            assert activities.record("x", state, command, TODAY)[1].held_on == day
        else:
            with pytest.raises(InvalidInput):
                activities.record("x", state, command, TODAY)


@pytest.mark.parametrize("form", list(Form))
def test_activity_says_its_purpose_under_af9_and_nowhere_else(form: Form) -> None:
    bare = activities.RecordActivity(held_on=TODAY, participants=2)
    for purpose in (None, *OtherPurpose):
        command = bare.model_copy(update={"purpose": purpose})
        if (form is Form.AF9) == (purpose is not None):
            assert activities.record("x", an_active(form), command, TODAY)[1].purpose is purpose
            continue
        with pytest.raises(InvalidInput) as refusal:
            activities.record("x", an_active(form), command, TODAY)
        assert [error.field for error in refusal.value.errors] == ["purpose"]


def test_amendment_of_every_party_counts_when_the_last_has_agreed() -> None:
    proposal = agreements.AmendAgreement(opportunities=(Opportunity.O1,), every_party=True)
    state = agreements.amend(an_active(), proposal, TODAY)[1]
    later = TODAY + timedelta(days=3)
    assert brought_to(state, later) == state
    again = agreements.amend(state, proposal.model_copy(update={"valid_until": date(2027, 12, 31)}), TODAY)[1]
    assert again.pending is not None
    first = agreements.confirm_amendment(again, on_paper("p2", TODAY), KEEPER, TODAY)[1]
    with pytest.raises(AlreadySigned):
        agreements.confirm_amendment(first, on_paper("p2", TODAY), KEEPER, TODAY)
    with pytest.raises(InvalidInput):
        agreements.confirm_amendment(first, on_paper("p1", TODAY - timedelta(days=1)), KEEPER, TODAY)
    both = agreements.confirm_amendment(first, on_paper("p1", later), KEEPER, later)[1]
    done = brought_to(both, later)
    assert (done.amendment, done.amended_on, done.pending) == (1, later, None)
    assert (done.valid_until, done.opportunities) == (date(2027, 12, 31), (Opportunity.O1,))
    with pytest.raises(InvalidInput) as refusal:
        agreements.confirm_amendment(done, on_paper("p1", later), KEEPER, later)
    assert [error.rule for error in refusal.value.errors] == ["no_amendment_awaits"]


def test_no_amendment_ends_an_agreement_before_the_next_takes_effect() -> None:
    ahead = agreements.AmendAgreement(valid_until=date(2028, 6, 30), effective_on=date(2027, 3, 1), scan_ref="scan")
    agreed = agreements.amend(an_active(), ahead, TODAY)[1]
    with pytest.raises(InvalidInput):
        agreements.amend(agreed, agreements.AmendAgreement(valid_until=date(2027, 2, 28), scan_ref="scan"), TODAY)
    assert agreements.amend(agreed, agreements.AmendAgreement(valid_until=date(2027, 3, 1), scan_ref="scan"), TODAY)[
        1
    ].pending


def test_amendment_for_a_day_to_come_waits_for_it() -> None:
    ahead = agreements.AmendAgreement(valid_until=date(2028, 6, 30), effective_on=date(2027, 3, 1), scan_ref="scan")
    agreed = agreements.amend(an_active(), ahead, TODAY)[1]
    assert agreed.pending is not None
    assert (agreed.valid_until, agreed.amendment) == (date(2027, 6, 30), 0)
    with pytest.raises(InvalidInput) as refusal:
        agreements.amend(agreed, ahead, TODAY)
    assert broken(refusal) == {"effective_on": "amendment_pending"}
    assert brought_to(agreed, date(2027, 2, 28)) == agreed
    changed = brought_to(agreed, date(2027, 3, 1))
    assert (changed.valid_until, changed.amendment, changed.amended_on) == (date(2028, 6, 30), 1, date(2027, 3, 1))
    assert changed.pending is None
    # Nobody looked until after the old last day: the amendment came first, and the agreement goes on.
    assert brought_to(agreed, date(2027, 7, 15)).status is AgreementStatus.ACTIVE
    assert agreements.end(agreed, agreements.EndAgreement(), TODAY)[1].pending is None


@pytest.mark.parametrize(
    ("last", "months", "renewed"),
    [
        (date(2027, 6, 30), 12, date(2028, 6, 30)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2026, 11, 30), 1, date(2026, 12, 30)),
    ],
)
def test_renewal_adds_calendar_months(last: date, months: int, renewed: date) -> None:
    state = an_active().model_copy(update={"valid_until": last, "renewal": Renewal(months=months, notice_days=30)})
    after = brought_to(state, last + timedelta(days=1))
    assert (after.valid_until, after.renewals, after.status) == (renewed, 1, AgreementStatus.ACTIVE)
    assert after.active_periods == state.active_periods


def test_notice_in_time_lets_it_end() -> None:
    state = an_active().model_copy(update={"renewal": Renewal(months=12, notice_days=30)})
    with pytest.raises(InvalidInput) as refusal:
        agreements.give_notice(an_active(), TODAY)
    assert broken(refusal) == {"renewal": "no_renewal"}
    with pytest.raises(InvalidInput) as refusal:
        agreements.give_notice(state, date(2027, 6, 1))
    assert broken(refusal) == {"renewal": "notice_too_late"}
    noticed = agreements.give_notice(state, date(2027, 5, 31))[1]
    assert brought_to(noticed, date(2027, 7, 1)).status is AgreementStatus.EXPIRED
    assert brought_to(state, date(2029, 7, 1)).renewals == 3
