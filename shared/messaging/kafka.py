"""The one factory of Kafka clients; its settings are those that lose nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

RecordsHandler = Callable[[Sequence["ConsumerRecord[bytes, bytes]"]], Awaitable[None]]

MAX_REQUEST_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the brokers are: "host:port,host:port", or "file:/path" that holds it and may change (embedded broker)."""

    setting: str
    embedded: bool = False

    def resolve(self) -> list[str]:
        """The present bootstrap servers; raises OSError while the file is not there."""
        text = self.setting
        if text.startswith("file:"):
            text = Path(text.removeprefix("file:")).read_text(encoding="utf-8").strip()
            if not text:
                raise OSError(f"{self.setting} is empty")
        return [server.strip() for server in text.split(",") if server.strip()]


def make_producer(address: KafkaAddress, client_id: str) -> AIOKafkaProducer:
    """An idempotent producer that counts a record as sent when all in-sync replicas have it."""
    return AIOKafkaProducer(
        bootstrap_servers=address.resolve(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=262_144,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=10_000,
        retry_backoff_ms=100,
    )


def make_broker(address: KafkaAddress, client_id: str) -> KafkaBroker:
    """A FastStream broker for consuming; handlers get what the decoder made, nothing is injected."""
    return KafkaBroker(
        address.resolve(),
        client_id=client_id,
        allow_auto_create_topics=address.embedded,
        acks="all",
        enable_idempotence=True,
        apply_types=False,
        request_timeout_ms=10_000,
        # A whole session's clean-up must not outlast the ten seconds in which Ctrl-C ends everything.
        graceful_timeout=4.0,
        logger=None,
    )


def subscribe(
    broker: KafkaBroker, topic: str, *, group_id: str, handler: RecordsHandler, max_records: int, batch_timeout_ms: int
) -> Any:
    """The one way to subscribe: whole batches of raw records, offsets kept on error, nothing published in reply.

    The parser looks at no header: FastStream's own would lose a whole batch to one header that is not UTF-8.
    """
    subscriber = broker.subscriber(
        topic,
        batch=True,
        group_id=group_id,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        auto_offset_reset="earliest",
        no_reply=True,
        max_records=max_records,
        batch_timeout_ms=batch_timeout_ms,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=4 * MAX_REQUEST_BYTES,
        session_timeout_ms=10_000,
        max_poll_interval_ms=300_000,
    )

    async def parse(message: Any) -> KafkaAckableMessage:
        return KafkaAckableMessage(body=b"", raw_message=message, consumer=subscriber.consumer)

    async def decode(message: KafkaAckableMessage) -> Any:
        return message.raw_message

    async def handle(records: Any) -> None:
        await handler(records)

    subscriber(handle, parser=parse, decoder=decode)
    return subscriber
