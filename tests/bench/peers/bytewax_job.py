"""Bytewax: a dataflow from Kafka into a sink that sums whole batches and merges them."""

from typing import Any

import bytewax.operators as op
import msgspec
import psycopg
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from job import MERGE, STAGE, Asked, Sums, lines

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


class Merging(StatelessSinkPartition[Any]):
    """Sums until a batch is full."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(asked.dsn)
        self._sums = Sums()
        self._decode = msgspec.json.Decoder(Fact).decode

    def write_batch(self, items: list[Any]) -> None:
        asked.begun()
        for item in items:
            fact = self._decode(item.value)
            self._sums.add(fact.institution, fact.type, fact.month, fact.a, fact.b, fact.c)
        if self._sums.count >= BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._connection.close()

    def _flush(self) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(STAGE)
            with cursor.copy("copy staged from stdin") as copy:
                copy.write(lines(self._sums.take()))
            cursor.execute(MERGE)


class Sink(DynamicSink[Any]):
    """One partition a worker."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Merging:
        return Merging()


flow = Dataflow("job")
source = KafkaSource([asked.kafka], [asked.topic], tail=False, batch_size=BATCH)
op.output("merge", op.input("facts", flow, source), Sink())
if __name__ == "__main__":
    run_main(flow)
