"""What the surveys service tells: scores and counts of anonymous responses, never text or identity.

Respondents are opaque references given by institutions, and enterprises by their ids; what somebody answered is never
told beside who was asked. Only a graduate's status is identified, by reference, and told with recorded consent alone.
"""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.practice import OutcomeMatch, OutcomeStatus
from shared.contracts.vocabulary import InstitutionKind, RespondentGroup


class Score(Value):
    """Sum of scored answers on the scale 0..100 in thousandths (0..100_000 each) and how many there were."""

    sum_thousandths: int
    count: int


class ResponseMode(StrEnum):
    """Who wrote the answers down: the respondent, or an interviewer."""

    FORM = "form"
    INTERVIEW = "interview"


class ResponseState(State):
    """One response; `month` is "YYYY-MM", `index_thousandths` the mean of its scored answers (None: none scored).

    `mode` is None in events from before it was told.
    """

    campaign_id: str
    group: RespondentGroup
    institution_id: str
    month: str
    index_thousandths: int | None
    dimensions: dict[str, Score]
    mode: ResponseMode | None = None


class SurveyCampaignStatus(StrEnum):
    """Only an open campaign takes answers."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class CampaignCounts(Value):
    """How far a campaign came: codes given out, invitations made, responses received in steps of k."""

    codes: int = 0
    invited: int = 0
    responses: int = 0


class CampaignState(State):
    """One instrument asked at one institution, both days included.

    `wave_id`: the wave that made it; `standing`: the academic year whose events' invitations it collects.
    """

    institution_id: str
    instrument: str
    instrument_version: int
    group: RespondentGroup
    first_day: date
    last_day: date
    status: SurveyCampaignStatus
    wave_id: str | None = None
    standing: str | None = None
    counts: CampaignCounts = CampaignCounts()


class WaveStatus(StrEnum):
    """An open wave makes a campaign at each of its institutions; a closed or cancelled one stays so."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Quota(Value):
    """How many responses are wanted of a stratum; `hard` stops intake there once they are in.

    `territory` is a SOATO code of a region or district within the wave's, None all of it; `kind` None is every kind.
    """

    territory: str | None = None
    kind: InstitutionKind | None = None
    responses: int
    hard: bool = False


class WaveState(State):
    """An instrument asked in a territory (SOATO code), at kinds of institutions (none named: all), in a period.

    `target_invited` and `minimum_responses` are wanted of each institution.
    """

    instrument: str
    instrument_version: int
    group: RespondentGroup
    territory: str
    kinds: tuple[InstitutionKind, ...] = ()
    first_day: date
    last_day: date
    status: WaveStatus
    target_invited: int | None = None
    minimum_responses: int | None = None
    quotas: tuple[Quota, ...] = ()


class RespondentKind(StrEnum):
    """What an invitation's reference names."""

    STUDENT = "student"
    GRADUATE = "graduate"
    TEACHER = "teacher"
    ENTERPRISE = "enterprise"


class Occasion(StrEnum):
    """What made an invitation: a fact of agreements', or a list the institution sent."""

    PLACEMENT = "placement"
    EMPLOYMENT = "employment"
    OUTCOME = "outcome"
    LIST = "list"


class InvitationStatus(StrEnum):
    """`redeemed` says that the right to answer was taken up, not that anybody answered; told in company of k."""

    PENDING = "pending"
    REDEEMED = "redeemed"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class InvitationState(State):
    """Somebody is asked to take part; `source_id` is the fact that made it, `months` after graduation where it is S4.

    The secret that redeems it is nowhere in here.
    """

    institution_id: str
    campaign_id: str
    instrument: str
    respondent: RespondentKind
    respondent_ref: str
    occasion: Occasion
    source_id: str | None = None
    months: int = 0
    status: InvitationStatus
    made_on: date
    lapses_on: date
    reminders: int = 0
    reminded_on: date | None = None


class LevelMatch(StrEnum):
    """Which level of education suits a graduate's job, against the own."""

    HIGHER = "higher"
    SAME = "same"
    LOWER = "lower"


class GraduateStatusState(State):
    """S4: what a graduate says of the own status `months` (6 or 12) after graduation, with recorded consent.

    `employment_id` and `employed_since` name the employment at the same employer that the institution reported, if it
    did: the graduate's word confirms it. `withdrawn`: the consent was taken back, and everything told is deleted here.
    """

    institution_id: str
    graduate_ref: str | None
    graduated_on: date | None
    months: int
    status: OutcomeStatus | None
    told_on: date | None
    profession: str | None = None
    match: OutcomeMatch | None = None
    enterprise_id: str | None = None
    employment_id: str | None = None
    employed_since: date | None = None
    withdrawn: bool = False
    first_job_on: date | None = None
    level_match: LevelMatch | None = None
    searching_months: int | None = None


(RESPONSE_RECORDED,) = declare("surveys", "response", ResponseState, "recorded")
CAMPAIGN_PLANNED, CAMPAIGN_OPENED, CAMPAIGN_CLOSED = declare(
    "surveys", "campaign", CampaignState, "planned", "opened", "closed"
)
WAVE_PLANNED, WAVE_AMENDED, WAVE_OPENED, WAVE_CLOSED, WAVE_CANCELLED = declare(
    "surveys", "wave", WaveState, "planned", "amended", "opened", "closed", "cancelled"
)
(
    INVITATION_MADE,
    INVITATION_REMINDED,
    INVITATION_REDEEMED,
    INVITATION_LAPSED,
    INVITATION_WITHDRAWN,
    INVITATION_REASSIGNED,
) = declare(
    "surveys",
    "invitation",
    InvitationState,
    "made",
    "reminded",
    "redeemed",
    "lapsed",
    "withdrawn",
    "reassigned",
)
(
    GRADUATE_STATUS_REPORTED,
    GRADUATE_STATUS_CORRECTED,
    GRADUATE_STATUS_WITHDRAWN,
    GRADUATE_STATUS_REASSIGNED,
) = declare("surveys", "graduate_status", GraduateStatusState, "reported", "corrected", "withdrawn", "reassigned")
