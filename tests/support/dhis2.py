"""DHIS2's own judgement of an export: its published schema, unique fields, references that lead somewhere."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

UID = re.compile(r"[a-zA-Z][a-zA-Z0-9]{10}")
DEFAULT_COMBO = "bjDvmb4bfuf"


@cache
def schema() -> dict[str, Any]:
    """The schema of DHIS2 2.42, cut down to what an export can hold."""
    path = Path(__file__).parents[1] / "unit" / "monitoring" / "dhis2_2_42.json"
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def faults(kind: str, value: Any) -> list[str]:
    """What DHIS2's schema finds wrong with a "Metadata" or a "DataValueSet"."""
    judge = Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema()["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(value)]


def metadata_faults(metadata: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Those, and what else an import refuses: what must be unique and is not, references that lead nowhere."""
    found = faults("Metadata", metadata)
    for plural, fields in schema()["x-unique"].items():
        for field in fields:
            values = [entry[field] for entry in metadata.get(plural, []) if field in entry]
            found += [f"{plural}.{field} twice: {value}" for value in {v for v in values if values.count(v) > 1}]
    known = {entry["id"] for entries in metadata.values() for entry in entries} | {DEFAULT_COMBO}
    lost = {uid for entries in metadata.values() for entry in entries for uid in _references(entry)} - known
    return found + [f"nothing has the id {uid}" for uid in sorted(lost)]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("id"), str):
            yield value["id"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
