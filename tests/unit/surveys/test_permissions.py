"""Who may do what: the table, walked."""

import pytest

from services.surveys.api import PERMISSIONS
from shared.scope import EDUCATION, Role


@pytest.mark.parametrize("action", PERMISSIONS)
def test_operators_watch_the_machinery_and_see_none_of_the_business(action: str) -> None:
    allowed = PERMISSIONS[action]
    if action == "answers.count":
        assert allowed == {Role.OPERATOR, Role.SERVICE}
    elif action == "instrument.read":
        assert EDUCATION | {Role.ENTERPRISE, Role.OPERATOR} <= allowed
    else:
        assert allowed >= EDUCATION
        assert not allowed & {Role.OPERATOR, Role.ENTERPRISE}


@pytest.mark.parametrize("action", [action for action in PERMISSIONS if not action.endswith((".read", ".count"))])
def test_only_people_of_education_change_anything(action: str) -> None:
    assert PERMISSIONS[action] == EDUCATION
