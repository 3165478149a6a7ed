"""Which values the chart refuses, and in what words."""

from typing import Any

import pytest

from deploy.kafka import topics
from tests.integration.deploy.chart.support import EVERYTHING, SECRETS, VALUES
from tests.support.helm import Chart, Refused, with_

pytestmark = [pytest.mark.helm, pytest.mark.slow]


def test_lint_finds_nothing(chart: Chart) -> None:
    for values in (VALUES, EVERYTHING):
        assert "0 chart(s) failed" in chart.lint(values)


WITHOUT_ROLES = {"roles": {"enabled": False}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": {}}, "/image/repository"),
        ({"publicUrl": ""}, "/publicUrl"),
        ({"publicUrl": "https://hamkor.example.uz/"}, "/publicUrl"),
        ({"kafka": {}}, "/kafka/bootstrapServers"),
        ({"kafka": {"bootstrapServers": "kafka"}}, "/kafka/bootstrapServers"),
        ({"kafka__replication": 1}, "/kafka/replication"),
        ({"kafka__security": {"protocol": "TLS"}}, "/kafka/security/protocol"),
        ({"kafka__security": {"protocol": "SASL_SSL"}}, "/kafka/security/credentials/secret"),
        ({"kafka__security": {"protocol": "SSL", "credentials": {"secret": "a"}}}, "/kafka/security/credentials"),
        ({"kafka__security": {"mechanism": "GSSAPI"}}, "/kafka/security/mechanism"),
        ({"kafka__security": {"ca": {"secret": "a"}}}, "/kafka/security/ca/secret"),
        ({"kafka__security": {"protocol": "SSL", "ca": {"secret": "a", "configMap": "b"}}}, "/kafka/security/ca"),
        ({"kafka__security": {"clientCertificate": {"secret": "a"}}}, "/kafka/security/clientCertificate/secret"),
        ({"kafka__security": {"password": "word"}}, "'password' not allowed"),
        ({"postgresql": {}}, "/postgresql/host"),
        ({"postgresql": {}, "steps": WITHOUT_ROLES}, "/postgresql/host"),
        ({"postgresql__sslMode": "verify-full"}, "/postgresql/ca/secret"),
        ({"postgresql__sslMode": "yes"}, "/postgresql/sslMode"),
        ({"oidc__issuer": "id.example.uz"}, "/oidc/issuer"),
        ({"oidc__jwksUrl": ""}, "/oidc/jwksUrl"),
        ({"secrets": {}}, "'surveys_code_pepper'"),
        ({"secrets__values__service_client": "short"}, "/secrets/values/service_client"),
        ({"secrets__existing": "ours"}, "/secrets/values"),
        ({"secrets__values": {**SECRETS, "postgres_admin": ""}}, "/secrets/values/postgres_admin"),
        ({"services__monitoring__replicas": topics.PARTITIONS + 1}, "/services/monitoring/replicas"),
        ({"services__portal__replica": 3}, "'replica' not allowed"),
        ({"services__partners__databasePool": 1}, "/services/partners/databasePool"),
        ({"privacyK": 1}, "/privacyK"),
        ({"logLevel": "loud"}, "/logLevel"),
        ({"ingres": {"enabled": True}}, "'ingres' not allowed"),
        ({"terminationGracePeriodSeconds": 19}, "a process ends within 15 seconds"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(chart: Chart, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.render(with_(VALUES, **changes))

    assert said in str(refused.value)


def test_the_roles_need_a_superuser_s_password_and_only_they(chart: Chart) -> None:
    without = {name: value for name, value in SECRETS.items() if name != "postgres_admin"}

    with pytest.raises(Refused, match="postgres_admin"):
        chart.render(with_(VALUES, secrets__values=without))
    assert chart.render(with_(VALUES, secrets__values=without, steps=WITHOUT_ROLES))
