"""Writes an export: a process of its own, so that the libraries of statisticians never weigh on the service.

    python -m services.surveys.exports.writer JOB

JOB is a JSON file: format, rows (a file of JSON lines [month, mode, place, answers]), out, k, lang, variables, labels.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from services.surveys.domain.hiding import hidden_choices, hidden_ratings, moments
from services.surveys.domain.tallies import bin_of
from services.surveys.exports.variables import MISSING, NO_ANSWER, UNSURE, WITHHELD, profession_label
from shared.web.tabular import BOM, Column, Kind, cell_of

CHUNK: Final = 20_000
PLAIN: Final = Column(("value",), Kind.PLAIN, False)
SPSS_LABEL: Final = 250
SPSS_VALUE_LABEL: Final = 110

Cell = str | int | None
"""An option's code, 0 or 1, or a missing code."""


def value_of(variable: Mapping[str, Any], head: Mapping[str, str], answers: Mapping[str, Any]) -> Cell:
    """What a response says of a variable; NO_ANSWER or UNSURE where it says nothing."""
    first, *rest = variable["path"]
    answer: Any = head[first[1:]] if first.startswith("$") else answers.get(first)
    if answer is None or answer == "":
        return NO_ANSWER
    match variable["kind"]:
        case "chosen":
            return int(rest[0] in answer)
        case "bin":
            return bin_of(Decimal(str(answer)))
        case "month":
            return str(answer)[:7]
    if rest:
        answer = answer.get(rest[0])
    if answer is None:
        return NO_ANSWER
    return UNSURE if answer == "unsure" else str(answer)


class Rows:
    """The rows of a job, read as often as they are needed."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        self.variables: Sequence[Mapping[str, Any]] = job["variables"]

    def raw(self) -> Iterator[list[Cell]]:
        """Each response's cells, nothing withheld."""
        with Path(self.job["rows"]).open(encoding="utf-8") as file:
            for line in file:
                month, mode, place, answers = json.loads(line)
                head = {"month": month, "mode": mode, "region": place}
                yield [value_of(variable, head, answers) for variable in self.variables]

    def withheld(self) -> list[frozenset[str]]:
        """Of each variable the values that too few have, and those that must go with them."""
        counts: list[Counter[Cell]] = [Counter() for _ in self.variables]
        for row in self.raw():
            for counter, cell in zip(counts, row, strict=True):
                counter[cell] += 1
        return [self._hidden(variable, counter) for variable, counter in zip(self.variables, counts, strict=True)]

    def _hidden(self, variable: Mapping[str, Any], counter: Counter[Cell]) -> frozenset[str]:
        k, already = self.job["k"], frozenset(variable["hidden"])
        given = {str(cell): count for cell, count in counter.items() if cell not in MISSING}
        base = sum(given.values())
        if variable["kind"] == "chosen":
            few = given.get("1", 0) < k or given.get("0", 0) < k
            return frozenset(("0", "1")) if already or few else frozenset()
        if variable["kind"] == "rating":
            order = [code for code, _ in variable["values"]]
            places = [given.get(code, 0) for code in order]
            found = {order[place] for place in hidden_ratings(places, k, moments(places, k))}
        else:
            options = {code for code, _ in variable["values"]} | given.keys()
            found = set(hidden_choices({code: given.get(code, 0) for code in options}, k, several=False, base=base))
        hidden = found | already
        # What was hidden elsewhere hides here too, and never alone.
        rest = sorted((count, code) for code, count in given.items() if code not in hidden)
        while hidden and rest and (len(hidden) < 2 or sum(given.get(code, 0) for code in hidden) < k):
            hidden.add(rest.pop(0)[1])
        return frozenset(hidden)

    def shown(self) -> Iterator[list[Cell]]:
        """Each response's cells as they are handed out."""
        hidden = self.withheld()
        for row in self.raw():
            yield [
                WITHHELD if cell not in MISSING and str(cell) in few else cell
                for cell, few in zip(row, hidden, strict=True)
            ]


def write(job: Mapping[str, Any]) -> None:
    """Write the file a job asks for."""
    {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet, "sav": _sav}[job["format"]](Rows(job), Path(job["out"]))


def _text(cell: Cell) -> str | int | None:
    if cell == NO_ANSWER:
        return None
    return MISSING[cell] if isinstance(cell, int) and cell in MISSING else cell


def _csv(rows: Rows, out: Path) -> None:
    with out.open("w", encoding="utf-8", newline="") as file:
        file.write(BOM)
        writer = csv.writer(file)
        writer.writerow([variable["name"] for variable in rows.variables])
        for row in rows.shown():
            writer.writerow([cell_of(_text(cell), PLAIN) for cell in row])


