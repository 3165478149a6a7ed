"""What the surveys service tells: scores and counts of anonymous responses, never text or identity."""

from shared.contracts.events import State, Value, declare
from shared.contracts.vocabulary import RespondentGroup


class Score(Value):
    """Sum of scored answers on the scale 0..100 in thousandths (0..100_000 each) and how many there were."""

    sum_thousandths: int
    count: int


class ResponseState(State):
    """One response; `month` is "YYYY-MM", `index_thousandths` the mean of its scored answers (None: none scored)."""

    campaign_id: str
    group: RespondentGroup
    institution_id: str
    month: str
    index_thousandths: int | None
    dimensions: dict[str, Score]


(RESPONSE_RECORDED,) = declare("surveys", "response", ResponseState, "recorded")
