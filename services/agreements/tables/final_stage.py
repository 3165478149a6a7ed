"""Rows of the final stage: instructions, work plans, samples, documents, boards, normative documents."""

from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Text, and_, exists, func, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from services.agreements.domain import instructions, normative, work_plans
from services.agreements.domain.boards import commands as board_commands
from services.agreements.domain.boards import rules as board_rules
from services.agreements.domain.documents.issuing import DocumentDetails
from services.agreements.tables.agreements import InstitutionRef
from services.agreements.tables.base import Base
from shared.contracts.events import State
from shared.contracts.final_stage import (
    DOCUMENT_HASHES,
    DOCUMENTS_OF_PERSONS,
    BoardState,
    DocumentState,
    InstructionState,
    NormativeDocumentState,
    SampleState,
    WorkPlanState,
)
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope


class InstructionRow(Base, DetailedRow, table=True):
    """R9: an instruction with the texts of its editions."""

    __tablename__ = "instruction"
    STATE: ClassVar[type[State]] = InstructionState
    DETAILS: ClassVar[type[BaseModel]] = instructions.InstructionDetails

    institution_id: str
    kind: str
    duty: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Its natural key, and whether it is adopted."""
        return {
            "institution_id": state.institution_id,
            "kind": state.kind.value,
            "duty": state.duty.value,
            "status": state.status.value,
        }


class WorkPlanRow(Base, DetailedRow, table=True):
    """R10: a plan with what its measures are; `next_due_on` is what the calendar looks at."""

    __tablename__ = "work_plan"
    STATE: ClassVar[type[State]] = WorkPlanState
    DETAILS: ClassVar[type[BaseModel]] = work_plans.WorkPlanDetails

    institution_id: str
    academic_year: str
    status: str
    next_due_on: date | None = None

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Its natural key, whether it is closed, and the next day on which a measure falls due."""
        return {
            "institution_id": state.institution_id,
            "academic_year": state.academic_year,
            "status": state.status.value,
            "next_due_on": work_plans.next_due(state),
        }


class SampleRow(Base, table=True):
    """R11: a sample document that an institution adopted."""

    __tablename__ = "sample"
    STATE: ClassVar[type[State]] = SampleState

    institution_id: str
    kind: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Its natural key, and whether it is adopted."""
        return {"institution_id": state.institution_id, "kind": state.kind.value, "status": state.status.value}


class DocumentRow(Base, DetailedRow, table=True):
    """R11: an issued document with what it was filled from; an enterprise sees those made with it.

    Offices see kinds that are about no single persons, and no hashes, which would tell whether a guessed name is right.
    """

    __tablename__ = "document"
    STATE: ClassVar[type[State]] = DocumentState
    DETAILS: ClassVar[type[BaseModel]] = DocumentDetails

    institution_id: str
    kind: str
    number: str
    status: str
    subject: str | None = None
    enterprise_id: str | None = None

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Whose it is, its number, its status, what it was filled from and whom it is made with."""
        return {
            "institution_id": state.institution_id,
            "kind": state.kind.value,
            "number": state.number,
            "status": state.status.value,
            "subject": state.subject,
            "enterprise_id": state.enterprise_id,
        }

    def shown(self) -> dict[str, Any]:
        """The state and the title: what the document says of persons is read in the document itself."""
        return {"title": self.details.get("title", ""), **self.state}

    def shown_to(self, scope: Scope) -> dict[str, Any]:
        """To offices without the hashes."""
        shown = self.shown()
        return {name: shown[name] for name in shown if name not in DOCUMENT_HASHES} if scope.is_office else shown

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as the enterprise it is made with."""
        if scope.kind == "enterprise":
            return col(cls.enterprise_id) == scope.value
        within = scope.condition(col(cls.org_path))
        return and_(within, col(cls.kind).not_in(sorted(DOCUMENTS_OF_PERSONS))) if scope.is_office else within


class BoardRow(Base, DetailedRow, table=True):
    """R12: a Board of Trustees with its names and texts; enterprises see it until their members' terms are over."""

    __tablename__ = "board"
    STATE: ClassVar[type[State]] = BoardState
    DETAILS: ClassVar[type[BaseModel]] = board_commands.BoardDetails

    institution_id: str
    status: str
    enterprise_ids: list[str] = Field(sa_type=ARRAY(Text))
    next_due_on: date | None = None

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Whose it is, who sees it, and the next day on which a term ends or a decision falls due."""
        return {
            "institution_id": state.institution_id,
            "status": state.status.value,
            "enterprise_ids": sorted(
                {member.enterprise_id for member in state.members if member.enterprise_id and not member.left}
            ),
            "next_due_on": board_rules.next_due(state),
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as an enterprise with a member whose term is not over."""
        return scope.condition(col(cls.org_path), col(cls.enterprise_ids))


class NormativeDocumentRow(Base, DetailedRow, table=True):
    """A norm: seen by its issuer, by whoever is above it, and by all below, for whom it holds."""

    __tablename__ = "normative_document"
    STATE: ClassVar[type[State]] = NormativeDocumentState
    DETAILS: ClassVar[type[BaseModel]] = normative.NormativeDetails

    institution_id: str | None = None
    territory: str | None = None
    kind: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Its issuer, kind and status."""
        return {
            "institution_id": state.institution_id,
            "territory": state.territory,
            "kind": state.kind.value,
            "status": state.status.value,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """What lies in the scope, and what holds for it: the norms of every level above; the nation's for all."""
        own = scope.condition(col(cls.org_path))
        match scope.kind:
            case "path":
                return or_(own, func.starts_with(literal(scope.value), col(cls.org_path)))
            case "institution":
                above = exists().where(
                    col(InstitutionRef.id) == scope.value,
                    func.starts_with(col(InstitutionRef.path), col(cls.org_path)),
                )
                return or_(own, above)
            case "enterprise":
                return col(cls.org_path) == "/17/"
        return own
