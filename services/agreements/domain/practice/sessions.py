"""AF7, F7: sessions of the final state certification. AF3: expert review of educational and methodical documents."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from services.agreements.domain.inputs import Command, Day, check_day
from services.agreements.domain.practice.common import Life, enterprise_of, everywhere, rests_on
from shared.contracts import practice as told
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, Ref
from shared.contracts.practice import (
    CertificationState,
    Examiner,
    ExpertReviewState,
    ExpertReviewStatus,
    HeldStatus,
    ReviewedKind,
    Verdict,
)
from shared.contracts.vocabulary import Form
from shared.errors import BrokenRule, FieldError, InvalidInput

Certification = tuple[EventType, CertificationState]
Review = tuple[EventType, ExpertReviewState]
Persons = Annotated[int, Field(ge=0, le=10_000)]


class Step(StrEnum):
    """What can happen to a session or a review."""

    CORRECT = "correct"
    REVIEW = "review"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


CERTIFICATION: Life[CertificationState] = Life(
    {
        (HeldStatus.RECORDED, Step.CORRECT): HeldStatus.RECORDED,
        (HeldStatus.RECORDED, Step.CANCEL): HeldStatus.CANCELLED,
        **everywhere(HeldStatus, Step.REASSIGN),
    },
    {
        Step.CORRECT: told.CERTIFICATION_CORRECTED,
        Step.CANCEL: told.CERTIFICATION_CANCELLED,
        Step.REASSIGN: told.CERTIFICATION_REASSIGNED,
    },
    frozenset({Step.REASSIGN}),
)
REVIEW: Life[ExpertReviewState] = Life(
    {
        (ExpertReviewStatus.REQUESTED, Step.REVIEW): ExpertReviewStatus.REVIEWED,
        (ExpertReviewStatus.REQUESTED, Step.CANCEL): ExpertReviewStatus.CANCELLED,
        (ExpertReviewStatus.REVIEWED, Step.CANCEL): ExpertReviewStatus.CANCELLED,
        **everywhere(ExpertReviewStatus, Step.REASSIGN),
    },
    {
        Step.REVIEW: told.EXPERT_REVIEW_REVIEWED,
        Step.CANCEL: told.EXPERT_REVIEW_CANCELLED,
        Step.REASSIGN: told.EXPERT_REVIEW_REASSIGNED,
    },
    frozenset({Step.REASSIGN}),
)


class ExaminerInput(Command):
    """An examiner an enterprise sent."""

    enterprise_id: Id
    examiner_ref: Ref = Field(description="opaque number of the examiner; never a name")


class RecordCertification(Command):
    """A session was held; with enterprise examiners it rests on an agreement of form AF7, without it needs none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "profession": "7212",
                    "held_on": "2026-06-18",
                    "students": 24,
                    "passed": 22,
                    "examiners": [{"enterprise_id": "0199c8a4-7a20-7d31-8c11-0d5b1d3f9e22", "examiner_ref": "E-77"}],
                }
            ]
        }
    )

    institution_id: Id
    agreement_id: Id | None = None
    profession: IscoUnitGroup
    held_on: Day
    students: Persons
    passed: Persons
    examiners: Annotated[tuple[ExaminerInput, ...], Field(max_length=30)] = ()

    @model_validator(mode="after")
    def _sound(self) -> "RecordCertification":
        if self.passed > self.students:
            raise BrokenRule("more_passed_than_sat", "passed")
        if self.examiners and self.agreement_id is None:
            raise BrokenRule("examiners_need_agreement", "agreement_id")
        if len({each.examiner_ref for each in self.examiners}) < len(self.examiners):
            raise BrokenRule("examiner_twice", "examiners")
        return self


class CorrectCertification(Command):
    """Other numbers; what is left out stays."""

    students: Persons | None = None
    passed: Persons | None = None

    @model_validator(mode="after")
    def _something(self) -> "CorrectCertification":
        if self.students is None and self.passed is None:
            raise ValueError("nothing_corrected")
        return self


