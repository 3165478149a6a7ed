"""The process that writes a Parquet file; it imports nothing but the library, so that it starts at once.

    python -m shared.web.columnar_writer OUT

Columns and rows come as JSON lines on standard input.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROWS: Final = 20_000
"""Rows of a group: so many are in memory at a time."""


def write(lines: Iterator[str], out: Path) -> None:
    """Write the file: the first line says the columns [[name, type] …], each other one is a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "truth": pa.bool_()}
    schema = pa.schema([pa.field(name, types[kind]) for name, kind in json.loads(next(lines))])
    chunk: list[list[Any]] = []
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = zip(*chunk, strict=True) if chunk else ([] for _ in schema)
            arrays = [pa.array(list(cells), field.type) for cells, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            chunk.clear()

        for line in lines:
            chunk.append(json.loads(line))
            if len(chunk) >= ROWS:
                flush()
        flush()


if __name__ == "__main__":
    write(iter(sys.stdin), Path(sys.argv[1]))
