"""The embedded broker: librdkafka's in-process Kafka, which speaks the real protocol over TCP.

`python -m deploy.local.broker --address-file F [--topic T …]` writes "127.0.0.1:port" to F once it serves, and ends
with its parent. One broker, four partitions a topic, in memory: what it forgets, the streams heal from their logs.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import struct
import threading
from pathlib import Path

from confluent_kafka import Producer

from deploy.local.folder import write_whole

PARENT_CHECK_S = 1.0


def serve(address_file: Path, topics: list[str]) -> None:
    """Serve until SIGTERM, SIGINT or the parent's end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    parent = os.getppid()
    # The broker lives in this client, in librdkafka's own threads; the client itself sends nothing.
    client = Producer({"bootstrap.servers": "replaced-by-the-mock:1", "test.mock.num.brokers": 1, "log_level": 3})
    metadata = client.list_topics(timeout=10)
    address = next(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
    for topic in topics:  # asking makes them
        client.list_topics(topic, timeout=10)
    write_whole(address_file, address)
    while not ended.wait(PARENT_CHECK_S):
        client.poll(0)
        if os.getppid() != parent:
            break
    with contextlib.suppress(FileNotFoundError):
        address_file.unlink()


async def ask_api_versions(host: str, port: int) -> None:
    """Ask a Kafka broker which requests it knows, the cheapest sign of life; raises when no proper answer comes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        client = b"hamkor"
        request = struct.pack(">hhih", 18, 0, 1, len(client)) + client
        writer.write(struct.pack(">i", len(request)) + request)
        await writer.drain()
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        answer = await reader.readexactly(size)
        correlation, error = struct.unpack(">ih", answer[:6])
        if correlation != 1 or error != 0:
            raise ConnectionError(f"unexpected answer from {host}:{port}")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address-file", type=Path, required=True)
    parser.add_argument("--topic", action="append", default=[])
    arguments = parser.parse_args()
    serve(arguments.address_file, arguments.topic)


if __name__ == "__main__":
    main()
