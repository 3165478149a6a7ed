"""Blind signatures: the test vector of RFC 9474, and what a token can and cannot do."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.surveys.domain.tokens import BadBlinded, PublicKey, SecretKey, Token, message_of
from services.surveys.vault import SealBroken, Vault
from tests.unit.surveys.device import Device, blind, unblind

VECTOR = {
    name: value
    for name, value in json.loads((Path(__file__).parent / "rfc9474_a1.json").read_text()).items()
    if name != "name"
}


@pytest.fixture(scope="module")
def of_the_rfc() -> SecretKey:
    p, q, e = (int(VECTOR[name], 16) for name in "pqe")
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPublicNumbers(e, p * q)
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q), numbers)
    return SecretKey(private.private_key())


@pytest.fixture(scope="module")
def mine() -> SecretKey:
    return SecretKey.make()


def test_the_vector_of_the_rfc_comes_out_step_by_step(of_the_rfc: SecretKey) -> None:
    given = {name: bytes.fromhex(value) for name, value in VECTOR.items()}
    message = given["msg_prefix"] + given["msg"]
    inverse = int(VECTOR["inv"], 16)
    assert blind(of_the_rfc.public, message, given["salt"], inverse) == given["blinded_msg"]
    assert of_the_rfc.blind_sign(given["blinded_msg"]) == given["blind_sig"]
    assert unblind(of_the_rfc.public, given["blind_sig"], inverse) == given["sig"]
    assert of_the_rfc.public.verify(message, given["sig"])
    assert not of_the_rfc.public.verify(given["msg"], given["sig"])


def test_a_token_opens_its_campaign_and_no_other(mine: SecretKey) -> None:
    device = Device(mine.public, "a")
    token = Token.read(device.token(mine.blind_sign(device.blinded)))
    assert token is not None
    assert mine.public.verify(message_of(token.prefix, "a"), token.signature)
    assert not mine.public.verify(message_of(token.prefix, "b"), token.signature)
    assert not SecretKey.make().public.verify(message_of(token.prefix, "a"), token.signature)
    forged = bytes([token.prefix[0] ^ 1]) + token.prefix[1:]
    assert not mine.public.verify(message_of(forged, "a"), token.signature)


def test_the_same_blinded_message_gets_the_same_signature(mine: SecretKey) -> None:
    blinded = Device(mine.public, "a").blinded
    assert mine.blind_sign(blinded) == mine.blind_sign(blinded)


def test_every_pair_of_signing_and_token_fits_so_that_none_can_be_told(mine: SecretKey) -> None:
    """What blindness means: a blinding factor leads from any signing to any token."""
    devices = [Device(mine.public, "a") for _ in range(3)]
    n, e = mine.public.modulus, mine.public.exponent
    seen = [int.from_bytes(device.blinded, "big") for device in devices]
    tokens = [device.token(mine.blind_sign(device.blinded)) for device in devices]
    for blinded in seen:
        for token in tokens:
            signature = int.from_bytes(token[32:], "big")
            encoded = pow(signature, e, n)
            factor_to_the_e = blinded * pow(encoded, -1, n) % n
            inverse = signature * pow(int.from_bytes(mine.blind_sign(blinded.to_bytes(256, "big")), "big"), -1, n) % n
            assert pow(pow(inverse, -1, n), e, n) == factor_to_the_e


@pytest.mark.parametrize("sent", [b"", b"\0" * 256, b"\0" * 255 + b"\1", b"\xff" * 256, b"\5" * 255, b"\5" * 257])
def test_what_is_no_blinded_message_is_refused(mine: SecretKey, sent: bytes) -> None:
    with pytest.raises(BadBlinded):
        mine.blind_sign(sent)


def test_the_message_next_to_the_modulus_is_refused_too(mine: SecretKey) -> None:
    n = mine.public.modulus
    for number in (n - 1, n, n + 5):
        with pytest.raises(BadBlinded):
            mine.blind_sign(number.to_bytes(256, "big"))


def test_a_key_survives_its_seal_and_opens_with_its_pepper_and_campaign_alone(mine: SecretKey) -> None:
    vault = Vault("pepper-of-these-tests")
    sealed = vault.seal_key("a", mine.der)
    assert SecretKey.read(vault.unseal_key("a", sealed)).public.der == mine.public.der
    assert PublicKey.read(mine.public.der).modulus == mine.public.modulus
    assert mine.der[40:80] not in sealed
    for other, campaign in ((vault, "b"), (Vault("pepper-of-somebody-else"), "a")):
        with pytest.raises(SealBroken):
            other.unseal_key(campaign, sealed)


@pytest.mark.parametrize("sent", [b"", b"x" * 95, b"x" * 2000])
def test_what_is_no_token_is_none(sent: bytes) -> None:
    assert Token.read(sent) is None