def _xlsx(rows: Rows, out: Path) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("data")
    sheet.append([variable["name"] for variable in rows.variables])
    for row in rows.shown():
        sheet.append([cell_of(_text(cell), PLAIN) for cell in row])
    words = book.create_sheet("codebook")
    languages = rows.job["languages"]
    words.append(["variable", "value", *languages])
    for variable in rows.variables:
        words.append([variable["name"], "", *(_safe(variable["label"].get(lang)) for lang in languages)])
        for code, label in variable["values"]:
            words.append([variable["name"], code, *(_safe(label.get(lang)) for lang in languages)])
    for code, name in MISSING.items():
        words.append(["", name, *(rows.job["missing"][str(code)].get(lang) for lang in languages)])
    book.save(out)


def _safe(text: str | None) -> Any:
    return cell_of(text, PLAIN)


def _parquet(rows: Rows, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = []
    for variable in rows.variables:
        about = {"label": variable["label"], "values": dict(variable["values"]), "kind": variable["kind"]}
        kind = pa.int8() if variable["kind"] == "chosen" else pa.dictionary(pa.int16(), pa.string())
        fields.append(pa.field(variable["name"], kind, metadata={"codebook": json.dumps(about, ensure_ascii=False)}))
    schema = pa.schema(fields, metadata={"title": json.dumps(rows.job["title"], ensure_ascii=False)})
    chunk: list[list[Cell]] = []
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = []
            for number, field in enumerate(schema):
                cells = [_text(row[number]) for row in chunk]
                if pa.types.is_dictionary(field.type):
                    column = pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
                    columns.append(column.dictionary_encode().cast(field.type))
                else:
                    columns.append(pa.array([cell if isinstance(cell, int) else None for cell in cells], field.type))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            chunk.clear()

        for row in rows.shown():
            chunk.append(row)
            if len(chunk) >= CHUNK:
                flush()
        flush()


def _sav(rows: Rows, out: Path) -> None:
    import numpy as np
    import pandas as pd
    import pyreadstat

    lang = rows.job["lang"]
    columns: list[list[float]] = [[] for _ in rows.variables]
    codes: list[dict[str, float]] = [
        {code: float(number) for number, (code, _) in enumerate(variable["values"], start=1)}
        for variable in rows.variables
    ]
    for row in rows.shown():
        for column, known, variable, cell in zip(columns, codes, rows.variables, row, strict=True):
            if isinstance(cell, int):
                column.append(cell)
            else:
                column.append(known.setdefault(str(cell), _code(variable, str(cell), len(known))))
    table = pd.DataFrame(
        {
            variable["name"]: np.asarray(column, dtype=float)
            for variable, column in zip(rows.variables, columns, strict=True)
        }
    )
    missing = {
        float(code): labels[lang][:SPSS_VALUE_LABEL]
        for code, labels in ((int(code), labels) for code, labels in rows.job["missing"].items())
    }
    labels: dict[str, dict[int | float, str]] = {}
    for variable, known in zip(rows.variables, codes, strict=True):
        words = {code: label.get(lang, code) for code, label in variable["values"]}
        own = {float(number): _value_label(variable, code, words) for code, number in known.items()}
        labels[variable["name"]] = {**own, **missing}
    measures = {"rating": "ordinal", "bin": "ordinal"}
    pyreadstat.write_sav(
        table,
        out,
        file_label=rows.job["title"][lang][:60],
        column_labels={each["name"]: each["label"].get(lang, each["name"])[:SPSS_LABEL] for each in rows.variables},
        variable_value_labels=labels,
        missing_ranges={each["name"]: [float(code) for code in MISSING] for each in rows.variables},
        variable_measure={each["name"]: measures.get(each["kind"], "nominal") for each in rows.variables},
        row_compress=True,
    )


def _code(variable: Mapping[str, Any], cell: str, known: int) -> float:
    """The number of a value: ISCO codes and months keep theirs (2026-09: 202609), a bin is its lower end."""
    if cell.endswith("+"):
        return float(cell.rstrip("+")) + 0.5
    digits = cell.replace("-", "") if variable["kind"] in ("month", "profession") else cell
    return int(digits) if digits.lstrip("-").isdigit() else known + 1


def _value_label(variable: Mapping[str, Any], code: str, words: Mapping[str, str]) -> str:
    if variable["kind"] == "profession":
        return profession_label(code)[:SPSS_VALUE_LABEL]
    return words.get(code, code)[:SPSS_VALUE_LABEL]


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
