"""FastStream: `batch` sums whole batches of pydantic models and merges them; `naive` upserts at every message."""

import asyncio
import sys

import asyncpg
from faststream import FastStream
from faststream.kafka import KafkaBroker
from job import MERGE, STAGE, UPSERT, Asked, Sums, places_of
from pydantic import BaseModel

BATCH = 20_000
asked = Asked()
broker = KafkaBroker(asked.kafka, logger=None)
pool: list[asyncpg.Connection] = []


class Fact(BaseModel):
    """What is read of an event."""

    institution: int
    type: int
    month: int
    a: int
    b: int
    c: int


async def batch(facts: list[Fact]) -> None:
    """Sum and merge."""
    asked.begun()
    sums = Sums()
    for fact in facts:
        sums.add(fact.institution, fact.type, fact.month, fact.a, fact.b, fact.c)
    async with pool[0].transaction():
        await pool[0].execute(STAGE)
        await pool[0].copy_records_to_table("staged", records=sums.take())
        await pool[0].execute(MERGE)


async def naive(fact: Fact) -> None:
    """One transaction an event."""
    asked.begun()
    async with pool[0].transaction():
        for place in places_of(fact.institution):
            await pool[0].execute(UPSERT, place, fact.type, fact.month, fact.a, fact.b, fact.c)


if sys.argv[1] == "batch":
    broker.subscriber(asked.topic, group_id=asked.group, auto_offset_reset="earliest", batch=True, max_records=BATCH)(
        batch
    )
else:
    broker.subscriber(asked.topic, group_id=asked.group, auto_offset_reset="earliest")(naive)
app = FastStream(broker)


@app.on_startup
async def connect() -> None:
    """One connection, used by one handler."""
    pool.append(await asyncpg.connect(asked.url))


asyncio.run(app.run())
