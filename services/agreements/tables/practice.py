"""Rows of the work under each form: all of one shape, so that what is done with all of them is done once."""

from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from services.agreements.domain.practice.outcomes import Remarks
from services.agreements.domain.practice.placements import Logbook
from services.agreements.tables.base import Base
from shared.contracts.events import State
from shared.contracts.practice import (
    CertificationState,
    ExpertReviewState,
    IncomeState,
    OutcomeState,
    PlacementState,
    ProjectState,
    SpecialistState,
    StaffInternshipState,
    TrainingState,
)
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope

OF_THE_STUDENT = frozenset({"days", "attendance", "institution_mark", "enterprise_mark", "cause"})
"""What a placement says of one student: the logbook and its totals, both sides' marks, why it was broken off."""


class PracticeRow(Base, DetailedRow):
    """An entry: whose it is, under which agreement, with which enterprises, about whom (`ref`), of which day.

    `REF` and `DAY` name the fields of the state that `ref` and `on_day` are taken from.
    """

    DETAILS: ClassVar[type[BaseModel]] = Remarks
    REF: ClassVar[str]
    DAY: ClassVar[str]

    institution_id: str
    agreement_id: str | None = None
    enterprise_ids: list[str] = Field(sa_type=ARRAY(Text))
    ref: str
    status: str
    on_day: date

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Everything lists are narrowed by."""
        return {
            "institution_id": state.institution_id,
            "agreement_id": getattr(state, "agreement_id", None),
            "enterprise_ids": cls.enterprises(state),
            "ref": str(getattr(state, cls.REF)),
            "status": cls.status_of(state),
            "on_day": cls.day(state),
        }

    @classmethod
    def enterprises(cls, state: Any) -> list[str]:
        """The enterprises it is done with."""
        return [state.enterprise_id] if getattr(state, "enterprise_id", None) else []

    @classmethod
    def status_of(cls, state: Any) -> str:
        """Its status."""
        return str(state.status.value)

    @classmethod
    def day(cls, state: Any) -> date:
        """The day it is of."""
        day: date = getattr(state, cls.DAY)
        return day

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as an enterprise it is done with."""
        return scope.condition(col(cls.org_path), col(cls.enterprise_ids))


class PlacementRow(PracticeRow, table=True):
    """AF1: a student's placement, with its logbook; offices see where and when, not how the student fared."""

    __tablename__ = "placement"
    STATE: ClassVar[type[State]] = PlacementState
    DETAILS: ClassVar[type[BaseModel]] = Logbook
    REF = "student_ref"
    DAY = "starts_on"

    def shown_to(self, scope: Scope) -> dict[str, Any]:
        """To offices without what is said of the student."""
        shown = self.shown()
        return {name: shown[name] for name in shown if name not in OF_THE_STUDENT} if scope.is_office else shown


class OutcomeRow(PracticeRow, table=True):
    """I1: a graduate's status."""

    __tablename__ = "outcome"
    STATE: ClassVar[type[State]] = OutcomeState
    REF = "graduate_ref"
    DAY = "graduated_on"

    @classmethod
    def status_of(cls, state: Any) -> str:
        """Withdrawn ones are found as such."""
        return "withdrawn" if state.withdrawn else str(state.status.value)


class SpecialistRow(PracticeRow, table=True):
    """AF8: an enterprise's specialist in teaching."""

    __tablename__ = "specialist"
    STATE: ClassVar[type[State]] = SpecialistState
    REF = "specialist_ref"
    DAY = "since"


class StaffInternshipRow(PracticeRow, table=True):
    """AF4: a teacher's internship."""

    __tablename__ = "staff_internship"
    STATE: ClassVar[type[State]] = StaffInternshipState
    REF = "teacher_ref"
    DAY = "starts_on"


class TrainingRow(PracticeRow, table=True):
    """AF6: an unemployed person's training."""

    __tablename__ = "training"
    STATE: ClassVar[type[State]] = TrainingState
    REF = "trainee_ref"
    DAY = "starts_on"


class CertificationRow(PracticeRow, table=True):
    """AF7: a session of the final state certification."""

    __tablename__ = "certification"
    STATE: ClassVar[type[State]] = CertificationState
    REF = "profession"
    DAY = "held_on"

    @classmethod
    def enterprises(cls, state: Any) -> list[str]:
        """The enterprises that sent examiners."""
        return sorted({each.enterprise_id for each in state.examiners})


class ProjectRow(PracticeRow, table=True):
    """AF5: a joint commercial project."""

    __tablename__ = "project"
    STATE: ClassVar[type[State]] = ProjectState
    REF = "kind"
    DAY = "starts_on"


class IncomeRow(PracticeRow, table=True):
    """I3: an institution's income of a month."""

    __tablename__ = "income"
    STATE: ClassVar[type[State]] = IncomeState
    REF = "month"

    @classmethod
    def status_of(cls, state: Any) -> str:
        """Reported, or withdrawn."""
        return "withdrawn" if state.withdrawn else "reported"

    @classmethod
    def day(cls, state: Any) -> date:
        """The first of its month."""
        return date.fromisoformat(f"{state.month}-01")


class ExpertReviewRow(PracticeRow, table=True):
    """AF3: an expert review."""

    __tablename__ = "expert_review"
    STATE: ClassVar[type[State]] = ExpertReviewState
    REF = "document_ref"
    DAY = "requested_on"


PRACTICE = tuple(str(row.__tablename__) for row in PracticeRow.__subclasses__())
"""The tables of practice."""
