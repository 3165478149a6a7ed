"""Where the parts of a verification meet: files of a temporary folder, gone with it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from zlib import crc32

import msgspec

from services.monitoring.domain.measures import COLUMNS, MEASURES
from services.monitoring.domain.periods import key_of
from services.monitoring.domain.territory import Level
from services.monitoring.recompute.book import Amounts, Seen
from services.monitoring.recompute.parts import Row
from shared.contracts.partners import TerritoryState
from shared.ids import SHARDS, shard_of

PARTITIONS = 16
"""Of the members that institutions share: each is united by itself."""

_Amounts = dict[str, list[tuple[str, str, int]]]
_Shared = list[tuple[str, str, str, list[int], list[tuple[int, int]], dict[int, int]]]
_encode = msgspec.msgpack.Encoder().encode
_decode_amounts = msgspec.msgpack.Decoder(_Amounts).decode
_decode_shared = msgspec.msgpack.Decoder(_Shared).decode
_decode_texts = msgspec.msgpack.Decoder(list[str]).decode


class _Place(msgspec.Struct):
    """A line of monitoring's cells without its rows, which are passed over."""

    place: str
    level: int


class _Cells(_Place):
    rows: list[tuple[int, ...]]


_place_of = msgspec.json.Decoder(_Place).decode
_cells_of = msgspec.json.Decoder(_Cells).decode


class Shelves:
    """Lays lines of monitoring's cells where the part that compares them looks: institutions by shard, the others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        for name in [*map(str, range(SHARDS)), "above"]:
            self._files[name] = self._open.enter_context((self._folder / f"cells-{name}").open("wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def keep(self, line: bytes) -> None:
        """Lay a line down."""
        place = _place_of(line)
        name = str(shard_of(place.place)) if place.level == Level.INSTITUTION else "above"
        self._files[name].write(line + b"\n")


def cells(folder: Path, shard: int | None) -> Iterator[tuple[str, Amounts]]:
    """What monitoring shows of each institution of a shard, or, of None, of each place above them."""
    names: dict[int, str] = {}
    periods: dict[int, str] = {}
    with (folder / f"cells-{'above' if shard is None else shard}").open("rb") as lines:
        for line in lines:
            found = _cells_of(line)
            amounts: Amounts = Amounts()
            for slot, period, *columns in found.rows:
                text = periods.get(period) or periods.setdefault(period, key_of(period))
                for column, amount in enumerate(columns):
                    if amount:
                        code = slot * COLUMNS + column
                        name = names.get(code) or names.setdefault(code, MEASURES[code].name)
                        amounts[name, text] = amount
            yield found.place, amounts


def put_territory(folder: Path, shard: int, units: Mapping[str, TerritoryState]) -> None:
    """What a shard tells of the territory."""
    (folder / f"territory-{shard}").write_bytes(_encode([unit.model_dump_json() for unit in units.values()]))


def territory(folder: Path) -> dict[str, TerritoryState]:
    """What all shards tell of the territory."""
    texts = [text for path in folder.glob("territory-*") for text in _decode_texts(path.read_bytes())]
    return {unit.id: unit for unit in map(TerritoryState.model_validate_json, texts)}


def put_amounts(folder: Path, name: str, places: Mapping[str, Amounts]) -> None:
    """Amounts by place, under the name of the part that made them."""
    (folder / name).write_bytes(
        _encode(
            {
                place: [(measure, period, amount) for (measure, period), amount in amounts.items()]
                for place, amounts in places.items()
            }
        )
    )


def amounts(folder: Path, kind: str) -> Iterator[dict[str, Amounts]]:
    """The amounts of all parts whose names begin so."""
    for path in sorted(folder.glob(f"{kind}-*")):
        yield {
            place: Amounts({(measure, period): amount for measure, period, amount in found})
            for place, found in _decode_amounts(path.read_bytes()).items()
        }


def put_shared(folder: Path, shard: int, rows: Mapping[Row, Seen]) -> None:
    """Members that a shard's institutions refer to, those of a partition together."""
    parted: list[_Shared] = [[] for _ in range(PARTITIONS)]
    for (name, base, member), seen in rows.items():
        row = (name, base, member, list(seen.months), seen.spans, dict(seen.says))
        parted[crc32(member.encode()) % PARTITIONS].append(row)
    for partition, found in enumerate(parted):
        (folder / f"shared-{partition}-{shard}").write_bytes(_encode(found))


def shared(folder: Path, partition: int) -> Iterator[tuple[Row, Seen]]:
    """Every row of the partition's members."""
    for path in folder.glob(f"shared-{partition}-*"):
        for name, base, member, months, spans, says in _decode_shared(path.read_bytes()):
            seen = Seen(set(months), spans)
            seen.says.update(says)
            yield (name, base, member), seen
