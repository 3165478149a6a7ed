"""Agreements and employments as tests need them."""

from datetime import date

from services.agreements.domain import agreements, employments
from services.agreements.domain.agreements import Signer
from shared.contracts.agreements import AgreementState, EmploymentState, SignatureKind
from shared.contracts.vocabulary import Form, Opportunity, PartyCategory

TODAY = date(2026, 11, 23)
INSTITUTION = "01980000-0000-7000-8000-00000000000a"
ENTERPRISE = "01980000-0000-7000-8000-00000000000e"
OTHER = "01980000-0000-7000-8000-00000000000f"
KEEPER = Signer(PartyCategory.INSTITUTION, INSTITUTION)


def the_draft(
    *others: tuple[PartyCategory, str],
    form: Form = Form.AF1,
    valid_from: date = date(2026, 9, 1),
    valid_until: date = date(2027, 6, 30),
) -> agreements.DraftAgreement:
    """The command; the institution stands first."""
    parties = [(PartyCategory.INSTITUTION, INSTITUTION), *(others or [(PartyCategory.ENTERPRISE, ENTERPRISE)])]
    return agreements.DraftAgreement(
        institution_id=INSTITUTION,
        form=form,
        opportunities=(Opportunity.O4,),
        parties=tuple(agreements.PartyInput(category=category, ref=ref) for category, ref in parties),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def a_draft(
    form: Form = Form.AF1, valid_from: date = date(2026, 9, 1), valid_until: date = date(2027, 6, 30)
) -> AgreementState:
    """Institution and enterprise, not signed."""
    return agreements.draft("a", the_draft(form=form, valid_from=valid_from, valid_until=valid_until))[1]


def on_paper(party: str, signed_on: date) -> agreements.SignAgreement:
    """A signature that the institution records."""
    return agreements.SignAgreement(party_id=party, kind=SignatureKind.PAPER, signed_on=signed_on, scan_ref="scan")


def signed(state: AgreementState, *days: date, today: date = TODAY) -> AgreementState:
    """Signed by its parties on these days; time has not passed yet."""
    for party, day in zip(state.parties, days, strict=True):
        state = agreements.sign(state, on_paper(party.party_id, day), KEEPER, today)[1]
    return state


def brought_to(state: AgreementState, today: date) -> AgreementState:
    """What passing time makes of it."""
    outcomes = list(agreements.passed(state, today))
    return outcomes[-1][1] if outcomes else state


def an_active(form: Form = Form.AF1) -> AgreementState:
    """In force since its last signature on 1 October 2026."""
    return brought_to(signed(a_draft(form), date(2026, 9, 20), date(2026, 10, 1)), TODAY)


def an_employment() -> EmploymentState:
    """A graduate at the enterprise since 1 October 2026, reported."""
    command = employments.ReportEmployment(
        institution_id=INSTITUTION,
        graduate_ref="g-1",
        enterprise_id=ENTERPRISE,
        profession="7212",
        started_on=date(2026, 10, 1),
    )
    return employments.report("e", command, TODAY)[1]
