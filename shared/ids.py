"""Identifiers: UUIDv7, so that primary keys grow with time and indexes stay compact."""

import os
import time
import uuid
import zlib
from typing import NewType

InstitutionId = NewType("InstitutionId", str)
EnterpriseId = NewType("EnterpriseId", str)
AgreementId = NewType("AgreementId", str)
Soato = NewType("Soato", str)

SHARDS = 64


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) as its 36-character text: 48 bits of Unix milliseconds, then randomness."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def shard_of(key: str) -> int:
    """The shard (0..63) of a stream key: crc32(key) % 64, the same in every service and language."""
    return zlib.crc32(key.encode()) % SHARDS
