"""Rows of the surveys database; what anonymity asks of each table stands beside it.

institution       what partners' events told of it
campaign          one instrument asked at one institution in a period
code_batch        how many codes were issued for a campaign, and when
access_code       keyed hashes of codes and whether they are spent – no id, no time, no order
staged_answer     sealed answers on their way – no id, no time, no code
response          answers under random ids, with the day – no code, no person, no moment
tally             sums over all responses, for the service alone
released_result   the part of the sums that may be shown, moved in steps of at least k responses
"""

from services.surveys.tables.answers import MIXED, SPENT, UNUSED, ResponseRow, access_code, staged_answer
from services.surveys.tables.base import Base
from services.surveys.tables.campaigns import CampaignRow, CodeBatchRow
from services.surveys.tables.institutions import InstitutionRow
from services.surveys.tables.results import released_result, tally

__all__ = [
    "MIXED",
    "SPENT",
    "UNUSED",
    "Base",
    "CampaignRow",
    "CodeBatchRow",
    "InstitutionRow",
    "ResponseRow",
    "access_code",
    "released_result",
    "staged_answer",
    "tally",
]
