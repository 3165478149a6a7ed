"""Faust: an agent that takes events by the batch, sums and merges them."""

import sys
from typing import Any

import asyncpg
import faust
import msgspec
from job import MERGE, STAGE, Asked, Sums

BATCH = 20_000
asked = Asked()


class Fact(msgspec.Struct):
    """What is read of an event."""

    institution: int
    type: int
    month: int
    a: int
    b: int
    c: int


app = faust.App(
    asked.group,
    broker=f"kafka://{asked.kafka}",
    store="memory://",
    value_serializer="raw",
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_max_poll_records=BATCH,
    stream_buffer_maxsize=BATCH,
    web_enabled=False,
)
topic = app.topic(asked.topic, value_serializer="raw", key_serializer="raw")
decode = msgspec.json.Decoder(Fact).decode


@app.agent(topic)
async def merge(stream: Any) -> None:
    """Batches of events."""
    connection = await asyncpg.connect(asked.url)
    async for values in stream.take(BATCH, within=0.5):
        asked.begun()
        sums = Sums()
        for value in values:
            fact = decode(value)
            sums.add(fact.institution, fact.type, fact.month, fact.a, fact.b, fact.c)
        async with connection.transaction():
            await connection.execute(STAGE)
            await connection.copy_records_to_table("staged", records=sums.take())
            await connection.execute(MERGE)


sys.argv = ["faust", "worker", "--loglevel", "warn", "--without-web"]
app.main()
