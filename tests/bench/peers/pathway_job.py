"""Pathway: a streaming table from Kafka, flattened over the levels, grouped, summed, a snapshot in PostgreSQL."""

import pathway as pw
from job import Asked, places_of
from psycopg.conninfo import conninfo_to_dict

asked = Asked()
settings = {name: str(value) for name, value in conninfo_to_dict(asked.dsn).items()}


class Fact(pw.Schema):
    """What is read of an event."""

    institution: int
    type: int
    month: int
    a: int
    b: int
    c: int


@pw.udf
def places(institution: int) -> list[int]:
    """The four places an event counts in."""
    asked.begun()
    return list(places_of(institution))


facts = pw.io.kafka.read(
    {"bootstrap.servers": asked.kafka, "group.id": asked.group, "auto.offset.reset": "earliest"},
    topic=asked.topic,
    schema=Fact,
    format="json",
    autocommit_duration_ms=1000,
)
wide = facts.select(
    pw.this.type, pw.this.month, pw.this.a, pw.this.b, pw.this.c, place=places(pw.this.institution)
).flatten(pw.this.place)
sums = wide.groupby(pw.this.place, pw.this.type, pw.this.month).reduce(
    pw.this.place,
    pw.this.type,
    pw.this.month,
    a=pw.reducers.sum(pw.this.a),
    b=pw.reducers.sum(pw.this.b),
    c=pw.reducers.sum(pw.this.c),
)
pw.io.postgres.write(
    sums, settings, "sums", output_table_type="snapshot", primary_key=[sums.place, sums.type, sums.month]
)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
