"""Forms: what a browser sends as texts by field, and the JSON that a command wants. Pure.

A field's name on the page is its path ("parties.0.ref"), as in the services' errors. What can't be read as its type is
passed on as it was typed: the service, which knows the rule, says what is wrong with it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from services.portal.work.schema import PLAIN_LISTS, Field, Kind
from shared.clock import TASHKENT

MOST_ROWS = 500
"""Rows of one list that a form takes."""
FIND = ".find"
"""What is typed to look for an entry; the chosen one's id is sent under the field's own name."""
ADD, REMOVE, SEARCH = "add:", "remove:", "find:"
"""What a button does to the form instead of sending it, before the path it does it to."""

Raw = dict[str, Any]
"""What was typed: texts, lists of texts, and rows, by field."""


class Sent(Protocol):
    """A sent form (starlette's FormData)."""

    def getlist(self, key: Any) -> Sequence[Any]:
        """All values of a name."""
        ...

    def keys(self) -> Any:
        """All names."""
        ...


def read(fields: Sequence[Field], form: Sent, prefix: str = "") -> Raw:
    """What was typed into each field; rows in which nothing stands are left out."""
    return {each.name: _read_one(each, form, prefix + each.name) for each in fields}


def _read_one(field: Field, form: Sent, path: str) -> Any:
    match field.kind:
        case Kind.GROUP:
            return read(field.fields, form, path + ".")
        case Kind.ROWS:
            numbers = _row_numbers(form, path)
            return [read(field.fields, form, f"{path}.{number}.") for number in numbers]
        case Kind.LINES:
            return [line.strip() for line in _last(form, path).splitlines() if line.strip()]
        case kind if kind in PLAIN_LISTS:
            typed = [str(value).strip() for value in form.getlist(path)]
            return [_code_of(field, value) for value in typed if value]
        case Kind.MAP:
            return _last(form, path)
        case Kind.REFERENCE | Kind.PARTY:
            return {"id": _last(form, path).strip(), "find": _last(form, path + FIND).strip()}
    return _code_of(field, _last(form, path).strip())


def _last(form: Sent, name: str) -> str:
    values = form.getlist(name)
    return str(values[-1]) if values else ""


def _row_numbers(form: Sent, path: str) -> list[int]:
    pattern = re.compile(re.escape(path) + r"\.([0-9]{1,4})\.")
    return sorted({int(match[1]) for name in form.keys() if (match := pattern.match(str(name)))})[:MOST_ROWS]  # noqa: SIM118 - a protocol, no mapping


def _code_of(field: Field, typed: str) -> str:
    """The code at the head of "7231 – Motor vehicle mechanics"."""
    return re.split(r"\s[–-]\s", typed, maxsplit=1)[0].strip() if field.kind in (Kind.CODE, Kind.CODES) else typed


def is_blank(value: Any) -> bool:
    """True if nothing was typed."""
    if isinstance(value, Mapping):
        return all(is_blank(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_blank(each) for each in value)
    return value in ("", None)


def without_blank_rows(fields: Sequence[Field], raw: Raw) -> Raw:
    """The same without rows in which nothing was typed, so that the rows' numbers are those of the command."""
    kept = dict(raw)
    for each in fields:
        if each.kind is Kind.GROUP:
            kept[each.name] = without_blank_rows(each.fields, raw.get(each.name) or {})
        elif each.kind is Kind.ROWS:
            untouched = to_raw(each.fields, _defaults(each.fields))
            rows = [row for row in raw.get(each.name, ()) if not is_blank(row) and row != untouched]
            kept[each.name] = [without_blank_rows(each.fields, row) for row in rows]
    return kept


def to_json(fields: Sequence[Field], raw: Raw) -> dict[str, Any]:
    """The command: what was typed as the types it wants; what was left empty is left out."""
    command: dict[str, Any] = {}
    for each in fields:
        value = raw.get(each.name)
        if each.kind is Kind.ROWS:
            rows: list[Any] = [to_json(each.fields, row) for row in value or ()]
            if each.flat:
                rows = [[row.get(column.name, "") for column in each.fields] for row in rows]
            if rows or each.required:
                command[each.name] = rows
        elif each.kind is Kind.GROUP:
            untouched = to_raw(each.fields, _defaults(each.fields))
            inner = to_json(each.fields, value or {})
            if (inner and value != untouched) or each.required:
                command[each.name] = inner
        elif each.kind in PLAIN_LISTS:
            if value or each.required:
                command[each.name] = list(value or ())
        elif isinstance(value, Mapping):
            if value.get("id") or (each.kind is Kind.PARTY and value.get("find")):
                command[each.name] = value.get("id") or value.get("find")
        elif value not in ("", None):
            command[each.name] = _typed(each, value)
    return command


def _typed(field: Field, text: str) -> Any:
    match field.kind:
        case Kind.FLAG:
            return {"true": True, "false": False}.get(text, text)
        case Kind.MONEY:
            return _number(text, 100, decimal=False)
        case Kind.NUMBER:
            return _number(text, 1, decimal=field.decimal)
        case Kind.MOMENT:
            return _aware(text)
        case Kind.MAP:
            pairs = (line.partition(":") for line in text.splitlines() if line.strip())
            return {name.strip(): value.strip() for name, _, value in pairs}
        case Kind.CHOICE if field.whole:
            return _number(text, 1, decimal=False)
    return text


def _number(text: str, times: int, *, decimal: bool) -> Any:
    """The number that was typed, with spaces and a comma as people write it; the text itself where it is none."""
    plain = re.sub(r"[\s\u00a0\u202f]", "", text).replace(",", ".")
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,6})?", plain):
        return text
    try:
        value = Decimal(plain) * times
    except InvalidOperation:
        return text
    if value == value.to_integral_value():
        return int(value)
    return float(value) if decimal else text


