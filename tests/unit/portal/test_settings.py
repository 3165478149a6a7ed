"""Wrong settings stop the start with one sentence that names the variable."""

import pytest

from services.portal.settings import load_portal_settings
from shared.settings import WrongSettings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PORTAL_SESSION_SECRET": ""}, "PORTAL_SESSION_SECRET"),
        ({"PORTAL_SESSION_SECRET": "short"}, "PORTAL_SESSION_SECRET"),
        ({"SERVICE_CLIENT_SECRET": ""}, "SERVICE_CLIENT_SECRET"),
        ({"PORTAL_PORT": "many"}, "PORTAL_PORT"),
        ({"MONITORING_URL": "monitoring:8104"}, "MONITORING_URL"),
        ({"PORTAL_EMBEDDED_ISSUER": "perhaps"}, "PORTAL_EMBEDDED_ISSUER"),
        ({"AUTH_ISSUER": "http://idp.test/realm"}, "AUTH_ISSUER"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
def test_wrong_setting_is_named(environment: dict[str, str], changes: dict[str, str], named: str) -> None:
    with pytest.raises(WrongSettings) as stopped:
        load_portal_settings(environment | changes)
    sentence = str(stopped.value)
    assert named in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert environment["PORTAL_SESSION_SECRET"] not in sentence


def test_issuer_defaults_to_the_portals_own(environment: dict[str, str]) -> None:
    assert load_portal_settings(environment).auth_issuer == "http://portal.test/oidc"
