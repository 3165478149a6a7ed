"""Literals: texts in bare statements; long columns as arrays, for asyncpg looks at a list's every element twice."""

from collections.abc import Iterable, Mapping, Sequence

_BETWEEN = "\x1f"  # hardly ever in a value: all of them are then escaped at once


def array_of(parameter: str, type_: str) -> str:
    """The SQL of a named parameter whose value `as_arrays` made, as an array of a type."""
    return f"cast(cast(:{parameter} as text) as {type_}[])"


def as_arrays(columns: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """The literals of columns of texts and numbers."""
    return {name: literal(values) for name, values in columns.items()}


def literal(values: Sequence[object]) -> str:
    """The array literal of texts and numbers (PostgreSQL manual, 8.15.2): every element quoted, so none is special."""
    if not values:
        return "{}"
    joined = _BETWEEN.join(map(str, values))
    if joined.count(_BETWEEN) == len(values) - 1:
        quoted = _escaped(joined).replace(_BETWEEN, '","')
    else:
        quoted = '","'.join([_escaped(str(value)) for value in values])
    return f'{{"{quoted}"}}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def plain(values: Iterable[object]) -> str:
    """The array literal of values that need no quotes: numbers and ids."""
    return "{" + ",".join(map(str, values)) + "}"


def text_literal(text: str) -> str:
    """The literal of a text, where a statement takes no parameters (several in one go, NOTIFY): manual, 4.1.2.2."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
