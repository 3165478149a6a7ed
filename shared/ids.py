"""Identifiers: UUIDv7, so that primary keys grow with time and indexes stay compact."""

import os
import time
import zlib
from typing import NewType

InstitutionId = NewType("InstitutionId", str)
EnterpriseId = NewType("EnterpriseId", str)
AgreementId = NewType("AgreementId", str)
Soato = NewType("Soato", str)

SHARDS = 64


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) as its 36-character text: 48 bits of Unix milliseconds, then randomness."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """So many of them at once: asking the system for randomness lets other threads in, each time."""
    random = os.urandom(10 * count)
    stamp = time.time_ns() // 1_000_000 << 80
    ids = []
    for start in range(0, len(random), 10):
        value = stamp | int.from_bytes(random[start : start + 10], "big")
        digits = f"{value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62:032x}"
        ids.append(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")
    return ids


def shard_of(key: str) -> int:
    """The shard (0..63) of a stream key: crc32(key) % 64, the same in every service and language."""
    return zlib.crc32(key.encode()) % SHARDS
