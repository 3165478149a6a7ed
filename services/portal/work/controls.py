"""Forms as templates draw them: one control a field, with what was typed, what may be chosen and what is wrong."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.portal.territory import NATION
from services.portal.work.forms import FIND, Raw, place_of_error
from services.portal.work.schema import Field, Kind
from services.portal.work.words import Groups, Words, choices

SPARE = 2
"""Empty inputs at the end of a list of codes."""
INPUT_TYPES = {Kind.DAY: "date", Kind.MOMENT: "datetime-local", Kind.MONTH: "month"}
INPUT_MODES = {Kind.NUMBER: "numeric", Kind.MONEY: "decimal"}


@dataclass(slots=True)
class Control:
    """One field on the page; `path` is its name in the form, `id` its anchor.

    What it chooses from is the register `source`, for an entry of the register `below`.
    """

    path: str
    kind: Kind
    label: str
    help: str = ""
    required: bool = False
    value: Any = ""
    groups: Groups = field(default_factory=list)
    source: str = ""
    below: str = ""
    type: str = "text"
    mode: str = ""
    longest: int | None = None
    errors: list[Mapping[str, str]] = field(default_factory=list)
    fields: list["Control"] = field(default_factory=list)
    rows: list[list["Control"]] = field(default_factory=list)
    chosen: str = ""
    find: str = ""
    found: list[tuple[str, str]] = field(default_factory=list)
    searched: bool = False
    fixed: bool = False

    @property
    def id(self) -> str:
        """The control's anchor."""
        return "f-" + self.path.replace(".", "-")

    @property
    def find_name(self) -> str:
        """The name of the input in which one looks for an entry."""
        return self.path + FIND


@dataclass(frozen=True, slots=True)
class Drawing:
    """What controls are drawn from besides fields and what was typed.

    `name_of` names an entry by register and id, `inside` gives the keys inside the entry a step changes, `fixed` are
    fields that are known and not asked for, `found` are entries looked for, by path,
    `office` is the reader's territory.
    """

    register: str
    words: Words
    today: date
    parties: Mapping[str, str]
    name_of: Callable[[str, str], str]
    inside: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    found: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    office: str = NATION

    def draw(self, fields: Sequence[Field], raw: Raw, prefix: str = "") -> list[Control]:
        """The controls of these fields."""
        return [self._one(each, raw.get(each.name), prefix + each.name, raw) for each in fields]

    def _one(self, each: Field, value: Any, path: str, around: Raw) -> Control:
        control = Control(
            path=path,
            kind=each.kind,
            below=self.register,
            label=each.label or self.words.label(self.register, each.name),
            help=self.words.help(self.register, each.name, each.help),
            required=each.required,
            value=value,
            source=each.source,
            type=INPUT_TYPES.get(each.kind, "text"),
            mode=INPUT_MODES.get(each.kind, ""),
            longest=each.longest,
            fixed=path in self.fixed,
        )
        match each.kind:
            case Kind.GROUP:
                control.fields = self.draw(each.fields, value or {}, path + ".")
            case Kind.ROWS:
                control.rows = [
                    self.draw(each.fields, row, f"{path}.{number}.") for number, row in enumerate(value or ())
                ]
            case Kind.CHOICE | Kind.CHOICES:
                control.groups = [("", [(option, self.words.code(each.enum, option)) for option in each.options])]
            case Kind.CODE:
                control.groups = choices(each.source, self.words.lang, self.today, self.office)
            case Kind.CODES:
                control.value = [*(value or ()), *[""] * SPARE]
                control.groups = choices(each.source, self.words.lang, self.today, self.office)
            case Kind.INSIDE | Kind.INSIDES:
                control.groups = [("", list(self.inside.get(each.source, ())))]
            case Kind.LINES:
                control.value = "\n".join(value or ())
            case Kind.FLAG:
                yes, no = self.words.text("work.yes"), self.words.text("work.no")
                control.groups = [("", [("true", yes), ("false", no)])]
            case Kind.REFERENCE | Kind.PARTY:
                self._picker(control, value or {}, path, around)
        return control

    def _picker(self, control: Control, value: Mapping[str, str], path: str, around: Raw) -> None:
        if control.kind is Kind.PARTY:
            control.source = self.parties.get(str(around.get("category", "")), "")
        control.value, control.find = value.get("id", ""), value.get("find", "")
        if control.value and control.source:
            control.chosen = self.name_of(control.source, control.value)
        elif control.value:
            control.find, control.value = control.value, ""
        if path in self.found:
            control.searched, control.found = bool(control.find), list(self.found[path])


def every_control(controls: Sequence[Control]) -> Iterator[Control]:
    """All controls, those inside groups and rows too."""
    for control in controls:
        yield control
        yield from every_control(control.fields)
        for row in control.rows:
            yield from every_control(row)


def mark_errors(controls: Sequence[Control], errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Put each error beside its control; returns the summary: message, and the anchor and label of its control."""
    by_path = {control.path: control for control in every_control(controls) if not control.fixed}
    known = frozenset(by_path)
    wrong = [str(error.get("field", "")) for error in errors]
    summary = []
    for error in errors:
        named = str(error.get("field", ""))
        if error.get("rule") == "too_short" and any(each.startswith(f"{named}.") for each in wrong):
            continue  # a wrong row is no missing row
        control = by_path.get(place_of_error(named, known))
        label = control.label if control else ""
        said = {part: _in_words(str(error.get(part, "")), named, label) for part in ("message", "remedy")}
        if control is not None:
            control.errors.append(said)
        summary.append({**said, "href": f"#{control.id}" if control else "", "label": label})
    return summary


def _in_words(text: str, named: str, label: str) -> str:
    """A service's sentence with the field called as it is called on the page."""
    return re.sub(rf"(?<![\w.]){re.escape(named)}(?![\w.]\w)", f"“{label}”", text) if named and label else text


def inside_of(
    entry: Mapping[str, Any],
    name_it: Callable[[str, Mapping[str, Any]], str],
    takes: Callable[[str, Mapping[str, Any]], bool] = lambda _list, _item: True,
) -> dict[str, Any]:
    """The keys of things inside an entry ("party_id", "term", "meeting_id"), each with what the thing is called.

    `takes` says of a list's name and a thing in it whether it is asked for.
    """
    found: dict[str, list[tuple[str, str]]] = {}

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
                    for item in inner:
                        if not takes(name, item):
                            continue
                        for key, id_ in item.items():
                            if (key.endswith("_id") or key == "term") and isinstance(id_, str):
                                found.setdefault(key, []).append((id_, name_it(name, item)))
                                break
                        walk(item)

    walk(entry)
    return found
