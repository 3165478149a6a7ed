"""Who may do what: the table, walked."""

import pytest

from services.surveys.api import PERMISSIONS
from shared.scope import EDUCATION, TERRITORIAL, Role

NARROWER = {
    "answers.count": frozenset({Role.OPERATOR, Role.SERVICE}),
    "instrument.read": EDUCATION | {Role.ENTERPRISE, Role.OPERATOR, Role.SERVICE},
    # A wave is asked from above; what opens a person's form, and what a person told, stays where the person is known.
    "campaign.issue_codes": frozenset({Role.INSTITUTION}),
    "interview.enter": frozenset({Role.INSTITUTION}),
    "wave.plan": TERRITORIAL,
    "wave.open": TERRITORIAL,
    "wave.close": TERRITORIAL,
    **{
        f"{what}.{act}": frozenset({Role.INSTITUTION, Role.SERVICE} if act == "read" else {Role.INSTITUTION})
        for what, acts in (
            ("invitation", ("read", "make", "withdraw", "remind", "hand_over")),
            ("graduate_status", ("read", "tell", "withdraw")),
        )
        for act in acts
    },
    "invitation_rule.set": frozenset({Role.MINISTRY}),
    "results.read_territory": TERRITORIAL,
    "texts.read": frozenset({Role.INSTITUTION}),
    "answers.export": frozenset({Role.MINISTRY, Role.INSTITUTION}),
}
"""Actions that are not everybody's of education."""


@pytest.mark.parametrize("action", PERMISSIONS)
def test_people_of_education_may_and_operators_see_none_of_the_business(action: str) -> None:
    reads = action.endswith(".read")
    expected = NARROWER.get(action)
    if expected is not None:
        assert PERMISSIONS[action] == expected
    else:
        assert PERMISSIONS[action] - {Role.SERVICE} == EDUCATION
        assert reads or Role.SERVICE not in PERMISSIONS[action]
