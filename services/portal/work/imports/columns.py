"""The columns of a register's files in words: what stands in them, how it is written, which codes there are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.portal.work.reader import Worker
from services.portal.work.schema import PLAIN_LISTS, Field, Kind
from services.portal.work.words import Groups, choices
from shared.errors import Forbidden, NotFound

WRITTEN: Final = {
    Kind.NUMBER: "number",
    Kind.MONEY: "money",
    Kind.DAY: "day",
    Kind.MOMENT: "moment",
    Kind.MONTH: "month",
    Kind.FLAG: "flag",
    Kind.CHOICE: "code",
    Kind.CHOICES: "codes",
    Kind.LINES: "list",
    Kind.INSIDES: "list",
    Kind.ROWS: "rows",
    Kind.MAP: "rows",
}
"""How a kind of field is written in a cell, by the word for it."""
SOURCES: Final = {"isco": "isco", "academic_year": "academic_year"}
"""Codes of lists that are too long to show, or that every reader knows."""
BY_HAND: Final = frozenset({Kind.CODE, Kind.CODES, Kind.REFERENCE, Kind.PARTY})
"""Kinds whose help is about choosing in a form."""
FEW: Final = 400
"""Codes from which on a list is not shown."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` stands in the file's first row, `own` is the only value the reader can use.

    `unused` ones are those that this reader leaves empty.
    """

    name: str
    label: str
    required: bool
    written: str
    help: str = ""
    codes: Groups | None = None
    register: str = ""
    own: str = ""
    example: str = ""
    unused: bool = False


def paths_of(fields: Sequence[Field], above: str = "", *, required: bool = True) -> Iterator[tuple[str, Field, bool]]:
    """The columns a command's fields make: name, field, and whether it is needed; groups lie flat."""
    for each in fields:
        needed = required and each.required
        if each.kind is Kind.GROUP:
            yield from paths_of(each.fields, f"{above}{each.name}.", required=needed)
        else:
            yield f"{above}{each.name}", each, needed


def columns_of(worker: Worker, name: str, fields: Sequence[Field]) -> list[Column]:
    """The columns of a register's files as this reader fills them in."""
    register = worker.declared.register_of(name)
    own = register.belongs(worker.role, worker.org) if register is not None else {}
    return [_column(worker, name, path, field, needed, own) for path, field, needed in paths_of(fields)]


def _column(worker: Worker, name: str, path: str, field: Field, needed: bool, own: Mapping[str, str]) -> Column:
    words = worker.words
    label = " – ".join(words.label(name, part) for part in path.split("."))
    known = own.get(path)
    if known is not None:
        written = words.text("import.write.own" if known else "import.write.empty")
        return Column(path, label, bool(known), written, own=known, unused=not known)
    groups: Groups = []
    if field.kind in (Kind.CHOICE, Kind.CHOICES):
        groups = [("", [(option, words.code(field.enum, option)) for option in field.options])]
    elif field.kind in (Kind.CODE, Kind.CODES) and field.source not in SOURCES:
        groups = choices(field.source, words.lang, worker.today)
    return Column(
        name=path,
        label=label,
        required=needed,
        written=words.text(f"import.write.{_written(field)}"),
        help="" if field.kind in BY_HAND else words.help(name, field.name, field.help),
        codes=_told(groups) if 0 < sum(len(options) for _, options in groups) <= FEW else None,
        register=field.source if field.kind is Kind.REFERENCE and _opens(worker, field.source) else "",
        example=json.dumps([_example(field.fields)], ensure_ascii=False) if field.kind is Kind.ROWS else "",
    )


def _told(groups: Groups) -> Groups:
    """The codes with their words, in which they do not stand once more."""
    return [
        (heading, [(code, text.removeprefix(code).lstrip(" –")) for code, text in options])
        for heading, options in groups
    ]


def _written(field: Field) -> str:
    if field.kind in (Kind.CODE, Kind.CODES):
        code = SOURCES.get(field.source, "code")
        return "codes" if field.kind is Kind.CODES else code
    if field.kind is Kind.REFERENCE:
        return "reference"
    if field.kind in PLAIN_LISTS:
        return WRITTEN.get(field.kind, "list")
    return WRITTEN.get(field.kind, "text")


def _example(fields: Sequence[Field]) -> dict[str, Any]:
    """One row of a list within a cell: its fields, each with what may stand there."""
    return {each.name: _sample(each) for each in fields}


def _sample(field: Field) -> Any:
    match field.kind:
        case Kind.ROWS:
            return [_example(field.fields)]
        case Kind.GROUP:
            return _example(field.fields)
        case Kind.NUMBER | Kind.MONEY:
            return 1
        case Kind.FLAG:
            return True
        case Kind.DAY:
            return "2026-09-01"
        case Kind.CHOICE:
            return int(field.options[0]) if field.whole else field.options[0]
        case kind if kind in PLAIN_LISTS:
            return list(field.options[:1]) or ["…"]
    return "…"


def _opens(worker: Worker, name: str) -> bool:
    """Whether the reader can open the list in which the numbers of these entries stand."""
    try:
        return worker.register(name)[1].listed
    except (NotFound, Forbidden):
        return False
