"""Blind-signed tokens: RSABSSA-SHA384-PSS-Randomized of RFC 9474, the signer's and the verifier's side.

The respondent's device blinds a message, the service signs what it cannot read, the device unblinds. What comes out is
valid under the campaign's key and cannot be recognised by the one who signed it, whatever that one keeps.
"""

import secrets
from dataclasses import dataclass
from math import gcd
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

BITS: Final = 2048
EXPONENT: Final = 65537
PREFIX: Final = 32
"""Random bytes in front of every message (RFC 9474, 4.1): each token's message is a new one."""
SALT: Final = 48
"""Bytes of salt, as many as the hash has."""


class BadBlinded(ValueError):
    """What was sent is not a blinded message under this key."""


@dataclass(frozen=True, slots=True)
class Token:
    """A message's random prefix and the unblinded signature."""

    prefix: bytes
    signature: bytes

    @classmethod
    def read(cls, sent: bytes) -> Self | None:
        """The token in what a form sent, prefix first; None if it cannot be one."""
        return cls(sent[:PREFIX], sent[PREFIX:]) if PREFIX + 64 <= len(sent) <= PREFIX + 1024 else None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies; `modulus` and `exponent` are what a device blinds with."""

    key: rsa.RSAPublicKey

    @classmethod
    def read(cls, der: bytes) -> Self:
        """The key of a SubjectPublicKeyInfo."""
        key = load_der_public_key(der)
        assert isinstance(key, rsa.RSAPublicKey)
        return cls(key)

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def modulus(self) -> int:
        """n."""
        return self.key.public_numbers().n

    @property
    def exponent(self) -> int:
        """e."""
        return self.key.public_numbers().e

    @property
    def size(self) -> int:
        """Bytes of a signature and of a blinded message."""
        return (self.key.key_size + 7) // 8

    def require(self, blinded: bytes) -> None:
        """Raise BadBlinded for what no device makes by blinding with this key."""
        if len(blinded) != self.size or not 1 < int.from_bytes(blinded, "big") < self.modulus - 1:
            raise BadBlinded

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is one of the message, prefix included (RFC 9474, 4.5)."""
        try:
            self.key.verify(signature, message, padding.PSS(padding.MGF1(SHA384()), SALT), SHA384())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Signs what it cannot read."""

    key: rsa.RSAPrivateKey

    @classmethod
    def make(cls) -> Self:
        """A new key."""
        return cls(rsa.generate_private_key(EXPONENT, BITS))

    @classmethod
    def read(cls, der: bytes) -> Self:
        """The key of a PKCS #8 structure."""
        key = load_der_private_key(der, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(key)

    @property
    def der(self) -> bytes:
        """PKCS #8, to be sealed before it is stored."""
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> PublicKey:
        """The half that is told to everybody."""
        return PublicKey(self.key.public_key())

    def blind_sign(self, blinded: bytes) -> bytes:
        """The blind signature (RFC 9474, 4.3); raises BadBlinded.

        Deterministic: the same blinded message gives the same signature. The exponentiation works on a number that a
        new random factor hides, so that its time tells nothing of the key, and the result is checked before it leaves,
        so that a fault in it cannot tell the key's factors either.
        """
        numbers = self.key.private_numbers()
        n, e = numbers.public_numbers.n, numbers.public_numbers.e
        self.public.require(blinded)
        message = int.from_bytes(blinded, "big")
        while gcd(factor := secrets.randbelow(n - 2) + 2, n) != 1:
            pass
        hidden = message * pow(factor, e, n) % n
        one = pow(hidden, numbers.dmp1, numbers.p)
        two = pow(hidden, numbers.dmq1, numbers.q)
        signature = (two + numbers.q * ((one - two) * numbers.iqmp % numbers.p)) * pow(factor, -1, n) % n
        if pow(signature, e, n) != message:
            raise ArithmeticError("the signature is wrong: it must not leave")
        return signature.to_bytes(self.public.size, "big")


def message_of(prefix: bytes, campaign: str) -> bytes:
    """What a token signs: its random prefix and the campaign it opens."""
    return prefix + b"hamkor.surveys.token.v1:" + campaign.encode()
