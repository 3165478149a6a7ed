"""Rows of preparation: self-assessments, needs and offers, interests, and the evidence of R1, R3, R5, R6."""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, or_
from sqlmodel import Field, col

from services.partners.domain.preparation import Notes, Responsible
from services.partners.tables.base import Base
from shared.contracts.events import State
from shared.contracts.preparation import (
    InterestState,
    ListingState,
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
    SelfAssessmentState,
)
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope


class Owned(Base, DetailedRow):
    """An institution's own: seen where the institution is seen."""

    DETAILS: ClassVar[type[BaseModel]] = Notes

    institution_id: str = Field(index=True)

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The institution."""
        return {"institution_id": state.institution_id}


class SelfAssessmentRow(Owned, table=True):
    """Q1–Q4 as answered on a day."""

    __tablename__ = "self_assessment"
    STATE: ClassVar[type[State]] = SelfAssessmentState

    edition: int

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The institution and its edition."""
        return {"institution_id": state.institution_id, "edition": state.edition}


class OrientationRow(Owned, table=True):
    """R1: a decision of the pedagogical council."""

    __tablename__ = "orientation"
    STATE: ClassVar[type[State]] = OrientationState
    DETAILS: ClassVar[type[BaseModel]] = Responsible


class InterestRow(Owned, table=True):
    """The analysis of a partner's interests."""

    __tablename__ = "interest"
    STATE: ClassVar[type[State]] = InterestState

    partnership_id: str = Field(unique=True)

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The institution and the partnership."""
        return {"institution_id": state.institution_id, "partnership_id": state.partnership_id}


class MarketReviewRow(Owned, table=True):
    """R3: a look at who else trains for the same."""

    __tablename__ = "market_review"
    STATE: ClassVar[type[State]] = MarketReviewState


class SectorReviewRow(Owned, table=True):
    """R5: a look at the sector's prospects."""

    __tablename__ = "sector_review"
    STATE: ClassVar[type[State]] = SectorReviewState


class MarketAssessmentRow(Owned, table=True):
    """R6: demand against supply for a profession."""

    __tablename__ = "market_assessment"
    STATE: ClassVar[type[State]] = MarketAssessmentState

    profession: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The institution and the profession."""
        return {"institution_id": state.institution_id, "profession": state.profession}


class Listing(Base, DetailedRow):
    """A need or an offer: the other side finds it. Enterprises' ones are public within the platform."""

    DETAILS: ClassVar[type[BaseModel]] = Notes

    institution_id: str | None = None
    enterprise_id: str | None = None
    district: str
    opportunity: str
    form: str | None = None
    profession: str | None = None
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Whose it is, and what it is found by."""
        return {
            "institution_id": state.institution_id,
            "enterprise_id": state.enterprise_id,
            "district": state.district,
            "opportunity": state.opportunity.value,
            "form": state.form.value if state.form else None,
            "profession": state.profession,
            "status": state.status.value,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """An enterprise sees what institutions need and offer, and its own; the others see by path, or enterprises'."""
        if scope.kind == "enterprise":
            return or_(col(cls.institution_id).is_not(None), col(cls.enterprise_id) == scope.value)
        if scope.kind == "none":
            return scope.condition(col(cls.org_path))
        return or_(col(cls.enterprise_id).is_not(None), scope.condition(col(cls.org_path)))


class NeedRow(Listing, table=True):
    """Something needed."""

    __tablename__ = "need"
    STATE: ClassVar[type[State]] = ListingState


class OfferRow(Listing, table=True):
    """Something offered."""

    __tablename__ = "offer"
    STATE: ClassVar[type[State]] = ListingState