def _aware(text: str) -> str:
    """A moment as typed (Tashkent's clock) with its offset; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=TASHKENT)).isoformat()


def to_raw(fields: Sequence[Field], value: Mapping[str, Any]) -> Raw:
    """What stands in a form that shows this JSON: the other way round than `to_json`."""
    return {each.name: _shown(each, value.get(each.name)) for each in fields}


def _shown(field: Field, value: Any) -> Any:
    if field.kind is Kind.ROWS:
        return [to_raw(field.fields, each) for each in value or ()]
    if field.kind is Kind.GROUP:
        return to_raw(field.fields, value or {})
    if field.kind in PLAIN_LISTS:
        return [str(each) for each in value or ()]
    if field.kind in (Kind.REFERENCE, Kind.PARTY):
        return {"id": "" if value is None else str(value), "find": ""}
    if value is None:
        return ""
    if field.kind is Kind.FLAG:
        return str(value).lower()
    if field.kind is Kind.MONEY and isinstance(value, int):
        soum = Decimal(value) / 100
        return str(soum.to_integral_value() if soum == soum.to_integral_value() else soum)
    if field.kind is Kind.MAP and isinstance(value, Mapping):
        return "\n".join(f"{name}: {each}" for name, each in value.items())
    if field.kind is Kind.MOMENT:
        return _local(str(value))
    return str(value)


def _local(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment.astimezone(TASHKENT) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%S").removesuffix(":00")


def change_rows(fields: Sequence[Field], raw: Raw, action: str) -> Raw:
    """The form after a button that adds or removes a row; unchanged where the path is no list of this form."""
    verb, _, path = action.partition(":")
    target, number = path, -1
    if verb == "remove":
        target, _, last = path.rpartition(".")
        number = int(last) if last.isascii() and last.isdigit() and len(last) < 5 else -1
    return _changed(fields, raw, target.split("."), verb, number)


def _changed(fields: Sequence[Field], raw: Raw, way: list[str], verb: str, number: int) -> Raw:
    field = next((each for each in fields if each.name == way[0]), None)
    if field is None:
        return raw
    value = raw.get(field.name)
    if field.kind is Kind.GROUP and len(way) > 1:
        return raw | {field.name: _changed(field.fields, value or {}, way[1:], verb, number)}
    if field.kind is not Kind.ROWS:
        return raw
    rows = list(value or ())
    if len(way) > 2 and way[1].isdigit() and int(way[1]) < len(rows):
        at = int(way[1])
        rows[at] = _changed(field.fields, rows[at], way[2:], verb, number)
    elif len(way) == 1 and verb == "add" and len(rows) < MOST_ROWS:
        rows.append(to_raw(field.fields, _defaults(field.fields)))
    elif len(way) == 1 and verb == "remove" and 0 <= number < len(rows):
        del rows[number]
    return raw | {field.name: rows}


def _defaults(fields: Sequence[Field]) -> dict[str, Any]:
    return {each.name: each.default for each in fields if each.default is not None}


def started(fields: Sequence[Field], given: Mapping[str, Any]) -> Raw:
    """A form as it is first shown: defaults, what is known already, and a first row where a list needs one."""
    raw = to_raw(fields, _defaults(fields) | dict(given))
    for each in fields:
        if each.kind is Kind.ROWS and (missing := each.fewest - len(raw[each.name])) > 0:
            raw[each.name] += [to_raw(each.fields, _defaults(each.fields)) for _ in range(min(missing, 5))]
        elif each.kind is Kind.ROWS and each.required and not raw[each.name]:
            raw[each.name] = [to_raw(each.fields, _defaults(each.fields))]
    return raw


def place_of_error(path: str, known: frozenset[str]) -> str:
    """The field that shows an error: the one named, else the nearest around it, else "" for the whole form."""
    while path and path not in known:
        path = path.rpartition(".")[0]
    return path
