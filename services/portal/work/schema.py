"""A service's own description (OpenAPI) read as registers, steps and fields of forms. Pure: no network, no words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.portal.work.declaration import Declaration

LONG_TEXT = 300
"""Characters from which a text gets several lines."""
DEPTH = 6
"""Objects within objects deeper than this are not shown as fields: no command needs them, a cycle would never end."""
MONEY = "_tiyin"
PAGING = frozenset({"after", "limit"})


class Kind(StrEnum):
    """How a field is entered and shown."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"
    MONTH = "month"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    CODE = "code"
    CODES = "codes"
    REFERENCE = "reference"
    PARTY = "party"
    INSIDE = "inside"
    INSIDES = "insides"
    LINES = "lines"
    GROUP = "group"
    ROWS = "rows"
    MAP = "map"


PLAIN_LISTS = frozenset({Kind.CHOICES, Kind.CODES, Kind.LINES, Kind.INSIDES})
"""Kinds whose value is a list of texts."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `source` says which register, code list or key its values come from, `enum` whose words they have.

    `flat` rows are sent as lists in the order of their fields; `label` is what a template calls it.
    """

    name: str
    kind: Kind
    required: bool = False
    enum: str = ""
    options: tuple[str, ...] = ()
    source: str = ""
    fields: tuple["Field", ...] = ()
    decimal: bool = False
    whole: bool = False
    longest: int | None = None
    fewest: int = 0
    default: Any = None
    help: str = ""
    label: str = ""
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A command on an entry, or (name "") the one that makes a new entry; `places` stand in its address."""

    name: str
    method: str
    path: str
    places: tuple[Field, ...] = ()
    body: tuple[Field, ...] | None = None
    summary: str = ""
    makes: bool = False


@dataclass(frozen=True, slots=True)
class Import:
    """That a register takes files: where, and whether it answers with a job that is watched."""

    path: str
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What a service says of one register; `parts` are lists under an entry, by name."""

    filters: tuple[Field, ...] = ()
    shown: tuple[Field, ...] = ()
    listed: bool = False
    read: bool = False
    create: Step | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()
    exports: tuple[str, ...] = ()
    imports: Import | None = None
    paths: frozenset[str] = frozenset()


_PLACE = re.compile(r"\{([^}]+)\}")


