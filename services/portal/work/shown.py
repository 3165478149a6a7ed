"""Entries as people read them: fields with labels, codes as words, ids as names that lead further."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from services.portal.territory import NATION, territory
from services.portal.work.api import Services
from services.portal.work.controls import inside_of
from services.portal.work.declaration import Declaration, Declared
from services.portal.work.schema import Field, Kind, every
from services.portal.work.words import Words, named
from shared import i18n
from shared.errors import Unavailable
from shared.i18n import Lang

HIDDEN = frozenset({"id", "version"})
"""Fields that say nothing to people."""
DATED = "membership"
"""Where an institution belonged since when: its territory says as much while there was one district only."""
LIVE = frozenset(
    {"active", "adopted", "established", "existing", "confirmed", "held", "done", "met", "issued", "completed"}
)
WARN = frozenset({"overdue", "lapsed", "missing", "refused", "broken_off", "disabled"})
PAST = frozenset({"cancelled", "ended", "expired", "closed", "repealed", "annulled", "revoked", "merged", "dissolved"})

OWNER = "owner"
"""A code of the territory, or an institution's id."""
INSTITUTIONS = "institutions"

Entry = Mapping[str, Any]
Found = Mapping[tuple[str, str], Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A value to show: a `text` (with an address, or a tone), `items`, or a table of `columns` and `rows`."""

    text: str = ""
    href: str = ""
    tone: str = ""
    items: tuple["Value", ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple["Value", ...], ...] = ()
    pairs: tuple[tuple[str, "Value"], ...] = ()

    @property
    def empty(self) -> bool:
        """True if there is nothing to show; that is not zero."""
        return not (self.text or self.items or self.rows or self.pairs)


def references(fields: Sequence[Field], entry: Entry, parties: Mapping[str, str]) -> dict[str, set[str]]:
    """The ids of other entries that stand in an entry, by register."""
    wanted: dict[str, set[str]] = {}

    def want(register: str, id_: Any) -> None:
        if register and id_:
            wanted.setdefault(register, set()).add(str(id_))

    def walk(among: Sequence[Field], value: Entry) -> None:
        for each in among:
            inside = value.get(each.name)
            if each.kind is Kind.REFERENCE:
                want(each.source, inside)
            elif _owning(each, inside):
                want(INSTITUTIONS, inside)
            elif each.kind is Kind.PARTY:
                want(parties.get(str(value.get("category")), ""), inside)
            elif each.kind is Kind.GROUP and isinstance(inside, Mapping):
                walk(each.fields, inside)
            elif each.kind is Kind.ROWS:
                for row in inside or ():
                    walk(each.fields, row)

    walk(fields, entry)
    return wanted


class Shower:
    """Shows entries of all registers in one language, with the names of what they refer to."""

    def __init__(
        self,
        declared: Declaration,
        words: Words,
        services: Services,
        fields_of: Callable[[Declared], Any],
        readable: frozenset[str],
        named: Mapping[str, str],
    ) -> None:
        self._declared = declared
        self._words = words
        self._services = services
        self._fields_of = fields_of
        self._readable = readable
        self._named = named
        self._found: dict[tuple[str, str], Any] = {}
        self._fields: dict[str, tuple[Field, ...]] = {}
        self._inside: dict[tuple[str, str], str] = {}
        self._owners: dict[str, str] = {}

    async def learn(self, fields: Sequence[Field], entries: Sequence[Entry]) -> None:
        """Look up what these entries refer to, and what that is called after."""
        wanted: dict[str, set[str]] = {}
        for entry in entries:
            _join(wanted, references(fields, entry, self._declared.parties))
        await self.learn_ids(wanted)

    async def learn_ids(self, wanted: Mapping[str, set[str]], *, deep: bool = True) -> None:
        """Look up entries by id."""
        seen = self._readable | self._named.keys()
        services = {each.name: each.service for each in self._declared.registers if each.name in seen}
        missing = {
            register: {id_ for id_ in ids if (register, id_) not in self._found} for register, ids in wanted.items()
        }
        found = await self._services.named(missing, services, self._named)
        self._found.update(found)
        after: dict[str, set[str]] = {}
        for (name, _), entry in found.items():
            register = self._declared.register_of(name)
            if register is None:
                continue
            if name not in self._fields:
                try:
                    self._fields[name] = (await self._fields_of(register)).shown
                except Unavailable:
                    self._fields[name] = ()
            if entry is not None:
                heading = [each for each in self._fields[name] if each.name in register.title]
                _join(after, references(heading, entry, self._declared.parties))
        if deep and after:
            await self.learn_ids(after, deep=False)

    def title(self, register: Declared, fields: Sequence[Field], entry: Entry) -> str:
        """What an entry is called."""
        by_name = {each.name: each for each in fields}
        parts = [self.value(register.name, by_name[name], entry.get(name), entry).text for name in register.title
                 if name in by_name and entry.get(name) not in (None, "")]  # fmt: skip
        return " · ".join(part for part in parts if part) or short(str(entry.get("id", "")))

    def name_of(self, register: str, id_: str) -> str:
        """What the entry with this id is called; the beginning of its id where the reader may not see it."""
        entry = self._found.get((register, id_))
        declared = self._declared.register_of(register)
        if entry is None or declared is None:
            return short(id_)
        return self.title(declared, self._fields.get(register, ()), entry)

    def sees(self, register: str, id_: str) -> bool:
        """Whether the reader may see the entry with this id, of those that were looked for."""
        return self._found.get((register, id_)) is not None

    def entry(self, register: str, fields: Sequence[Field], entry: Entry) -> list[tuple[str, Value]]:
        """All fields that have something to show; what names a thing inside the entry is shown by its name."""
        fields, entry = joined(fields, entry)
        inside = inside_of(entry, lambda list_, item: self._inside_name(register, fields, list_, item))
        lists = [each for each in every(tuple(fields)) if each.kind is Kind.ROWS]
        self._owners = {key.name: each.name for each in reversed(lists) for key in each.fields if _is_key(key)}
        self._inside = {}
        for key, things in inside.items():
            for id_, name in things:
                # Named by the list that it is the key of, which comes first; others only refer to it.
                self._inside[key, id_] = self._inside.get((key, id_)) or name
        return self._pairs(register, fields, entry)

    def _pairs(self, register: str, fields: Sequence[Field], entry: Entry) -> list[tuple[str, Value]]:
        declared = self._declared.register_of(register)
        pairs = [
            (self._words.label(register, each.name), self.value(register, each, entry.get(each.name), entry))
            for each in fields
            if each.name not in HIDDEN
            and (declared is None or declared.shows(each.name, entry))
            and not (each.name == DATED and len(entry.get(DATED) or ()) < 2)
        ]
        return [(label, value) for label, value in pairs if not value.empty]

    def _inside_name(self, register: str, fields: Sequence[Field], list_: str, item: Entry) -> str:
        field = next((each for each in every(tuple(fields)) if each.name == list_), None)
        return " · ".join(self.told(register, field.fields, item)[:2]) if field else ""

    def told(self, register: str, fields: Sequence[Field], item: Entry) -> list[str]:
        """What a row says in single words: no key, no list."""
        texts = [
            self.value(register, each, item.get(each.name), item).text
            for each in fields
            if each.kind not in (Kind.ROWS, Kind.GROUP, Kind.CHOICES, Kind.LINES) and not each.name.endswith("_id")
        ]
        return [text for text in texts if text]

    def guessed(self, name: str, value: Any) -> Value:
        """What no description explains, as well as its look and its field's name tell."""
        if name.endswith("_id") and (name, str(value)) in self._inside:
            return Value(self._inside[name, str(value)])
        if name == "status" and isinstance(value, str):
            return Value(self._words.code("", value), tone=tone(value))
        if isinstance(value, str) and value[:4].isdigit():
            return Value(_at(value, self._lang) if "T" in value else _dated(value, self._lang))
        return _anything(value)

    def value(self, register: str, field: Field, value: Any, around: Entry) -> Value:
        """One field's value; `around` is what it stands in."""
        if value is None or value in ("", []):
            return Value()
        match field.kind:
            case Kind.ROWS:
                return self._table(register, field, value)
            case Kind.MAP if isinstance(value, Mapping):
                return Value(pairs=tuple((str(name), _anything(each)) for name, each in value.items()))
            case Kind.GROUP:
                return Value(pairs=tuple(self._pairs(register, field.fields, value)))
            case Kind.CHOICES:
                return Value(items=tuple(Value(self._words.code(field.enum, str(each))) for each in value))
            case Kind.CODES:
                return Value(items=tuple(Value(named(field.source, str(each), self._lang)) for each in value))
            case Kind.LINES | Kind.INSIDES:
                return Value(items=tuple(Value(self._name_inside(field, each)) for each in value))
            case Kind.REFERENCE:
                return self._link(field.source, str(value))
            case Kind.PARTY:
                return self._link(self._declared.parties.get(str(around.get("category")), ""), str(value))
            case Kind.CODE if _owning(field, value):
                return self._link(INSTITUTIONS, str(value))
            case Kind.CHOICE:
                return Value(self._words.code(field.enum, str(value)), tone=tone(str(value)))
        return Value(self._plain(field, value))

    def _name_inside(self, field: Field, key: Any) -> str:
        return self._inside.get((field.source, str(key)), str(key))

    @property
    def _lang(self) -> Lang:
        return self._words.lang

    def _plain(self, field: Field, value: Any) -> str:
        if field.name == "path":
            return _territory(str(value), self._lang)
        match field.kind:
            case Kind.FLAG:
                return self._words.text("work.yes" if value else "work.no")
            case Kind.MONEY:
                return self._words.text("work.soum", amount=i18n.number(value / 100, self._lang, 2))
            case Kind.NUMBER:
                # years and editions are numbers without thousands
                return str(value) if "year" in field.name else i18n.number(value, self._lang, 2)
            case Kind.CODE:
                return named(field.source, str(value), self._lang)
            case Kind.DAY:
                return _dated(str(value), self._lang)
            case Kind.MOMENT:
                return _at(str(value), self._lang)
            case Kind.INSIDE:
                return self._name_inside(field, value)
        if _is_key(field):
            return self._inside.get((field.name, str(value)), str(value))
        return value if isinstance(value, str) else str(value)

    def _table(self, register: str, field: Field, rows: Sequence[Entry]) -> Value:
        used = [
            each
            for each in field.fields
            if any(row.get(each.name) not in (None, "", []) for row in rows)
            and not (_is_key(each) and self._owners.get(each.name, field.name) == field.name)
        ]
        return Value(
            columns=tuple(self._words.label(register, each.name) for each in used),
            rows=tuple(tuple(self.value(register, each, row.get(each.name), row) for each in used) for row in rows),
        )

    def _link(self, register: str, id_: str) -> Value:
        if not register:
            return Value(id_)
        href = f"/work/{register}/{id_}" if register in self._readable and self._found.get((register, id_)) else ""
        return Value(self.name_of(register, id_), href=href)


def _owning(field: Field, value: Any) -> bool:
    """True if an owner, who may be an office called by its territory, is an institution."""
    return field.source == OWNER and bool(value) and value not in territory()


def _territory(path: str, lang: Lang) -> str:
    """The names of the units that a path lies in, from the region down; of the nation's own path the nation's."""
    units = [part for part in path.split("/") if part.isdigit() and part != NATION]
    return " › ".join(named("territory", unit, lang) for unit in units or [NATION])


def joined(fields: Sequence[Field], entry: Entry) -> tuple[tuple[Field, ...], Entry]:
    """Texts that services keep beside the facts stand in the rows they belong to: a member's name with the member."""
    shown, told = tuple(fields), dict(entry)
    for side in fields:
        keys = tuple(each.name for each in side.fields if _is_key(each))
        if side.kind is not Kind.ROWS or not side.name.endswith("texts") or not keys:
            continue
        more = tuple(each for each in side.fields if each.name not in keys)
        texts = {tuple(row.get(key) for key in keys): row for row in entry.get(side.name) or ()}
        rest = tuple(each for each in shown if each is not side)
        widened = _widened(rest, keys, more)
        if widened != rest:
            shown = widened
            told = {name: _filled(value, keys, (), texts) for name, value in told.items() if name != side.name}
    return shown, told


def _widened(fields: Sequence[Field], keys: tuple[str, ...], more: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields with `more` in the rows that the last key names."""
    found = []
    for each in fields:
        if each.kind is Kind.ROWS and keys[0] in {inner.name for inner in each.fields}:
            inner = _widened(each.fields, keys[1:], more) if keys[1:] else (*more, *each.fields)
            found.append(replace(each, fields=inner))
        else:
            found.append(each)
    return tuple(found)


def _filled(value: Any, keys: tuple[str, ...], known: tuple[Any, ...], texts: Mapping[tuple[Any, ...], Entry]) -> Any:
    """Rows with the texts of their keys."""
    left = keys[len(known) :]
    if not left or not isinstance(value, list) or not all(isinstance(row, Mapping) and left[0] in row for row in value):
        return value
    rows = []
    for row in value:
        path = (*known, row[left[0]])
        filled = {name: _filled(inner, keys, path, texts) for name, inner in row.items()}
        rows.append({**texts.get(path, {}), **filled})
    return rows


def _anything(value: Any) -> Value:
    """What no description explains, as plain as it can be shown."""
    if isinstance(value, (list, tuple)):
        return Value(items=tuple(_anything(each) for each in value))
    return Value("" if value is None else str(value))


def _is_key(field: Field) -> bool:
    """True for what only programs call a row by ("party_id")."""
    return field.kind is Kind.TEXT and field.name.endswith("_id")


def tone(value: str) -> str:
    """How a state looks: "live", "warn", "past", or as any other word."""
    return next((name for name, values in (("live", LIVE), ("warn", WARN), ("past", PAST)) if value in values), "")


def short(id_: str) -> str:
    """The end of an id: enough to tell two apart on a page."""
    return id_ if len(id_) <= 12 else "…" + id_[-8:]


def _dated(text: str, lang: Lang) -> str:
    try:
        return i18n.day(date.fromisoformat(text), lang)
    except ValueError:
        return text


def _at(text: str, lang: Lang) -> str:
    try:
        return i18n.moment(datetime.fromisoformat(text), lang, seconds=False)
    except ValueError:
        return text


def _join(into: dict[str, set[str]], more: Mapping[str, set[str]]) -> None:
    for register, ids in more.items():
        into.setdefault(register, set()).update(ids)
