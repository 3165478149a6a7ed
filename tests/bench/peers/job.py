"""The reference job: 12 types of events with three sums each, over four levels of places and 24 months.

Needs the standard library alone, so that every candidate can import it, in whatever environment it lives.
"""

import json
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from random import Random

TYPES, MONTHS, INSTITUTIONS, DISTRICTS, REGIONS = 12, 24, 10_000, 210, 14
FIRST_MONTH = 2024 * 12
SIZE = 450
"""Bytes of an event's value."""

TABLE = """
create table sums (
    place integer, type smallint, month integer, a bigint not null, b bigint not null, c bigint not null,
    primary key (place, type, month)
) with (fillfactor = 75)
"""
STAGE = "create temporary table if not exists staged (like sums) on commit delete rows"
MERGE = """
insert into sums select * from staged
on conflict (place, type, month) do update set a = sums.a + excluded.a, b = sums.b + excluded.b, c = sums.c + excluded.c
"""
UPSERT = """
insert into sums values ($1, $2, $3, $4, $5, $6)
on conflict (place, type, month) do update set a = sums.a + excluded.a, b = sums.b + excluded.b, c = sums.c + excluded.c
"""

Key = tuple[int, int, int]
"""(place, type, month)."""


def institution_id(number: int) -> str:
    """An institution's id."""
    return f"00000000-0000-7000-8000-{number:012x}"


def district_of(institution: int) -> int:
    """The district an institution lies in."""
    return institution % DISTRICTS


def places_of(institution: int) -> tuple[int, int, int, int]:
    """The institution, its district, its region and the nation, as numbers of places."""
    district = district_of(institution)
    return 1000 + institution, 100 + district, 1 + district // (DISTRICTS // REGIONS), 0


def events(count: int) -> Iterator[tuple[int, int, int, tuple[int, int, int], bytes]]:
    """(institution, type, month, sums, value) of `count` events, always the same."""
    random = Random(5)
    for _ in range(count):
        institution, type_ = random.randrange(INSTITUTIONS), random.randrange(TYPES)
        month = FIRST_MONTH + random.randrange(MONTHS)
        sums = random.randrange(1, 100), random.randrange(1000), random.randrange(100_000)
        value = json.dumps(
            {
                "id": str(uuid.UUID(int=random.getrandbits(128), version=7 if sys.version_info > (3, 14) else 4)),
                "version": 1,
                "institution_id": institution_id(institution),
                "institution": institution,
                "type": type_,
                "month": month,
                "a": sums[0],
                "b": sums[1],
                "c": sums[2],
                "note": "",
            },
            separators=(",", ":"),
        )
        padding = "x" * (SIZE - len(value))
        yield institution, type_, month, sums, (value[:-2] + padding + value[-2:]).encode()


class Sums:
    """Sums in memory over the four levels, until they are taken as rows in the order of their key."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = {}
        self.count = 0

    def add(self, institution: int, type_: int, month: int, a: int, b: int, c: int) -> None:
        """Add one event."""
        self.count += 1
        sums = self._sums
        for place in places_of(institution):
            found = sums.get((place, type_, month))
            if found is None:
                sums[place, type_, month] = [a, b, c]
            else:
                found[0] += a
                found[1] += b
                found[2] += c

    def take(self) -> list[tuple[int, ...]]:
        """The rows (place, type, month, a, b, c), institutions first and the nation last; nothing is left."""
        rows = [(*key, *sums) for key, sums in sorted(self._sums.items(), reverse=True)]
        self._sums, self.count = {}, 0
        return rows


def lines(rows: Iterable[tuple[int, ...]]) -> bytes:
    """Rows as COPY reads them."""
    return "".join(["%d\t%d\t%d\t%d\t%d\t%d\n" % row for row in rows]).encode()  # noqa: UP031 - twice as fast


class Asked:
    """What a candidate is told: where Kafka and PostgreSQL are, the topic, how many events there are."""

    def __init__(self) -> None:
        self.kafka = os.environ["JOB_KAFKA"]
        self.topic = os.environ["JOB_TOPIC"]
        self.dsn, self.url = os.environ["JOB_DSN"], os.environ["JOB_URL"]
        self.group = os.environ["JOB_GROUP"]
        self._begun = False

    def begun(self) -> None:
        """Say that the first event is there: the clock runs from here."""
        if not self._begun:
            self._begun = True
            os.write(1, b"begun\n")  # Faust makes sys.stdout a log
