"""Wrong settings stop the start with one sentence that names the variable, and never show a secret."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import COMMON, OWN, Settings, WrongSettings, load_settings, variable_of

GOOD = {
    "PARTNERS_DATABASE_URL": "postgresql+asyncpg://hamkor_app:top-secret@localhost/partners",
    "KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092",
    "SERVICE_CLIENT_SECRET": "sixteen-characters-at-least",
}
WRONG = {
    "PARTNERS_DATABASE_URL": ["", "mysql://top-secret@x/y", "postgresql://u:top-secret@h/d"],
    "KAFKA_BOOTSTRAP_SERVERS": ["", "nowhere", "a:b", "a:9092,", "file:relative"],
    "KAFKA_EMBEDDED": ["perhaps"],
    "KAFKA_SECURITY_PROTOCOL": ["TLS", "ssl"],
    "KAFKA_SASL_MECHANISM": ["GSSAPI", "scram", "PLAIN"],
    "KAFKA_SASL_USERNAME": ["somebody"],
    "KAFKA_SASL_PASSWORD": ["top-secret"],
    "KAFKA_CA_FILE": ["ca.pem"],
    "KAFKA_CERTIFICATE_FILE": ["client.pem"],
    "KAFKA_KEY_FILE": ["client.key"],
    "KAFKA_KEY_PASSWORD": ["top-secret"],
    "SERVICE_CLIENT_SECRET": ["", "top-secret"],
    "PARTNERS_PORT": ["0", "65536", "http", "-1", "8101.5"],
    "PARTNERS_DATABASE_POOL": ["1", "many"],
    "AUTH_ISSUER": ["issuer", "ftp://issuer"],
    "AUTH_JWKS_URL": ["keys"],
    "AGREEMENTS_URL": ["agreements:8102"],
    "PRIVACY_K": ["1", "ten"],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
}


def test_good_environment_gives_settings() -> None:
    settings = load_settings("partners", GOOD)
    assert settings.port == 8101
    assert settings.auth_jwks_url == "http://127.0.0.1:8100/oidc/jwks"
    assert settings.urls["agreements"] == "http://127.0.0.1:8102"


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_variable_is_named_in_one_sentence_without_secrets(variable: str, value: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        load_settings("partners", GOOD | {variable: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{variable} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "top-secret" not in sentence


def test_every_setting_has_its_variable() -> None:
    assert set(COMMON) | set(OWN) | {"service", "urls"} == set(Settings.model_fields)
    assert variable_of("partners", "port") == "PARTNERS_PORT"


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file-of-secrets\n")
    environment = {name: value for name, value in GOOD.items() if name != "SERVICE_CLIENT_SECRET"}
    environment["SERVICE_CLIENT_SECRET_FILE"] = str(tmp_path / "secret")
    assert load_settings("partners", environment).service_client_secret == "from-a-file-of-secrets"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_secret_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WrongSettings, match=r"^SERVICE_CLIENT_SECRET_FILE names the file .*secret, which cannot"):
        load_settings("partners", GOOD | {"SERVICE_CLIENT_SECRET": "", "SERVICE_CLIENT_SECRET_FILE": str(path)})


def test_process_with_wrong_settings_says_so_and_ends_for_good() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shared.web.serve", "partners"],
        env=GOOD | {"PARTNERS_PORT": "none", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78  # EX_CONFIG: the supervisor does not try again
    assert done.stderr.startswith("PARTNERS_PORT is wrong")
    assert len(done.stderr.splitlines()) == 1
