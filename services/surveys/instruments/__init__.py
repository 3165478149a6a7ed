"""The published instruments, `<code>.v<version>.toml`, and the catalogues they draw on; read and checked at start."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.surveys.domain.instruments import Instrument, InstrumentError
from services.surveys.domain.reading import parse_instrument, parse_shared_parts
from shared.errors import NotFound

STANDARD = Path(__file__).parent


class InstrumentLibrary:
    """All published instruments by code and version; immutable."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._versions = {(each.code, each.version): each for each in instruments}

    @property
    def latest(self) -> tuple[Instrument, ...]:
        """The newest version of each instrument, by code."""
        newest = {code: self._versions[code, version] for code, version in sorted(self._versions)}
        return tuple(newest.values())

    def get(self, code: str, version: int | None = None) -> Instrument:
        """One instrument, the newest version unless named; raises NotFound."""
        if version is None:
            version = max((known for name, known in self._versions if name == code), default=0)
        found = self._versions.get((code, version))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def load(cls, directory: Path = STANDARD) -> "InstrumentLibrary":
        """All instruments of a directory; raises InstrumentError that names file, place and cure."""
        catalogues = {}
        for path in sorted(directory.glob("catalogue.v*.toml")):
            parts = parse_shared_parts(_read(path), path.name)
            _expect_name(path, "catalogue", parts.version)
            catalogues[parts.version] = parts
        instruments = []
        for path in sorted(directory.glob("*.v*.toml")):
            if path.name.startswith("catalogue."):
                continue
            instrument = parse_instrument(_read(path), path.name, catalogues)
            _expect_name(path, instrument.code, instrument.version)
            instruments.append(instrument)
        return cls(instruments)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InstrumentError(f"{path.name}: the file is not valid TOML in UTF-8: {problem}") from None


def _expect_name(path: Path, code: str, version: int) -> None:
    if path.name != f"{code}.v{version}.toml":
        raise InstrumentError(f"{path.name}: code and version: the file must be called {code}.v{version}.toml")
