"""Lists and entries of registers as pages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.portal.work.api import segment
from services.portal.work.controls import Control, Drawing
from services.portal.work.declaration import Declared
from services.portal.work.forms import read, to_json
from services.portal.work.reader import Worker
from services.portal.work.schema import Description, Field
from services.portal.work.shown import INSTITUTIONS, Entry, Value, tone
from shared.errors import Forbidden, NotFound, Unavailable
from shared.scope import Role

ROWS = 25
UNDER_ROWS = 5
EXPORT_FORMATS = ("csv", "xlsx")


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in a list; `of`: to an institution, the one it goes on for whose entry it is."""

    id: str
    title: str
    cells: tuple[tuple[str, Value], ...]
    of: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a register."""

    register: Declared
    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    filters: tuple[Control, ...] = ()
    filtered: bool = False
    more: str = ""
    first: str = ""
    exports: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    creates: bool = False
    imports: bool = False
    new: str = ""
    new_query: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A step offered on an entry."""

    name: str
    label: str
    careful: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A list that stands under an entry and is shown with it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    links: Mapping[str, str]


async def listing(worker: Worker, name: str, query: Any) -> Listing:
    """A page of a register, filtered as the address says; raises NotFound, Forbidden, Unavailable."""
    register, description = worker.register(name)
    own = {key: value for key, value in register.belongs(worker.role, worker.org).items() if value}
    shown_filters = [each for each in description.filters if each.name not in own]
    raw = read(shown_filters, query)
    params = {key: _param(value) for key, value in to_json(shown_filters, raw).items()}
    after = str(query.get("after", ""))[:500]
    items, following = await _page(
        worker, register, params | {"limit": str(ROWS)} | ({"after": after} if after else {})
    )
    fields = _columns(description, register)
    await worker.shower.learn(description.shown, items)
    await worker.shower.learn_ids({
        each.source: {raw[each.name]["id"]} for each in shown_filters
        if isinstance(raw[each.name], Mapping) and raw[each.name]["id"]
    })  # fmt: skip
    drawing = Drawing(register.name, worker.words, worker.today, worker.declared.parties, worker.shower.name_of,
        office=worker.office)  # fmt: skip
    base = f"/work/{name}"
    return Listing(
        register=register,
        name=worker.words.register(name),
        columns=tuple(worker.words.label(name, each.name) for each in fields),
        rows=_rows(worker, register, description.shown, fields, items),
        filters=tuple(drawing.draw(shown_filters, raw)),
        filtered=bool(params),
        more=f"{base}?{urlencode({**params, 'after': following})}" if following else "",
        first=f"{base}?{urlencode(params)}" if after else "",
        exports=_exports(register, description, params),
        files=_files(register.service, register.list_files, description, "", worker.org),
        creates=description.create is not None and register.creates(worker.role),
        imports=description.imports is not None and register.brings_in(worker.role),
        new=worker.words.new(name),
        new_query=urlencode(params),
    )


async def brief(
    worker: Worker, name: str, params: Mapping[str, str], rows: int
) -> tuple[tuple[Row, ...], bool, tuple[Entry, ...]]:
    """The first rows of a register narrowed by `params`, whether there are more, and the entries themselves."""
    register, description = worker.register(name)
    items, following = await _page(worker, register, {**params, "limit": str(rows)})
    await worker.shower.learn(description.shown, items)
    fields = _columns(description, register)
    return _rows(worker, register, description.shown, fields, items), following is not None, tuple(items)


async def entry_of(worker: Worker, register: Declared, id_: str) -> Entry:
    """One entry; raises NotFound."""
    found: Entry = await worker.services.get(register.service, f"/v1/{register.name}/{segment(id_)}")
    return found


def actions(worker: Worker, register: Declared, description: Description, entry: Entry) -> list[Action]:
    """The steps offered to this reader on an entry in its present state: the declared ones first, in their order."""
    order = {name: number for number, name in enumerate(register.steps)}
    names = sorted(description.steps, key=lambda name: (order.get(name, len(order)), name))
    return [
        Action(name, worker.words.step(register.name, name), register.rule(name).careful)
        for name in names
        if register.offers(name, worker.role, entry, worker.org) and not register.rule(name).row
    ]


async def under(worker: Worker, register: Declared, entry: Entry) -> list[Listing]:
    """What stands under an entry in other registers, a few rows of each; a service that is away leaves its own out."""
    id_ = str(entry["id"])

    async def one(name: str, key: str) -> Listing | None:
        try:
            other, description = worker.register(name)
            if key not in {each.name for each in description.filters}:
                return None
            rows, more, _ = await brief(worker, name, {key: id_}, UNDER_ROWS)
        except (NotFound, Forbidden, Unavailable):
            return None
        return Listing(
            register=other,
            name=worker.words.register(name),
            columns=tuple(worker.words.label(name, each.name) for each in _columns(description, other)),
            rows=rows,
            more=f"/work/{name}?{urlencode({key: id_})}" if more else "",
            creates=description.create is not None and other.creates(worker.role),
            new=worker.words.new(name),
            new_query=urlencode({key: id_}),
        )

    found = await asyncio.gather(*(one(name, key) for name, key in register.under_of(entry)))
    return [each for each in found if each is not None]


