"""Rows of the surveys database; what anonymity asks of each table stands beside it.

institution       what partners' events told of it
campaign          one instrument asked at one institution in a period
code_batch        how many codes were issued for a campaign, and when
access_code       keyed hashes of codes, written once at their issue – no id, no time, and nothing of their use
spent_mark        what was spent to answer, under another keyed hash; gone when the campaign is over
intake            how many answers of a campaign became responses, and whether its marks are gone
token_key         a campaign's key for blind signatures, its secret half sealed
staged_answer     sealed answers on their way – no id, no time, no code
response          answers under random ids, with the day – no code, no person, no moment
tally             sums over all responses, for the service alone
released_result   the part of the sums that may be shown, moved in steps of at least k responses
"""

from services.surveys.tables.answers import (
    ResponseRow,
    access_code,
    intake,
    spent_mark,
    staged_answer,
    token_key,
)
from services.surveys.tables.base import Base
from services.surveys.tables.campaigns import CampaignRow, CodeBatchRow
from services.surveys.tables.institutions import InstitutionRow
from services.surveys.tables.results import released_result, tally

__all__ = [
    "Base",
    "CampaignRow",
    "CodeBatchRow",
    "InstitutionRow",
    "ResponseRow",
    "access_code",
    "intake",
    "released_result",
    "spent_mark",
    "staged_answer",
    "tally",
    "token_key",
]
