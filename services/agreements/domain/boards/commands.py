"""What somebody wants done with a Board of Trustees, and the texts that lie beside its state."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from services.agreements.domain.final_stage import Details, EvidenceInput, Line, Text
from services.agreements.domain.inputs import Command, Day
from shared.contracts.fields import Id, Ref, printable
from shared.contracts.final_stage import BoardState, MemberCategory
from shared.errors import BrokenRule

MAX_MEMBERS = 60
QUORUM = Field(ge=50, le=99, description="a quorum is more than so many per cent of the members in term")
Votes = Annotated[int, Field(ge=0, le=MAX_MEMBERS)]


class MemberText(Details):
    """Who a member is."""

    member_id: str
    name: str
    position: str = ""


class MeetingText(Details):
    """What a meeting was about."""

    meeting_id: str
    agenda: str = ""
    protocol: str = ""


class DecisionText(Details):
    """What was decided."""

    meeting_id: str
    decision_id: str
    text: str


class BoardDetails(Details):
    """Names, agendas, protocols and the wording of decisions."""

    member_texts: tuple[MemberText, ...] = ()
    meeting_texts: tuple[MeetingText, ...] = ()
    decision_texts: tuple[DecisionText, ...] = ()


class BoardShown(BoardState, BoardDetails):
    """A board with its texts."""


MEMBER: JsonDict = {
    "category": "enterprise",
    "ref": "P-2201",
    "name": "A. Karimov",
    "position": "Bosh muhandis",
    "since": "2026-09-01",
    "until": "2029-09-01",
}


class MemberInput(Command):
    """A member and the term."""

    model_config = ConfigDict(json_schema_extra={"examples": [MEMBER]})

    category: MemberCategory = Field(description="whom the member stands for")
    ref: Ref = Field(description="opaque reference of the person")
    name: Line = Field(description="the person's name; it lies in the details and is in no event")
    position: Annotated[str, Field(max_length=300), AfterValidator(printable)] = Field(
        default="", description="post held"
    )
    since: Day = Field(description="first day of the term")
    until: Day | None = Field(default=None, description="first day after the term; left out: without end")
    enterprise_id: Id | None = Field(default=None, description="the enterprise stood for")
    partner_ref: Ref | None = Field(default=None, description="register number of another organisation stood for")


class EstablishBoard(Command):
    """Establish the board; an institution has one at a time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "01980000-0000-7000-8000-00000000000a",
                    "established_on": "2026-09-01",
                    "quorum_percent": 50,
                    "members": [
                        {**MEMBER, "category": "institution", "ref": "D-1", "name": "S. Rahimova"},
                        MEMBER,
                        {**MEMBER, "category": "hokimiyat", "ref": "H-7", "name": "B. Toʻrayev"},
                    ],
                    "chair_ref": "P-2201",
                }
            ]
        }
    )

    institution_id: Id = Field(description="whose board it is")
    established_on: Day = Field(description="day of the decision")
    regulation_document_id: Id | None = Field(default=None, description="the issued regulation of the board (R11)")
    quorum_percent: Annotated[int, QUORUM] = 50
    members: Annotated[tuple[MemberInput, ...], Field(min_length=3, max_length=MAX_MEMBERS)] = Field(
        description="the first members, numbered p1, p2 … in this order"
    )
    chair_ref: Ref | None = Field(default=None, description="`ref` of the member who takes the chair")


class AmendBoard(Command):
    """Another chair, regulation or quorum; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"chair": "p2", "quorum_percent": 66}]})

    regulation_document_id: Id | None = Field(default=None, description="the issued regulation of the board (R11)")
    quorum_percent: Annotated[int, QUORUM] | None = None
    chair: Ref | None = Field(default=None, description="`member_id` of the member who takes the chair")

    @model_validator(mode="after")
    def _something(self) -> "AmendBoard":
        if not self.model_fields_set or all(value is None for value in self.model_dump().values()):
            raise ValueError("no_board_change")
        return self


class EndTerm(Command):
    """A member's term ends on another day than it was to."""

    until: Day | None = Field(default=None, description="first day after the term (default: today)")


class PlanMeeting(Command):
    """Call a meeting."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"planned_on": "2026-12-10", "agenda": "1. Yillik hisobot"}]}
    )

    planned_on: Day = Field(description="day of the meeting")
    agenda: Text = Field(default="", description="what it is about")


class HoldMeeting(Command):
    """It came together: who was there decides whether it could decide."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"held_on": "2026-12-10", "present": ["p1", "p2"], "protocol": "…"}]}
    )

    held_on: Day | None = Field(default=None, description="when (default: the day it was planned for)")
    present: Annotated[tuple[Ref, ...], Field(max_length=MAX_MEMBERS)] = Field(
        description="`member_id`s of those present"
    )
    protocol: Text = Field(default="", description="the minutes")


class TakeDecision(Command):
    """What a meeting with a quorum voted on; adopted by more than half of those present."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "Yangi stanoklar uchun homiylik shartnomasi tuzilsin",
                    "votes_for": 2,
                    "responsible": "enterprise",
                    "responsible_ref": "P-2201",
                    "due_on": "2027-02-01",
                }
            ]
        }
    )

    text: Line = Field(description="the wording")
    votes_for: Votes = Field(description="votes for it")
    votes_against: Votes = Field(default=0, description="votes against it")
    abstained: Votes = Field(default=0, description="abstentions")
    responsible: MemberCategory | None = Field(default=None, description="side that follows it up")
    responsible_ref: Ref | None = Field(default=None, description="opaque reference of who does")
    due_on: Day | None = Field(default=None, description="last day in time; left out: nothing is to be followed up")

    @model_validator(mode="after")
    def _follow_up(self) -> "TakeDecision":
        if self.due_on is not None and self.responsible is None:
            raise BrokenRule("responsible_needed", "responsible")
        return self


class CarryOutDecision(Command):
    """The follow-up is done."""

    done_on: Day | None = Field(default=None, description="when (default: today)")
    evidence: Annotated[tuple[EvidenceInput, ...], Field(max_length=20)] = Field(
        default=(), description="what shows it"
    )


class DissolveBoard(Command):
    """The board is no more; another may be established."""

    dissolved_on: Day | None = Field(default=None, description="when (default: today)")
