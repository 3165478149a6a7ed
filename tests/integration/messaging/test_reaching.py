"""Why a broker is not worked with is told in words; the brokers here are none, they only pick up the phone."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.messaging.kafka import KafkaAddress
from shared.messaging.reaching import KafkaUnreachable, explained, why_unreachable
from shared.messaging.security import KafkaSecurity
from tests.support.certificates import Authority
from tests.support.engines import EmbeddedBroker
from tests.support.services import free_port

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    answer: Answer, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """host:port at which something else than Kafka answers."""
    server = await asyncio.start_server(answer, host, 0, ssl=context)
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def serving(authority: Authority) -> ssl.SSLContext:
    """What a server for 127.0.0.1 and localhost shows."""
    own = authority.sign("broker")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    return context


async def test_a_broker_that_welcomes_has_no_reason(broker: EmbeddedBroker) -> None:
    address = KafkaAddress(broker.setting, embedded=True)

    assert await why_unreachable(address) == ""
    with pytest.raises(KafkaConnectionError, match="of another kind"):
        async with explained(address):
            raise KafkaConnectionError("of another kind")


async def test_each_reason_is_told_once_and_with_what_failed() -> None:
    nobody = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    async with listening(hang_up) as server:
        with pytest.raises(KafkaUnreachable) as caught:
            async with explained(KafkaAddress(",".join((nobody[0], server, nobody[1])))):
                raise KafkaConnectionError("no broker")

    said, failed = str(caught.value).split(" – ")
    reasons = dict(each.split(": ") for each in said.split("; "))
    assert reasons.pop(server) == "the connection is ended (KAFKA_SECURITY_PROTOCOL)"
    assert [set(servers.split(", ")) for servers in reasons] == [set(nobody)]
    assert set(reasons.values()) == {"Connection refused"}
    assert "no broker" in failed


@pytest.mark.parametrize(
    ("name", "host", "said"),
    [
        ("another", "127.0.0.1", "the certificate is not trusted, unable to get local issuer certificate"),
        ("authority", "127.0.0.2", "the certificate is not trusted, IP address mismatch"),
        ("authority", "127.0.0.1", "the connection is ended"),
    ],
)
async def test_certificates_are_held_against_the_authority_and_the_host(
    tmp_path: Path, name: str, host: str, said: str
) -> None:
    authorities = {each: Authority(tmp_path, each) for each in ("authority", "another")}
    async with listening(hang_up, host, serving(authorities["authority"])) as server:
        security = KafkaSecurity("SSL", ca_file=authorities[name].file)
        assert (await why_unreachable(KafkaAddress(server, security=security))).startswith(f"{server}: {said}")
