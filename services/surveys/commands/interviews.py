"""Interviews come in: one or many, on line or from a device that had no network, each exactly once."""

from collections.abc import Sequence
from datetime import date

from services.surveys.commands.campaigns import find_visible
from services.surveys.commands.responses import Outcome, Submission, record_answers, submission
from services.surveys.domain import interviews as domain
from services.surveys.domain.answers import check
from services.surveys.domain.campaigns import Campaign
from services.surveys.instruments import InstrumentLibrary
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.contracts.surveys import ResponseMode
from shared.errors import HamkorError, InvalidInput, WrongState
from shared.persistence.unit_of_work import UnitOfWork

Result = HamkorError | Outcome
"""What became of an interview: taken, taken before, or why not."""


async def enter(
    uow: UnitOfWork,
    vault: Vault,
    library: InstrumentLibrary,
    campaign_id: str,
    interviews: Sequence[domain.EnterInterview],
) -> list[Result]:
    """Take in interviews of one campaign; one that is refused keeps nobody else's out.

    A client id counts once in its campaign, in one request or in several at the same time. The answers go the way of
    all answers: marked as an interview's, and with nothing beside them that says whose.
    """
    campaign = (await find_visible(uow, campaign_id)).campaign()
    instrument = await library.ensure(uow.session, campaign.instrument, campaign.instrument_version)
    today = local_day(uow.now)
    results: dict[int, Result] = {}
    submissions: dict[int, Submission] = {}
    for number, interview in enumerate(interviews):
        try:
            domain.check_day(interview.held_on, campaign.period.first, campaign.last_interview, today)
            sent = {
                name: [given] if isinstance(given, str) else list(given) for name, given in interview.answers.items()
            }
            checked = check(instrument, sent)
            if checked.faults:
                raise InvalidInput(*checked.faults)
        except HamkorError as problem:
            results[number] = problem
            continue
        mark = vault.mark_of(campaign.id, "interview", interview.client_id.encode())
        submissions[number] = submission(
            vault, campaign.id, mark, checked.answers, interview.held_on, ResponseMode.INTERVIEW
        )
    # The answers' tables belong to the service alone: whoever may enter interviews may not read them.
    async with uow.beyond_scope():
        outcomes = await record_answers(uow, vault, list(submissions.values()), late=True) if submissions else []
    for number, outcome in zip(submissions, outcomes, strict=True):
        results[number] = _closed(campaign, today) if outcome is Outcome.CLOSED else outcome
    return [results[number] for number in range(len(interviews))]


def _closed(campaign: Campaign, today: date) -> HamkorError:
    if campaign.is_over(today):
        return domain.InterviewsOver(
            ended=campaign.last_interview.isoformat(), until=campaign.interviews_until.isoformat()
        )
    return WrongState(state=campaign.status.value, step="interview")
