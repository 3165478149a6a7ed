"""The public pages' scripts, plain and small, with addresses that change when they do."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

PREFIX: Final = "/s/x/"
AN_HOUR: Final = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Script:
    """A file of this folder."""

    name: str
    body: bytes

    @property
    def address(self) -> str:
        """Where it stands; another content stands elsewhere."""
        return f"{PREFIX}{self.name}?v={sha256(self.body).hexdigest()[:12]}"


SCRIPTS: Final = {path.name: Script(path.name, path.read_bytes()) for path in Path(__file__).parent.glob("*.js")}
