"""The published instruments: the standard ones from files, `<code>.v<version>.toml`, read and checked at start with the
catalogues they draw on, and those of offices and institutions from the database."""

import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.instruments import Instrument, SharedParts
from services.surveys.domain.publication import InstrumentStatus
from services.surveys.domain.reading import InstrumentError, parse_instrument, parse_shared_parts
from services.surveys.tables.instruments import InstrumentRow
from shared.errors import FieldError, NotFound
from shared.i18n import Catalogue, Lang
from shared.scope import ALL, Scope

STANDARD = Path(__file__).parent
MESSAGES = STANDARD.parent / "messages"

T = TypeVar("T")


class WrongFile(Exception):
    """A file that can't be used; its text names the file, every place, and what to do there."""


MOST_KEPT: Final = 256
"""Instruments of the database kept in memory; published ones never change."""


class InstrumentLibrary:
    """All published instruments by code and version; immutable.

    `get` is for what is in memory: the standard ones always, others once `ensure` has brought them.
    """

    def __init__(self, instruments: Iterable[Instrument], catalogues: Mapping[int, SharedParts] | None = None) -> None:
        self._standard = {(each.code, each.version): each for each in instruments}
        self._kept: OrderedDict[tuple[str, int], Instrument] = OrderedDict()
        self.catalogues = catalogues or {}

    @property
    def latest(self) -> tuple[Instrument, ...]:
        """The newest version of each standard instrument that campaigns may ask, by code."""
        return tuple(each for each in self.standard if not each.identified)

    @property
    def standard(self) -> tuple[Instrument, ...]:
        """The newest version of each standard instrument, by code."""
        newest = {code: self._standard[code, version] for code, version in sorted(self._standard)}
        return tuple(newest.values())

    def get(self, code: str, version: int | None = None) -> Instrument:
        """One instrument in memory, the newest version there unless named; raises NotFound."""
        if version is None:
            version = max((known for name, known in (*self._standard, *self._kept) if name == code), default=0)
        found = self._standard.get((code, version)) or self._kept.get((code, version))
        if found is None:
            raise NotFound(what="instrument", id=code[:100])
        return found

    async def ensure(
        self, session: AsyncSession, code: str, version: int | None = None, *, scope: Scope = ALL
    ) -> Instrument:
        """One instrument that `scope` sees, brought into memory from the database where need be; raises NotFound.

        Without a version: the newest that is published now and may be asked anonymously. With one: that version,
        retired or not. A campaign's needs no scope: who may use it was decided when it was chosen.
        """
        found = await self._ensured(session, code, version, scope)
        if version is None and found.identified:
            raise NotFound(what="instrument", id=code[:100])
        return found

    async def _ensured(self, session: AsyncSession, code: str, version: int | None, scope: Scope) -> Instrument:
        if any(code == name for name, _ in self._standard):
            return self.get(code, version)
        # Memory is everybody's: whether a caller sees it, the database says.
        if version is not None and scope == ALL and (code, version) in self._kept:
            self._kept.move_to_end((code, version))
            return self._kept[code, version]
        query = select(InstrumentRow).where(col(InstrumentRow.code) == code, InstrumentRow.visible(scope))
        if version is None:
            query = query.where(col(InstrumentRow.status) == InstrumentStatus.PUBLISHED.value)
        else:
            query = query.where(
                col(InstrumentRow.instrument_version) == version,
                col(InstrumentRow.status) != InstrumentStatus.DRAFT.value,
            )
        query = query.order_by(col(InstrumentRow.instrument_version).desc()).limit(1)
        row = (await session.execute(query)).scalar_one_or_none()
        if row is None:
            raise NotFound(what="instrument", id=code[:100])
        known = self._kept.get((row.code, row.instrument_version))
        if known is None:
            known = self.read(row.document)
            self._kept[known.code, known.version] = known
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return known

    def read(self, document: Mapping[str, Any]) -> Instrument:
        """The instrument in a stored document, which may be a draft's."""
        return parse_instrument(document, self.catalogues, complete=False)

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
