"""The stack's folder: what lies where, who holds it, and the secrets made at the first start."""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.errors import AlreadyRunning

# A Unix socket's path holds 107 bytes; ".s.PGSQL.5432" takes 14 of them.
SOCKET_FOLDER_LIMIT = 92


class Folder:
    """One stack's data on disk. Exactly one supervisor holds it at a time (`hold`)."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self.secrets = self.path / "secrets"
        self.postgres = self.path / "postgres"
        self.kafka = self.path / "kafka"
        self.state = self.path / "stack.json"
        self.environment = self.path / "environment.json"
        self.broker_address = self.path / "broker.address"
        self.migrated = self.path / "migrated"
        self._lock: int | None = None

    @property
    def run(self) -> Path:
        """Where sockets live: in the folder, or under the system's temporary folder when that path is too long."""
        inside = self.path / "run"
        if len(os.fsencode(inside)) <= SOCKET_FOLDER_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"hamkor-{os.getuid()}-{digest}"

    def make(self) -> None:
        """Make the folder and its rooms."""
        for room, mode in ((self.path, 0o755), (self.logs, 0o755), (self.secrets, 0o700)):
            room.mkdir(parents=True, exist_ok=True)
            room.chmod(mode)

    def hold(self) -> None:
        """Take the folder for this process. Raises AlreadyRunning when another supervisor holds it."""
        self.make()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            running = self.read_state()
            where = running.get("urls", {}).get("portal")
            raise AlreadyRunning(
                f"Hamkor already runs on {self.path} (process {running.get('pid', 'unknown')}"
                + (f", dashboard {where}" if where else "")
                + "). End it there with Ctrl-C first, or name another folder with --folder."
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Let another supervisor take the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_held(self) -> bool:
        """Whether a supervisor, this one or another, holds the folder now."""
        if self._lock is not None:
            return True
        try:
            probe = os.open(self.path / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(probe)
        return False

    def read_state(self) -> dict[str, Any]:
        """What the last supervisor wrote of itself; empty when there was none."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            state: dict[str, Any] = json.loads(self.state.read_text())
            return state
        return {}

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace `stack.json` in one step, so that a reader never sees half of it."""
        write_whole(self.state, json.dumps(state, indent=1))

    def secret(self, name: str) -> Path:
        """The file of a secret, made with random content at the first call."""
        path = self.secrets / name
        if not path.exists():
            write_whole(path, secrets.token_urlsafe(32), mode=0o600)
        return path

    def signing_key(self) -> Path:
        """The file of the built-in issuer's RSA key (PEM), made at the first call."""
        path = self.secrets / "issuer.pem"
        if not path.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_whole(path, pem.decode(), mode=0o600)
        return path


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).chmod(mode)
    Path(name).replace(path)
