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
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) as its 36-character text: 48 bits of Unix milliseconds, then randomness."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """So many of them at once: asking the system for randomness lets other threads in, each time."""
    random = os.urandom(10 * count).hex()
    stamp = f"{time.time_ns() // 1_000_000:012x}"
    begins = f"{stamp[:8]}-{stamp[8:]}-7"
    return [
        f"{begins}{digits[1:4]}-{_VARIANT[digits[4]]}{digits[5:8]}-{digits[8:]}"
        for start in range(0, len(random), 20)
        for digits in (random[start : start + 20],)
    ]


def shard_of(key: str) -> int:
    """The shard (0..63) of a stream key: crc32(key) % 64, the same in every service and language."""
    return zlib.crc32(key.encode()) % SHARDS
