"""How Kafka's clients prove who they are and whom they trust: the one factory of their TLS and SASL arguments."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from faststream.security import BaseSecurity

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """What the settings KAFKA_SECURITY_PROTOCOL … say, checked there; nothing secret is in its repr.

    Files are PEM and are read whenever a client is made, so that new ones count from the next connection on. Without
    `ca_file` the authorities of the system are trusted. Host names must be those in the brokers' certificates.
    """

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether clients give a user name and a password."""
        return self.protocol.startswith("SASL_")

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context of encrypted connections; raises OSError, or ssl.SSLError for a file that is not as it should."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            # Never None: OpenSSL would ask for it at the terminal.
            context.load_cert_chain(self.certificate_file, self.key_file, lambda: self.key_password or "")
        return context

    def for_aiokafka(self) -> dict[str, Any]:
        """Arguments of aiokafka's clients; raises as `ssl_context`."""
        given: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.ssl_context()}
        if self.sasl:
            given |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return given

    def for_faststream(self) -> "BaseSecurity":
        """The argument of a FastStream broker, which makes those of aiokafka of it; raises as `ssl_context`."""
        # Here, as the settings know this module, and most who read settings have no broker.
        from faststream import security

        context = self.ssl_context()
        if not self.sasl:
            return security.BaseSecurity(ssl_context=context)
        kinds = {
            "PLAIN": security.SASLPlaintext,
            "SCRAM-SHA-256": security.SASLScram256,
            "SCRAM-SHA-512": security.SASLScram512,
        }
        kind = kinds[self.mechanism or "PLAIN"]
        return kind(username=self.username or "", password=self.password or "", ssl_context=context, use_ssl=self.tls)

    def for_librdkafka(self) -> dict[str, str]:
        """Properties of confluent-kafka's clients, which read the files themselves."""
        given: dict[str, Any] = {"security.protocol": self.protocol}
        if self.sasl:
            given |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        if self.tls:
            given |= {
                "ssl.ca.location": self.ca_file,
                "ssl.certificate.location": self.certificate_file,
                "ssl.key.location": self.key_file,
                "ssl.key.password": self.key_password,
            }
        return {name: str(value) for name, value in given.items() if value is not None}


PLAINTEXT = KafkaSecurity()


def problems_of(security: KafkaSecurity) -> Iterator[str]:
    """What does not go together or cannot be read: sentences that begin with a variable, without a full stop."""
    protocol = f"KAFKA_SECURITY_PROTOCOL={security.protocol}"
    login = {
        "KAFKA_SASL_MECHANISM": security.mechanism,
        "KAFKA_SASL_USERNAME": security.username,
        "KAFKA_SASL_PASSWORD": security.password,
    }
    for name, value in login.items():
        if security.sasl and not value:
            yield f"{name} is not set: {protocol} needs it"
        if value and not security.sasl:
            yield f"{name} is set, but {protocol} takes no SASL: expected SASL_SSL or SASL_PLAINTEXT"
    files = {
        "KAFKA_CA_FILE": security.ca_file,
        "KAFKA_CERTIFICATE_FILE": security.certificate_file,
        "KAFKA_KEY_FILE": security.key_file,
    }
    for name, path in files.items():
        if path and not security.tls:
            yield f"{name} is set, but {protocol} takes no TLS: expected SASL_SSL or SSL"
    if security.certificate_file and not security.key_file:
        yield "KAFKA_KEY_FILE is not set: KAFKA_CERTIFICATE_FILE needs it"
    if security.key_file and not security.certificate_file:
        yield "KAFKA_CERTIFICATE_FILE is not set: KAFKA_KEY_FILE needs it"
    if security.key_password and not security.key_file:
        yield "KAFKA_KEY_PASSWORD is set, but there is no KAFKA_KEY_FILE"
    yield from _problems_of_files(security, {name: path for name, path in files.items() if path})


def _problems_of_files(security: KafkaSecurity, files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        try:
            path.read_bytes()
        except OSError as problem:
            yield f"{name} names the file {path}, which cannot be read: {problem.strerror}"
    try:
        if security.ca_file:
            ssl.create_default_context(cafile=security.ca_file)
    except OSError:
        yield f"KAFKA_CA_FILE names the file {security.ca_file}, which holds no certificate in PEM"
    try:
        security.ssl_context()
    except OSError:
        yield (
            f"KAFKA_KEY_FILE names the file {security.key_file}, which is not the key, in PEM, of the certificate in "
            "KAFKA_CERTIFICATE_FILE, or KAFKA_KEY_PASSWORD does not open it"
        )
