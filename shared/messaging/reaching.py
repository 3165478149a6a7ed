"""Why Kafka cannot be worked with, in words that say which setting to look at."""

import asyncio
import os
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.messaging.kafka import KafkaAddress

ASKED_WHY_S = 3.0
"""How long a broker that cannot be worked with has to say why."""


class KafkaUnreachable(ConnectionError):
    """The brokers cannot be worked with, for a reason that a person may have to do something about."""


@asynccontextmanager
async def explained(address: KafkaAddress) -> AsyncIterator[None]:
    """What clients fail with in here is raised as KafkaUnreachable where a broker says why it is not worked with."""
    try:
        yield
    except (KafkaError, TimeoutError) as problem:
        reason = await why_unreachable(address)
        if not reason:
            raise
        raise KafkaUnreachable(f"{reason} – {problem!r}") from problem


async def why_unreachable(address: KafkaAddress) -> str:
    """What each broker says to a connection, as far as that is no welcome; "" where all welcome it.

    aiokafka's clients tell it to a log of their own, several times a second, and raise that no broker is there. Brokers
    are asked under the addresses that are set and under those by which they name themselves. Raises OSError where the
    address's or the security's files cannot be read.
    """
    given = {"client_id": "hamkor-why", "request_timeout_ms": int(ASKED_WHY_S * 1000)}
    given |= address.security.for_aiokafka()
    cluster = ClusterMetadata()
    said: dict[str, str] = {}

    async def ask(server: str) -> None:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(ASKED_WHY_S):
                connection: AIOKafkaConnection = await create_conn(host.strip("[]"), int(port), **given)
                try:
                    cluster.update_metadata(await connection.send(MetadataRequest([])))
                finally:
                    connection.close()
            said[server] = ""
        except Exception as problem:
            said[server] = _reason(problem)

    await asyncio.gather(*map(ask, address.resolve()))
    named = {f"{broker.host}:{broker.port}" for broker in cluster.brokers()}
    await asyncio.gather(*map(ask, named - said.keys()))
    servers: dict[str, list[str]] = defaultdict(list)
    for server, reason in said.items():
        servers[reason].append(server)
    return "; ".join(f"{', '.join(each)}: {reason}" for reason, each in servers.items() if reason)


def _reason(problem: BaseException) -> str:
    """In words, with the settings to look at."""
    if isinstance(problem, KafkaConnectionError) and problem.__cause__ is not None:
        problem = problem.__cause__
    match problem:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted, {problem.verify_message} (KAFKA_CA_FILE)"
        case ssl.SSLError():
            return f"no TLS connection, {problem.reason} (KAFKA_SECURITY_PROTOCOL, KAFKA_CERTIFICATE_FILE)"
        case SaslAuthenticationFailed():
            return f"the login is refused, {problem} (KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD)"
        case UnsupportedSaslMechanismError():
            return f"the login is refused, {problem} (KAFKA_SASL_MECHANISM)"
        case IllegalSaslStateError():
            return "no login is wanted (KAFKA_SECURITY_PROTOCOL)"
        case TimeoutError():
            return f"no answer within {ASKED_WHY_S:.0f} s"
        case KafkaConnectionError() | EOFError() | ConnectionResetError():
            return "the connection is ended (KAFKA_SECURITY_PROTOCOL)"
        case socket.gaierror():
            return problem.strerror or "unknown host"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return str(problem) or type(problem).__name__
