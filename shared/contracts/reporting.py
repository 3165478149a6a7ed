"""What the monitoring service tells of reporting: reports on their way up the tree, and publications."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from shared.contracts.events import State, Value, declare
from shared.contracts.monitoring import OfficeLevel


class SubmissionStatus(StrEnum):
    """Where a report stands: `locked` is approved and out of the hands of the office that approved it."""

    OPEN = "open"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"
    LOCKED = "locked"
    REOPENED = "reopened"


class ReturnReason(StrEnum):
    """Why a report is returned, or reopened."""

    INCOMPLETE = "incomplete"
    WRONG_FIGURES = "wrong_figures"
    EVIDENCE_MISSING = "evidence_missing"
    LATE_CORRECTION = "late_correction"
    OTHER = "other"


class SubmissionStep(Value):
    """One step of a report: who took it is a role, never a person; null where the calendar did."""

    step: str
    status: SubmissionStatus
    at: datetime
    role: str | None = None
    reason: ReturnReason | None = None


class SubmissionState(State):
    """The report of one place for one period, from its opening on.

    `submitted_on` is the day of the first submission, `round` how many there were; `figures` names the figures frozen
    at the last one. `below` is how many reports are expected right below, `below_approved` how many of them were
    approved at the last step. `district` and `region` are those of the place, `territory` its own code where it is a
    unit of the territory. `stepped_version` is the version that the last step made: a reminder after it has a version
    of its own, but changes nothing that anybody decides on (0 where that was not kept yet). `moved`: the report is
    another district's or region's than it was, for an institution's move was told after it had been opened.
    """

    place: str
    level: OfficeLevel
    period: str
    status: SubmissionStatus
    opened_on: date
    due_on: date
    submitted_on: date | None = None
    round: int = 0
    figures: str | None = None
    reason: ReturnReason | None = None
    reminders: int = 0
    below: int = 0
    below_approved: int = 0
    steps: tuple[SubmissionStep, ...] = ()
    stepped_version: int = 0
    institution_id: str | None = None
    district: str | None = None
    region: str | None = None
    territory: str | None = None


class PublicationStatus(StrEnum):
    """`ordered`: the next edition is being made; what is published stays."""

    ORDERED = "ordered"
    PUBLISHED = "published"


class RevisionReason(StrEnum):
    """Why a period is published again."""

    CORRECTIONS = "corrections"
    LATE_REPORTS = "late_reports"
    METHOD = "method"
    OTHER = "other"


class Edition(Value):
    """One edition: immutable. `digest` is the SHA-256 of its values, `figures` their name."""

    edition: int
    made_at: datetime
    figures: str
    digest: str
    places: int
    values: int
    role: str
    reason: RevisionReason | None = None


class PublicationState(State):
    """A period as published for a territory: every edition, and the stream positions that the last one rests on.

    `positions`: by source, the applied position of each of the 64 shards.
    """

    place: str
    level: OfficeLevel
    period: str
    status: PublicationStatus
    ordered_at: datetime
    ordered_by: str
    ordered_for: RevisionReason | None = None
    editions: tuple[Edition, ...] = ()
    positions: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    district: str | None = None
    region: str | None = None
    territory: str | None = None


(
    SUBMISSION_OPENED,
    SUBMISSION_REMINDED,
    SUBMISSION_MOVED,
    SUBMISSION_SUBMITTED,
    SUBMISSION_RETURNED,
    SUBMISSION_APPROVED,
    SUBMISSION_LOCKED,
    SUBMISSION_REOPENED,
) = declare(
    "monitoring",
    "submission",
    SubmissionState,
    "opened",
    "reminded",
    "moved",
    "submitted",
    "returned",
    "approved",
    "locked",
    "reopened",
)
(PUBLICATION_ORDERED, PUBLICATION_MADE, PUBLICATION_REVISED) = declare(
    "monitoring", "publication", PublicationState, "ordered", "made", "revised"
)
