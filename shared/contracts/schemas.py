"""JSON Schemas of the events, generated from the models and committed, so that a break in a contract cannot slip in.

`python -m shared.contracts.schemas` writes shared/contracts/schemas/<service>.<aggregate>.<version>.json, unless that
would break what consumers and the permanent logs rely on; `--check` fails where the committed files are not current.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import EventType

FOLDER = Path(__file__).parent / "schemas"
Schema = Mapping[str, Any]

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
PATTERNS = ("pattern", "multipleOf", "uniqueItems")


def generate(types: Iterable[EventType] = REGISTRY.values()) -> dict[str, Schema]:
    """The schema of every aggregate and version: file name -> schema. One model serves all facts of an aggregate."""
    schemas: dict[str, dict[str, Any]] = {}
    for each in types:
        version = each.name.rpartition(".")[2]
        name = f"{each.service}.{each.aggregate}.{version}"
        schema = schemas.setdefault(
            f"{name}.json",
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": f"urn:hamkor:contract:{name}",
                **each.model.model_json_schema(),
                "x-events": [],
            },
        )
        schema["x-events"].append(each.name)
    return {name: schemas[name] for name in sorted(schemas)}


def render(schema: Schema) -> str:
    """The text of a schema's file."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def breaks(old: Schema, new: Schema) -> list[str]:
    """What `new` breaks of `old`, one sentence each.

    Only optional fields, event types and values of enumerations may be added: logs are kept for ever, so the new model
    must read all that the old one wrote, and consumers of today must be able to read what is written tomorrow.
    """
    gone = [f"event type {name} is gone" for name in old.get("x-events", []) if name not in new.get("x-events", [])]
    return gone + list(_Comparison(old, new).all())


class _Comparison:
    """Walks two schemas side by side; remembers pairs of definitions, so that recursive models come to an end."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str]] = set()

    def all(self) -> Iterator[str]:
        """All breaks."""
        yield from self._compare(self._old, self._new, "")

    def _compare(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        before, after = self._alternatives(old, self._old), self._alternatives(new, self._new)
        for kind in before.keys() - after.keys():
            yield f"{place or 'the data'} can no longer be {kind}"
        for kind in after.keys() - before.keys():
            yield f"{place or 'the data'} can now be {kind}, which consumers of today do not read"
        for kind in sorted(before.keys() & after.keys()):
            yield from self._compare_kind(before[kind], after[kind], place)

    def _compare_kind(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        for value in _values(old):
            if _values(new) and value not in _values(new):
                yield f"{place} can no longer have the value {value!r}"
        if not _values(old) and _values(new):
            yield f"{place} is narrowed to {', '.join(map(repr, _values(new)))}"
        yield from _compare_bounds(old, new, place)
        if "properties" in old or "properties" in new:
            yield from self._compare_fields(old, new, place)
        for part, name in (("items", f"{place}[]"), ("additionalProperties", f"{place}.*")):
            if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
                yield from self._compare(old[part], new[part], name)
            elif old.get(part) != new.get(part):
                yield f"{name} has changed"
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            yield f"{place} has {len(after)} places instead of {len(before)}"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self._compare(one, other, f"{place}[{number}]")

    def _compare_fields(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", [])), set(new.get("required", []))
        for field in before.keys() - after.keys():
            yield f"field {_join(place, field)} is gone"
        for field in sorted(needed_after - needed_before):
            how = "required now" if field in before else "new and required"
            yield f"field {_join(place, field)} is {how}, but the logs have events without it"
        for field in sorted((needed_before - needed_after) & after.keys()):
            yield f"field {_join(place, field)} is no longer certain to be there"
        for field in sorted(before.keys() & after.keys()):
            yield from self._compare(before[field], after[field], _join(place, field))

    def _alternatives(self, schema: Schema, root: Schema) -> dict[str, Schema]:
        """The kinds of value a schema allows: "string", "string (date)", "null", "object" … -> their schemas."""
        schema = _resolve(schema, root)
        found: dict[str, Schema] = {}
        for part in schema.get("anyOf", schema.get("oneOf", [schema])):
            part = _resolve(part, root)
            if part is not schema and ("anyOf" in part or "oneOf" in part):
                found |= self._alternatives(part, root)
                continue
            types = part.get("type", "any")
            for kind in types if isinstance(types, list) else [types]:
                found[f"{kind} ({part['format']})" if "format" in part else kind] = part
        return found


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if len(schema.get("allOf", [])) == 1:
        return _resolve(schema["allOf"][0], root)
    return schema


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _compare_bounds(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for name in LOWER_BOUNDS:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{place}: {name} is narrowed to {new[name]}"
    for name in UPPER_BOUNDS:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{place}: {name} is narrowed to {new[name]}"
    for name in PATTERNS:
        if name in new and new[name] != old.get(name):
            yield f"{place}: {name} is narrowed to {new[name]}"


def _join(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def committed(folder: Path = FOLDER) -> dict[str, Schema]:
    """The schemas in the files: file name -> schema."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def faults(folder: Path = FOLDER, schemas: Mapping[str, Schema] | None = None) -> list[str]:
    """The breaks of the committed contracts, one sentence each, with what to do."""
    schemas = generate() if schemas is None else schemas
    found: list[str] = []
    for name, old in committed(folder).items():
        contract = name.removesuffix(".json")
        if name not in schemas:
            found.append(f"{contract}: the contract is gone, but its events stand in the logs for ever; keep its model")
            continue
        found += [
            f"{contract}: {what}; leave this version as it is and declare {_next(contract)} beside it"
            for what in breaks(old, schemas[name])
        ]
    return found


def _next(contract: str) -> str:
    stem, _, version = contract.rpartition(".v")
    return f"{stem}.v{int(version) + 1}"


def main(arguments: list[str], folder: Path = FOLDER, schemas: Mapping[str, Schema] | None = None) -> int:
    """Write the schemas, or check that they are written; 1 and one sentence for each thing that is wrong."""
    schemas = generate() if schemas is None else schemas
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m shared.contracts.schemas [--check]\n")
        return 2
    wrong = faults(folder, schemas)
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    outdated = [name for name, schema in schemas.items() if there.get(name) != render(schema)]
    if arguments and not wrong:
        wrong = [f"{name} is not up to date: run python -m shared.contracts.schemas and commit it" for name in outdated]
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    for name in outdated if not arguments else ():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(render(schemas[name]), encoding="utf-8")
    sys.stdout.write(f"{len(schemas)} contracts, {len(outdated)} written\n" if not arguments else "contracts agree\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