class Reader:
    """Reads one OpenAPI document with the hints of the declaration."""

    def __init__(self, document: Mapping[str, Any], declared: Declaration) -> None:
        self._paths: Mapping[str, Mapping[str, Any]] = document.get("paths", {})
        self._components: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
        self._declared = declared

    def describe(self, register: str) -> Description:
        """What the document says of a register."""
        base = f"/v1/{register}"
        one = re.compile(re.escape(base) + r"/\{[^}]+\}(?P<rest>(?:/[^.]*)?)")
        own = self._paths.get(base, {})
        listing = own.get("get")
        create = self._step("", "POST", base, own["post"]) if "post" in own else None
        steps: dict[str, Step] = {}
        parts: set[str] = set()
        read = False
        shown: tuple[Field, ...] = ()
        for path, operations in self._paths.items():
            match = one.fullmatch(path)
            if match is None:
                continue
            rest = match["rest"].strip("/")
            if not rest and "get" in operations:
                read, shown = True, self._answer(operations["get"])
            elif "get" in operations and "{" not in rest:
                parts.add(rest)
            for method in ("post", "put", "patch"):
                if method in operations:
                    step = self._step(_step_name(rest), method.upper(), path, operations[method])
                    steps[step.name] = step
        return Description(
            filters=self._filters(listing) if listing else (),
            shown=shown,
            listed=listing is not None,
            read=read,
            create=create,
            steps=steps,
            parts=frozenset(parts),
            exports=tuple(path for path in (f"{base}/export", f"{base}.csv", f"{base}.xlsx") if path in self._paths),
            imports=self._import(f"{base}/import"),
            paths=frozenset(self._paths),
        )

    def fields(self, schema: Mapping[str, Any], depth: int = 0) -> tuple[Field, ...]:
        """The fields of an object's schema."""
        required = set(schema.get("required", ()))
        properties = schema.get("properties", {})
        return tuple(
            self.field(name, each, required=name in required, siblings=properties, depth=depth)
            for name, each in properties.items()
        )

    def field(
        self,
        name: str,
        schema: Mapping[str, Any],
        *,
        required: bool = False,
        siblings: Mapping[str, Any] | None = None,
        depth: int = 0,
    ) -> Field:
        """One field; a hint by its name wins over its plain type."""
        resolved, component, nullable = self._resolve(schema)
        common: dict[str, Any] = {
            "name": name,
            "required": required and not nullable,
            "default": schema.get("default"),
            "help": str(schema.get("description", "")),
        }
        if "enum" in resolved or "const" in resolved:
            values = resolved.get("enum", [resolved.get("const")])
            if values == [True]:
                return Field(kind=Kind.FLAG, **common)
            whole = all(isinstance(value, int) for value in values)
            options = tuple(map(str, values))
            return Field(kind=Kind.CHOICE, enum=component, options=options, whole=whole, **common)
        match resolved.get("type"):
            case "array":
                return self._list(name, resolved, common, depth)
            case "object" if "properties" in resolved and depth < DEPTH:
                return Field(kind=Kind.GROUP, fields=self.fields(resolved, depth + 1), enum=component, **common)
            case "object":
                return Field(kind=Kind.MAP, **(common | {"default": None}))
            case "boolean":
                return Field(kind=Kind.FLAG, **common)
            case "integer" | "number" as number:
                kind = Kind.MONEY if name.endswith(MONEY) else Kind.NUMBER
                return Field(kind=kind, decimal=number == "number", **common)
        return self._text(name, resolved, common, siblings or {})

    def _list(self, name: str, schema: Mapping[str, Any], common: dict[str, Any], depth: int) -> Field:
        items, component, _ = self._resolve(schema.get("items", {}))
        common["fewest"] = int(schema.get("minItems", 0))
        if "enum" in items:
            return Field(kind=Kind.CHOICES, enum=component, options=tuple(map(str, items["enum"])), **common)
        if items.get("type") == "object" and "properties" in items and depth < DEPTH:
            return Field(kind=Kind.ROWS, fields=self.fields(items, depth + 1), enum=component, **common)
        if name in self._declared.codes:
            return Field(kind=Kind.CODES, source=self._declared.codes[name], **common)
        if name in self._declared.inside:
            return Field(kind=Kind.INSIDES, source=self._declared.inside[name], **common)
        return Field(kind=Kind.LINES, **common)

    def _text(self, name: str, schema: Mapping[str, Any], common: dict[str, Any], siblings: Mapping[str, Any]) -> Field:
        longest = schema.get("maxLength")
        if schema.get("format") == "date":
            return Field(kind=Kind.DAY, **common)
        if schema.get("format") == "date-time":
            return Field(kind=Kind.MOMENT, **common)
        if name in self._declared.codes:
            source = self._declared.codes[name]
            return Field(kind=Kind.MONTH if source == "month" else Kind.CODE, source=source, **common)
        if name in self._declared.references:
            return Field(kind=Kind.REFERENCE, source=self._declared.references[name], **common)
        if name in self._declared.inside:
            return Field(kind=Kind.INSIDE, source=self._declared.inside[name], **common)
        if name == "ref" and "category" in siblings:
            return Field(kind=Kind.PARTY, longest=longest, **common)
        if longest is not None and longest > LONG_TEXT and schema.get("format") != "uri":
            return Field(kind=Kind.LONG, longest=longest, **common)
        return Field(kind=Kind.TEXT, longest=longest, **common)

    def _resolve(self, schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, bool]:
        """The schema behind references and "or null", the component's name, and whether null is possible."""
        component, nullable = "", False
        while True:
            if "$ref" in schema:
                component = str(schema["$ref"]).rsplit("/", 1)[-1]
                schema = self._components.get(component, {})
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                others = [each for each in alternatives if each.get("type") != "null"]
                nullable = nullable or len(others) < len(alternatives)
                if not others:
                    return {}, component, nullable
                schema = others[0]
            elif len(schema.get("allOf", ())) == 1:
                schema = schema["allOf"][0]
            else:
                return schema, component, nullable

    def _filters(self, operation: Mapping[str, Any]) -> tuple[Field, ...]:
        return tuple(
            self.field(each["name"], {"description": each.get("description", ""), **each.get("schema", {})})
            for each in operation.get("parameters", ())
            if each.get("in") == "query" and each["name"] not in PAGING
        )

    def _answer(self, operation: Mapping[str, Any]) -> tuple[Field, ...]:
        return self.fields(self._resolve(_content(operation.get("responses", {}).get("200", {})))[0])

    def _import(self, path: str) -> Import | None:
        operation = self._paths.get(path, {}).get("post")
        return None if operation is None else Import(path, watched="202" in operation.get("responses", {}))

    def _step(self, name: str, method: str, path: str, operation: Mapping[str, Any]) -> Step:
        named = _PLACE.findall(path)
        given = {each["name"]: each for each in operation.get("parameters", ()) if each.get("in") == "path"}
        first = 0 if name == "" and method == "POST" else 1
        places = tuple(
            self._place(each, given.get(each, {}).get("schema", {"type": "string"})) for each in named[first:]
        )
        body = operation.get("requestBody")
        schema = self._resolve(_content(body))[0] if body else None
        return Step(
            name=name or ("update" if first else ""),
            method=method,
            path=path,
            places=places,
            body=None if schema is None else self.fields(schema),
            summary=str(operation.get("description") or operation.get("summary", "")),
            makes="201" in operation.get("responses", {}),
        )

    def _place(self, name: str, schema: Mapping[str, Any]) -> Field:
        """Part of an address: a code, or the key of something inside the entry."""
        field_ = self.field(name, schema, required=True)
        if field_.kind is Kind.TEXT:
            return Field(name, Kind.INSIDE, required=True, source=name)
        return field_


def _step_name(rest: str) -> str:
    """A step's name by its address: "meetings-hold" of …/meetings/{meeting_id}/hold."""
    segments = [each for each in rest.split("/") if each]
    words = [each for each in segments if not each.startswith("{")]
    if segments and segments[-1].startswith("{"):
        words.append(segments[-1].strip("{}"))
    return "-".join(words)


def _content(of: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, content in of.get("content", {}).items():
        if name.endswith("json"):
            schema: Mapping[str, Any] = content.get("schema", {})
            return schema
    return {}


def every(fields: tuple[Field, ...]) -> Iterator[Field]:
    """All fields, those inside groups and rows too."""
    for each in fields:
        yield each
        yield from every(each.fields)
