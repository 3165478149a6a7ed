"""Quix Streams: an application with a batching sink that sums whole batches and merges them."""

from typing import Any

import psycopg
from job import MERGE, STAGE, Asked, Sums, lines
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

BATCH = 20_000
asked = Asked()


class Merging(BatchingSink):
    """Sums a batch and merges it."""

    def setup(self) -> None:
        self._connection = psycopg.connect(asked.dsn)

    def add(self, *arguments: Any, **named: Any) -> None:
        asked.begun()
        super().add(*arguments, **named)

    def write(self, batch: SinkBatch) -> None:
        sums = Sums()
        for item in batch:
            fact = item.value
            sums.add(fact["institution"], fact["type"], fact["month"], fact["a"], fact["b"], fact["c"])
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(STAGE)
            with cursor.copy("copy staged from stdin") as copy:
                copy.write(lines(sums.take()))
            cursor.execute(MERGE)


application = Application(
    broker_address=asked.kafka,
    consumer_group=asked.group,
    auto_offset_reset="earliest",
    commit_every=BATCH,
    commit_interval=1.0,
    auto_create_topics=False,
    loglevel="WARNING",
)
application.dataframe(application.topic(asked.topic, value_deserializer="json")).sink(Merging())
application.run()
