"""A respondent's device in Python: blinds and unblinds as RFC 9474 says, independently of the page's script."""

import hashlib
import secrets
from dataclasses import dataclass

from services.surveys.domain.tokens import PREFIX, SALT, PublicKey, message_of


def encode(message: bytes, salt: bytes, bits: int) -> bytes:
    """EMSA-PSS-ENCODE with SHA-384 (RFC 8017, 9.1.1)."""
    size = (bits + 7) // 8
    digest = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    plain = bytes(size - len(salt) - len(digest) - 2) + b"\x01" + salt
    cover = b"".join(
        hashlib.sha384(digest + counter.to_bytes(4, "big")).digest() for counter in range(len(plain) // 48 + 1)
    )
    masked = bytearray(one ^ other for one, other in zip(plain, cover, strict=False))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + digest + b"\xbc"


def blind(key: PublicKey, message: bytes, salt: bytes, inverse: int) -> bytes:
    """The blinded message, with a given salt and inverse of the blinding factor."""
    encoded = int.from_bytes(encode(message, salt, key.modulus.bit_length() - 1), "big")
    factor = pow(inverse, -1, key.modulus)
    return (encoded * pow(factor, key.exponent, key.modulus) % key.modulus).to_bytes(key.size, "big")


def unblind(key: PublicKey, blind_signature: bytes, inverse: int) -> bytes:
    """The signature that a blind one hides."""
    return (int.from_bytes(blind_signature, "big") * inverse % key.modulus).to_bytes(key.size, "big")


@dataclass
class Device:
    """What a device draws for one invitation to a campaign."""

    key: PublicKey
    campaign: str

    def __post_init__(self) -> None:
        self.prefix = secrets.token_bytes(PREFIX)
        self.salt = secrets.token_bytes(SALT)
        self.inverse = secrets.randbelow(self.key.modulus - 2) + 2

    @property
    def blinded(self) -> bytes:
        """What it sends."""
        return blind(self.key, message_of(self.prefix, self.campaign), self.salt, self.inverse)

    def token(self, blind_signature: bytes) -> bytes:
        """The token, prefix first."""
        return self.prefix + unblind(self.key, blind_signature, self.inverse)
