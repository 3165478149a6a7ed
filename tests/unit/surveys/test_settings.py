"""Settings of surveys alone: a wrong one stops the start in one sentence."""

import pytest

from services.surveys.app import load_own_settings
from shared.settings import Settings, WrongSettings, load_settings

ENVIRONMENT = {
    "SURVEYS_DATABASE_URL": "postgresql+asyncpg://a:b@h/surveys",
    "KAFKA_BOOTSTRAP_SERVERS": "h:9092",
    "SERVICE_CLIENT_SECRET": "sixteen characters",
}


def some_settings(secret: str = "sixteen characters") -> Settings:
    return load_settings("surveys", ENVIRONMENT | {"SERVICE_CLIENT_SECRET": secret})


def test_without_a_pepper_one_is_derived_that_survives_a_restart() -> None:
    own = load_own_settings(some_settings(), {})
    assert own == load_own_settings(some_settings(), {})
    assert own.code_pepper != load_own_settings(some_settings("another secret of 16"), {}).code_pepper
    assert "sixteen" not in own.code_pepper


def test_a_pepper_may_be_given() -> None:
    assert load_own_settings(some_settings(), {"SURVEYS_CODE_PEPPER": "p" * 20}).code_pepper == "p" * 20


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SURVEYS_CODE_PEPPER": "short"}, "SURVEYS_CODE_PEPPER is wrong"),
        ({"SURVEYS_CODE_PEPPER_FILE": "/nowhere"}, "SURVEYS_CODE_PEPPER_FILE names the file /nowhere"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(WrongSettings, match=named) as raised:
        load_own_settings(some_settings(), environment)
    assert "short" not in str(raised.value)