async def parts(worker: Worker, register: Declared, description: Description, entry: Entry) -> list[Part]:
    """Lists under an entry beside what it says of itself: an institution's enrolments, an agreement's activities."""
    found = []
    for name in register.parts:
        if name not in description.parts:
            continue
        try:
            items = await part_items(worker, register, name, str(entry["id"]))
        except (NotFound, Forbidden, Unavailable):
            continue  # not for this reader, or away: the entry itself is shown all the same
        kind = worker.declared.register_of(name)
        linked = kind is not None and worker.described[name].read and worker.role in kind.readers
        columns = tuple(_seen(items))
        step = next((each for each in description.steps.values() if each.name.startswith(f"{name}-")), None)
        links = {}
        for item in items:
            id_ = str(item.get("id", ""))
            if step is not None and register.offers(step.name, worker.role, entry, worker.org):
                places = {place.name: str(item.get(place.name) or id_) for place in step.places}
                links[id_] = f"/work/{register.name}/{entry['id']}/{step.name}?{urlencode(places)}"
            elif linked:
                links[id_] = f"/work/{name}/{id_}"
        fields = worker.described[name].shown if kind is not None else ()
        rows = tuple(
            Row(
                str(item.get("id", "")),
                "",
                tuple((worker.words.label(name, each), _cell(worker, name, fields, each, item)) for each in columns),
            )
            for item in items
        )
        title = worker.words.register(name)
        found.append(Part(name, title, tuple(worker.words.label(name, each) for each in columns), rows, links))
    return found


async def part_items(worker: Worker, register: Declared, part: str, id_: str) -> list[dict[str, Any]]:
    """The items of a list under an entry."""
    return (await worker.services.page(register.service, f"/v1/{register.name}/{segment(id_)}/{part}", {}))[0]


def tone_of(register: Declared, entry: Entry) -> str:
    """How an entry's state looks."""
    return tone(str(entry.get(register.state, "")))


def files(register: Declared, description: Description, id_: str) -> tuple[tuple[str, str], ...]:
    """An entry's files: name and address."""
    return _files(register.service, register.files, description, id_)


def _files(
    service: str, declared: Sequence[str], description: Description, id_: str, org: str = ""
) -> tuple[tuple[str, str], ...]:
    known = {_plain(path) for path in description.paths}
    return tuple(
        (path.rsplit(".", 1)[-1].upper(), f"/api/{service}{path.replace('{id}', id_).replace('{org}', org)}")
        for path in declared
        if _plain(path) in known or _plain(path.rsplit(".", 1)[0] + ".{x}") in known
    )


def _plain(path: str) -> str:
    """A path with its places unnamed."""
    return "/".join(".".join("{}" if piece.startswith("{") else piece for piece in part.split("."))
                    for part in path.split("/"))  # fmt: skip


def _exports(register: Declared, description: Description, params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Addresses that give the whole list, narrowed in the same way, as a file."""
    base = f"/api/{register.service}"
    found: list[tuple[str, str]] = []
    for path in description.exports:
        if path.endswith("/export"):
            asked = [(each.upper(), urlencode({**params, "format": each})) for each in EXPORT_FORMATS]
            found += [(name, f"{base}{path}?{query}") for name, query in asked]
        else:
            found.append((path.rsplit(".", 1)[1].upper(), f"{base}{path}?{urlencode(params)}"))
    return tuple(found)


async def _page(
    worker: Worker, register: Declared, params: Mapping[str, str]
) -> tuple[list[dict[str, Any]], str | None]:
    return await worker.services.page(register.service, f"/v1/{register.name}", params)


def _columns(description: Description, register: Declared) -> list[Field]:
    by_name = {each.name: each for each in description.shown}
    return [by_name[name] for name in register.columns if name in by_name]


def _rows(
    worker: Worker, register: Declared, shown: Sequence[Field], fields: Sequence[Field], items: Sequence[Entry]
) -> tuple[Row, ...]:
    return tuple(
        Row(
            str(item["id"]),
            worker.shower.title(register, shown, item),
            tuple(
                (
                    worker.words.label(register.name, each.name),
                    _compact(worker, register, each, item),
                )
                for each in fields
            ),
            _of_another(worker, item),
        )
        for item in items
    )


def _of_another(worker: Worker, item: Entry) -> str:
    """The name of another institution whose entry this is, and whose work the reader's goes on with. Else nothing.

    Of institutions it sees its own and those; needs and offers of others stand in its lists, too.
    """
    owner = item.get("institution_id")
    followed = worker.role is Role.INSTITUTION and owner != worker.org and worker.shower.sees(INSTITUTIONS, str(owner))
    return worker.shower.name_of(INSTITUTIONS, str(owner)) if followed else ""


def _compact(worker: Worker, register: Declared, field: Field, item: Entry) -> Value:
    """A cell of a list: of a table only what its rows are called, or how many there are."""
    value = worker.shower.value(register.name, field, item.get(field.name), item)
    if not value.rows:
        return value
    columns = {each.name for each in field.fields}
    names = [name for name in ("ref", "enterprise_id", "opportunity") if name in columns]
    if not names:
        return Value(str(len(value.rows)))
    column = next(each for each in field.fields if each.name == names[0])
    rows = [row for row in item.get(field.name, ()) if row.get("category") != "institution"]
    return Value(items=tuple(worker.shower.value(register.name, column, row.get(names[0]), row) for row in rows))


def _seen(items: Sequence[Entry]) -> list[str]:
    """The fields that stand in any of the items, without those that say nothing."""
    skipped = ("id", "version", "institution_id", "agreement_id")
    return [name for name in dict.fromkeys(key for item in items for key in item) if name not in skipped]


def _cell(worker: Worker, register: str, fields: Sequence[Field], name: str, item: Entry) -> Value:
    field = next((each for each in fields if each.name == name), None)
    if field is not None:
        return worker.shower.value(register, field, item.get(name), item)
    return worker.shower.guessed(name, item.get(name))


def _param(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
