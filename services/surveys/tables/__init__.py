"""Rows of the surveys database; what anonymity asks of each table stands beside it.

institution       what partners' events told of it
enterprise_ref    what partners' events told of enterprises; employment_ref: what agreements' told of graduates' work
own_instrument    questionnaires of offices and institutions: drafts, and published versions that never change
wave              an instrument asked in a territory: the umbrella over campaigns
campaign          one instrument asked at one institution in a period
invitation_rule   which fact of agreements' invites whom, where the ministry changed it
occasion          what such a fact asks for, due now or later
invitation        who is asked, by opaque reference, with a keyed hash of the secret – nothing of any answer
redemption        keyed hashes of the invitations that were turned into tokens: without the pepper nobody's
graduate_status   what graduates say of their status, by reference, with consent – nothing of any answer
consent           that there was consent, to which text, and when it was taken back
code_batch        how many codes were issued for a campaign, and when
access_code       keyed hashes of codes, written once at their issue – no id, no time, and nothing of their use
spent_mark        what was spent to answer, under another keyed hash; gone when the campaign is over
intake            how many answers of a campaign became responses, and whether its marks are gone
token_key         a campaign's key for blind signatures, its secret half sealed
staged_answer     sealed answers on their way – no id, no time, no code
response          answers under random ids, with the day – no code, no person, no moment
tally             sums over all responses, for the service alone
released_result   the part of the sums that may be shown: of a campaign, in steps of k responses and more, or of a pool
choice            how often each option was chosen, for the service alone
released_choice   the same at the moment its topic's sums were released; for the service, which hides small counts
released_step     what each release added to it, of rated topics; for the service, which hides what follows from these
pool              answers of campaigns that are over, too few alone, together; its sums are released under its id
pooled_campaign   where the institution of such a campaign was, and the territory in which all its answers count
held_text         free texts that wait for company – no response, no day
released_text     free texts of at least k together under random ids, for the owning institution alone
"""

from services.surveys.tables.answers import (
    ResponseRow,
    access_code,
    intake,
    received_in,
    spent_mark,
    staged_answer,
    token_key,
)
from services.surveys.tables.base import Base
from services.surveys.tables.campaigns import CampaignRow, CodeBatchRow
from services.surveys.tables.graduates import GraduateStatusRow
from services.surveys.tables.institutions import EmploymentRow, EnterpriseRow, InstitutionRow, own_paths
from services.surveys.tables.instruments import InstrumentRow
from services.surveys.tables.invitations import InvitationRow, OccasionRow, RuleRow, consent, redemption
from services.surveys.tables.results import (
    choice,
    held_text,
    released_choice,
    released_result,
    released_step,
    released_text,
    tally,
)
from services.surveys.tables.waves import WaveRow

__all__ = [
    "Base",
    "CampaignRow",
    "CodeBatchRow",
    "EmploymentRow",
    "EnterpriseRow",
    "GraduateStatusRow",
    "InstitutionRow",
    "InstrumentRow",
    "InvitationRow",
    "OccasionRow",
    "ResponseRow",
    "RuleRow",
    "WaveRow",
    "access_code",
    "choice",
    "consent",
    "held_text",
    "intake",
    "own_paths",
    "received_in",
    "redemption",
    "released_choice",
    "released_result",
    "released_step",
    "released_text",
    "spent_mark",
    "staged_answer",
    "tally",
    "token_key",
]
