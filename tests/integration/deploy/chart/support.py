"""Two sets of values for the chart, what is required and all that can be switched on; how to look at what it makes."""

import functools
import tempfile
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.helm import Manifest, Values, environment_of, files_of, named, with_

PEPPER = "a pepper of sixteen characters"
SECRETS = {
    "postgres_admin": "admin",
    "hamkor_owner": "owner: 100 % / @ home?",
    "hamkor_app": "app + #1",
    "service_client": "services' secret word",
    "portal_client": "portal's",
    "portal_session": "what seals the sessions",
    "surveys_code_pepper": PEPPER,
}
VALUES: Values = {
    "image": {"repository": "hamkor"},
    "publicUrl": "https://hamkor.example.uz",
    "kafka": {"bootstrapServers": "kafka-1.data:9092,kafka-2.data:9094"},
    "postgresql": {"host": "postgres.data"},
    "oidc": {
        "issuer": "https://id.example.uz/realms/hamkor",
        "jwksUrl": "http://keycloak.id:8080/realms/hamkor/certs",
        "tokenUrl": "http://keycloak.id:8080/realms/hamkor/token",
    },
    "secrets": {"values": SECRETS},
}
KAFKA_LOGIN = {"user": "hamkor", "word": "Kafka's: # password"}
KEY_PASSWORD = "opens the key"
EVERYTHING = with_(
    VALUES,
    kafka__security={
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-256",
        "credentials": {"secret": "kafka-login", "usernameKey": "user", "passwordKey": "word"},
        "ca": {"configMap": "kafka-authority", "key": "kafka.pem"},
        "clientCertificate": {"secret": "kafka-client", "passwordKey": "tls.password"},
    },
    oidc__discoveryUrl="http://keycloak.id:8080/realms/hamkor/.well-known/openid-configuration",
    postgresql__sslMode="verify-full",
    postgresql__ca__secret="authority",
    ingress={"enabled": True, "className": "public", "tlsSecret": "certificate", "annotations": {"a.example/b": "1"}},
    serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}},
    prometheusRule={"enabled": True},
    grafanaDashboard={"enabled": True, "datasourceUid": "theirs"},
    networkPolicy={
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prometheus"}}}],
        "portalFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "postgresql": {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
    },
    podLabels={"team": "education"},
    podAnnotations={"example/seen": "yes"},
    tolerations=[{"key": "data", "operator": "Exists"}],
    nodeSelector={"pool": "apps"},
    affinity={"nodeAffinity": {}},
    priorityClassName="important",
)

STEPS = ("roles", "migrations", "topics")
MOUNT = "/run/secrets"


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Deployments and Jobs by process."""
    return named(manifests, "Deployment") | named(manifests, "Job")


def secrets_of(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """The chart's Secrets and those that are named to it."""
    made = {each["metadata"]["name"]: dict(each["stringData"]) for each in named(manifests, "Secret").values()}
    return {**made, "authority": {"ca.crt": "a certificate"}, **of_kafka()}


@functools.cache
def of_kafka() -> dict[str, dict[str, str]]:
    """What is named to the chart for Kafka; settings look into the files."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        client = authority.sign("client", KEY_PASSWORD)
        return {
            "kafka-login": KAFKA_LOGIN,
            "kafka-authority": {"kafka.pem": authority.file.read_text()},
            "kafka-client": {
                "tls.crt": client.certificate.read_text(),
                "tls.key": client.key.read_text(),
                "tls.password": KEY_PASSWORD,
            },
        }


def unpacked(manifest: Manifest, manifests: list[Manifest], folder: Path) -> dict[str, str]:
    """The container's environment, its secret files lying in `folder` instead."""
    for path, content in files_of(manifest, secrets_of(manifests)).items():
        file = folder / path.removeprefix(f"{MOUNT}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return {name: value.replace(MOUNT, str(folder)) for name, value in environment_of(manifest).items()}
