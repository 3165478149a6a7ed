"""The published instruments, `<code>.v<version>.toml`, and the catalogues they draw on; read and checked at start."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from services.surveys.domain.instruments import Instrument, SharedParts
from services.surveys.domain.reading import InstrumentError, parse_instrument, parse_shared_parts
from shared.errors import FieldError, NotFound
from shared.i18n import Catalogue, Lang

STANDARD = Path(__file__).parent
MESSAGES = STANDARD.parent / "messages"

T = TypeVar("T")


class WrongFile(Exception):
    """A file that can't be used; its text names the file, every place, and what to do there."""


class InstrumentLibrary:
    """All published instruments by code and version; immutable."""

    def __init__(self, instruments: Iterable[Instrument], catalogues: Mapping[int, SharedParts] | None = None) -> None:
        self._versions = {(each.code, each.version): each for each in instruments}
        self.catalogues = catalogues or {}

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
        """All instruments of a directory; raises WrongFile."""
        catalogues = {}
        for path in sorted(directory.glob("catalogue.v*.toml")):
            parts = _read(path, parse_shared_parts)
            _expect_name(path, "catalogue", parts.version)
            catalogues[parts.version] = parts
        instruments = []
        for path in sorted(directory.glob("*.v*.toml")):
            if path.name.startswith("catalogue."):
                continue
            instrument = _read(path, lambda values: parse_instrument(values, catalogues))
            _expect_name(path, instrument.code, instrument.version)
            instruments.append(instrument)
        return cls(instruments, catalogues)


def _read(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise WrongFile(f"{path.name}: the file is not valid TOML in UTF-8: {problem}") from None
    try:
        return parse(values)
    except InstrumentError as wrong:
        texts = Catalogue.load(MESSAGES)
        raise WrongFile("\n".join(f"{path.name}: {_told(fault, texts)}" for fault in wrong.faults)) from None


def _told(fault: FieldError, texts: Catalogue) -> str:
    parts = (texts.text(f"rule.{fault.rule}.{part}", Lang.EN, **fault.params) for part in ("message", "remedy"))
    return f"{fault.field or 'the file'}: {' '.join(parts)}"


def _expect_name(path: Path, code: str, version: int) -> None:
    if path.name != f"{code}.v{version}.toml":
        raise WrongFile(f"{path.name}: code and version: the file must be called {code}.v{version}.toml")