class RequestReview(Command):
    """Ask an enterprise to review an educational or methodical document under an agreement of form AF3."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "kind": "programme",
                    "document_ref": "DASTUR-2026-07",
                    "requested_on": "2026-09-02",
                }
            ]
        }
    )

    agreement_id: Id
    enterprise_id: Id | None = None
    kind: ReviewedKind
    document_ref: Ref = Field(description="the institution's own number of the document")
    requested_on: Day


class GiveVerdict(Command):
    """What the enterprise's review came to (default: today)."""

    verdict: Verdict
    reviewed_on: Day | None = None


def record_certification(
    id_: str, agreement: AgreementState | None, command: RecordCertification, today: date
) -> Certification:
    """A new session; raises InvalidInput for a day in the future, or examiners of enterprises that are no party."""
    if command.held_on > today:
        raise InvalidInput(FieldError("held_on", "in_future", {"value": command.held_on.isoformat()}))
    if agreement is not None:
        rests_on(agreement, Form.AF7, "held_on", command.held_on)
        for index, each in enumerate(command.examiners):
            try:
                enterprise_of(agreement, each.enterprise_id)
            except InvalidInput as fault:
                params = fault.errors[0].params
                field = f"examiners.{index}.enterprise_id"
                raise InvalidInput(FieldError(field, "not_a_party", params)) from None
    examiners = tuple(Examiner.model_validate(each.model_dump()) for each in command.examiners)
    return told.CERTIFICATION_RECORDED, CertificationState(
        id=id_,
        version=1,
        status=HeldStatus.RECORDED,
        examiners=examiners,
        **command.model_dump(exclude={"examiners"}),
    )


def correct_certification(state: CertificationState, command: CorrectCertification) -> Certification:
    """Other numbers; raises InvalidInput where more passed than sat, WrongState."""
    CERTIFICATION.require(state, Step.CORRECT)
    changes = command.model_dump(exclude_none=True)
    after = state.model_copy(update=changes)
    if after.passed > after.students:
        raise InvalidInput(FieldError("passed", "more_passed_than_sat", {"limit": after.students}))
    return CERTIFICATION.take(state, Step.CORRECT, **changes)


def cancel_certification(state: CertificationState) -> Certification:
    """It was not held after all; raises WrongState."""
    return CERTIFICATION.take(state, Step.CANCEL)


def reassign_certification(state: CertificationState, old: str, new: str) -> Certification:
    """Examiners follow a merged enterprise."""
    examiners = tuple(
        each.model_copy(update={"enterprise_id": new}) if each.enterprise_id == old else each
        for each in state.examiners
    )
    return CERTIFICATION.take(state, Step.REASSIGN, examiners=examiners)


def request_review(id_: str, agreement: AgreementState, command: RequestReview, today: date) -> Review:
    """A new request; raises InvalidInput for another form or a day that can't be."""
    rests_on(agreement, Form.AF3, "requested_on", command.requested_on)
    if command.requested_on > today:
        raise InvalidInput(FieldError("requested_on", "in_future", {"value": command.requested_on.isoformat()}))
    return told.EXPERT_REVIEW_REQUESTED, ExpertReviewState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        enterprise_id=enterprise_of(agreement, command.enterprise_id),
        status=ExpertReviewStatus.REQUESTED,
        **command.model_dump(exclude={"enterprise_id"}),
    )


def give_verdict(state: ExpertReviewState, command: GiveVerdict, today: date) -> Review:
    """The review's result; raises InvalidInput for a day before the request or in the future, WrongState."""
    REVIEW.require(state, Step.REVIEW)
    day = command.reviewed_on or today
    check_day("reviewed_on", day, first=state.requested_on, today=today)
    return REVIEW.take(state, Step.REVIEW, reviewed_on=day, verdict=command.verdict)


def cancel_review(state: ExpertReviewState) -> Review:
    """No longer wanted, or entered in error; raises WrongState."""
    return REVIEW.take(state, Step.CANCEL)


def reassign_review(state: ExpertReviewState, _: str, new: str) -> Review:
    """The review follows a merged enterprise."""
    return REVIEW.take(state, Step.REASSIGN, enterprise_id=new)
