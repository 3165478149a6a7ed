"""A certificate authority of a test's own, and what it signs: PEM files."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
CURVE = ec.SECP256R1()


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, each in a file."""

    certificate: Path
    key: Path


class Authority:
    """Signs what it is asked to, into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = _named(name)
        self._key = ec.generate_private_key(CURVE)
        self.file = folder / f"{name}.pem"
        own = _certificate(self._name, self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def sign(self, name: str, password: str | None = None) -> Signed:
        """A certificate for this machine, 127.0.0.1 and localhost, that serves and asks; the key in PKCS #8."""
        key = ec.generate_private_key(CURVE)
        there = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        asked = _certificate(_named(name), self._name, key.public_key()).add_extension(there, critical=False)
        signed = Signed(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        signed.certificate.write_bytes(_pem(asked.sign(self._key, hashes.SHA256())))
        sealed = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        signed.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
        return signed


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
