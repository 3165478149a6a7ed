"""What the service's pepper – a secret kept outside the database – protects: codes, and answers on their way.

Whoever has the database with its logs, dead rows and backups, but not the pepper, can neither try codes against the
stored fingerprints nor read a staged answer, which is the one row written together with a spent code.
"""

import hashlib
import hmac
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.surveys.domain.codes import AccessCode, code_of

BLOCK: Final = 4096
NONCE: Final = 12
MIN_PEPPER: Final = 16


class SealBroken(Exception):
    """The sealed answer was made with another pepper, or is damaged."""


class Vault:
    """Keys derived from the pepper, one for each purpose."""

    def __init__(self, pepper: str) -> None:
        if len(pepper) < MIN_PEPPER:
            raise ValueError(f"the pepper must have {MIN_PEPPER} characters or more")
        self._pepper = pepper.encode()
        self._codes = self._key("access code")
        self._issue = self._key("issue of codes")
        self._marks = self._key("spent mark")
        self._drafts = self._key("draft on a device")
        self._seal = AESGCM(self._key("staged answer"))
        self.key_id = self._key("key id")[:4]
        """Names the pepper without telling it: stands beside what was sealed under it."""

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._pepper, f"hamkor surveys: {purpose}".encode(), hashlib.sha256)

    def fingerprint(self, code: AccessCode) -> bytes:
        """What is stored of a code: 32 bytes that can't be turned back, nor tried without the pepper."""
        return hmac.digest(self._codes, code.encode(), hashlib.sha256)

    def mark(self, code: AccessCode) -> bytes:
        """What is stored when a code is spent: 32 bytes nobody can pair with its fingerprint without the pepper."""
        return hmac.digest(self._marks, code.encode(), hashlib.sha256)

    def mark_of(self, campaign: str, kind: str, secret: bytes) -> bytes:
        """What is stored when something else that counts once in a campaign is spent: a token, an interview's id."""
        return hmac.digest(self._marks, b"\n".join((campaign.encode(), kind.encode(), secret)), hashlib.sha256)

    def draft_name(self, place: str) -> str:
        """The name under which a device keeps the draft of a form: nobody can tell the code from it."""
        return hmac.digest(self._drafts, place.encode(), hashlib.sha256)[:12].hex()

    def codes(self, batch: str, key: str, count: int) -> Iterator[AccessCode]:
        """The codes of a batch; `key` is the idempotency key of the command that issues it.

        They can be made again – for a repeated request – only while the key is remembered, which is a few days.
        """
        for number in range(count):
            digest = hmac.digest(self._issue, f"{batch}\n{number}\n{key}".encode(), hashlib.sha256)
            yield code_of(int.from_bytes(digest[:7], "big"))

    def seal_key(self, campaign: str, secret: bytes) -> bytes:
        """The secret half of a campaign's key, so that it stands in the database and cannot be had from it."""
        nonce = os.urandom(NONCE)
        return nonce + self._seal.encrypt(nonce, secret, b"token key:" + campaign.encode())

    def unseal_key(self, campaign: str, sealed: bytes) -> bytes:
        """The secret half of a campaign's key; raises SealBroken."""
        try:
            return self._seal.decrypt(sealed[:NONCE], sealed[NONCE:], b"token key:" + campaign.encode())
        except InvalidTag:
            raise SealBroken from None

    def seal(self, campaign: str, content: dict[str, Any]) -> bytes:
        """The content so that nobody without the pepper can read it or tell its length to better than 4 kB.

        What is longer is compressed first: a long comment must not tell one answer from the others on their way.
        """
        plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        if len(plain) > BLOCK:
            plain = zlib.compress(plain)
        plain += b" " * (-len(plain) % BLOCK)
        nonce = os.urandom(NONCE)
        return nonce + self._seal.encrypt(nonce, plain, campaign.encode())

    def unseal(self, campaign: str, sealed: bytes) -> dict[str, Any]:
        """The content of a sealed answer; raises SealBroken."""
        try:
            plain = self._seal.decrypt(sealed[:NONCE], sealed[NONCE:], campaign.encode())
        except InvalidTag:
            raise SealBroken from None
        if not plain.startswith(b"{"):
            plain = zlib.decompressobj().decompress(plain)
        content: dict[str, Any] = json.loads(plain)
        return content
