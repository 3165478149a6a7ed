"""Forms that carry out a step: shown, changed by their own buttons, sent, and shown again with what the service said.

Nothing typed is lost: every answer but success shows the form as it was sent. The Idempotency-Key is made when the form
is first shown and stays with it, so that sending it twice counts once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from services.portal.work import forms, registers, templates
from services.portal.work.api import Answer
from services.portal.work.controls import Control, Drawing, every_control, inside_of, mark_errors
from services.portal.work.declaration import PARTIES, Declared
from services.portal.work.forms import SEARCH, Raw
from services.portal.work.reader import Worker
from services.portal.work.schema import Description, Field, Kind, Step, every
from services.portal.work.shown import HIDDEN, Entry, Value
from shared.errors import Forbidden, NotFound, Unavailable
from shared.ids import new_id

AT = "_at."
"""Before the names of fields that stand in a step's address."""
FOUND_ROWS = 12
TODAY = frozenset({"since", "valid_from", "in_force_from"})
LATER = frozenset({"due_on", "expires_on", "planned_on", "ends_on", "starts_on"})
"""Days that lie ahead: today is no sensible default for them."""
SEEN_LIMIT = 100_000


@dataclass(slots=True)
class Form:
    """A form as it stands on the page."""

    register: Declared
    description: Description
    step: Step
    id: str
    entry: Entry | None
    raw: Raw
    places: Raw
    key: str
    version: str = ""
    seen: str = ""
    fixed: frozenset[str] = frozenset()
    found: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    status: int = 200
    problem: Mapping[str, str] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    possible: Sequence[registers.Action] = ()
    changes: Sequence[tuple[str, Value, Value]] = ()
    focus: str = ""

    @property
    def body(self) -> tuple[Field, ...]:
        """The fields of the command."""
        return self.step.body or ()

    @property
    def address(self) -> str:
        """Where the form stands and is sent to."""
        base = f"/work/{self.register.name}"
        return f"{base}/{self.id}/{self.step.name}" if self.id else f"{base}/new"


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was carried out: the entry it changed or made, or what is shown only once."""

    register: str
    id: str
    reveals: tuple[tuple[str, str], ...] = ()


def step_of(worker: Worker, name: str, step: str) -> tuple[Declared, Description, Step]:
    """A register's step; raises NotFound where there is none, Forbidden where it is not for this reader."""
    register, description = worker.register(name)
    found = description.steps.get(step) if step else description.create
    if found is None:
        raise NotFound
    roles = register.writers if register.rule(step).roles is None else register.rule(step).roles
    if not (worker.role in (roles or ()) if step else register.creates(worker.role)):
        raise Forbidden
    return register, description, found


async def fresh(worker: Worker, name: str, step_name: str, id_: str, query: Mapping[str, str]) -> Form:
    """The form as it is first shown: what is known is filled in, what stands in the address too."""
    register, description, step = step_of(worker, name, step_name)
    entry = await registers.entry_of(worker, register, id_) if id_ else None
    query = {register.called.get(name, name): value for name, value in query.items()}
    names: dict[str, str] = {}
    if register.templates and not id_:
        labels, names = (
            await templates.parties_of(worker, query["agreement_id"]) if query.get("agreement_id") else ({}, {})
        )
        step = await templates.filled_in(worker, register, step, query.get("kind", ""), labels)
    own = register.belongs(worker.role, worker.org)
    given: dict[str, Any] = {}
    if entry is not None:
        if step.method in ("PATCH", "PUT"):
            given = {each.name: entry.get(each.name) for each in step.body or ()}
        given |= {each: entry.get(source) for each, source in register.rule(step_name).fill.items()}
        given |= await _of_part(worker, register, description, step, id_, query)
    else:
        given = {name: worker.org if value == "@org" else value for name, value in register.start.items()}
        given |= {each.name: query[each.name] for each in step.body or () if query.get(each.name)}
        given = _own_party(worker, given) | ({templates.PARTY_NAMES: names} if names else {})
    given = {key: value for key, value in given.items() if value is not None}
    asked = {each.name for each in step.body or ()}
    known = {key: value for key, value in own.items() if key in asked} if entry is None else {}
    if register.templates and entry is None:
        known |= {"kind": query.get("kind", "")}
        given |= {"language": str(worker.words.lang)}
    form = Form(
        register=register,
        description=description,
        step=step,
        id=id_,
        entry=entry,
        raw=forms.started(step.body or (), _days(step.body or (), worker) | given | known),
        places=forms.started(step.places, {each.name: query.get(each.name) for each in step.places}),
        key=str(new_id()),
        version=str(entry.get("version", "")) if entry else "",
        seen=json.dumps(entry, ensure_ascii=False) if entry else "",
        fixed=frozenset(known),
    )
    _own_signature(worker, form)
    return await _with_lists(worker, form)


async def sent(worker: Worker, name: str, step_name: str, id_: str, data: forms.Sent, *, ask: bool = True) -> Form:
    """The form as it was sent; `ask` says whether services may be asked on the reader's behalf."""
    if ask:
        register, description, step = step_of(worker, name, step_name)
    else:
        found = worker.declared.register_of(name)
        described = worker.described.get(name, Description())
        step_ = described.steps.get(step_name) if step_name else described.create
        if found is None or step_ is None:
            raise NotFound
        register, description, step = found, described, step_
    if register.templates and not id_ and ask:
        parties, _ = (
            await templates.parties_of(worker, _one(data, "agreement_id")) if _one(data, "agreement_id") else ({}, {})
        )
        step = await templates.filled_in(
            worker, register, step, _one(data, "kind"), templates.named_in(data, parties) or parties
        )
    seen = _one(data, "_seen")[:SEEN_LIMIT]
    body = step.body or ()
    return Form(
        register=register,
        description=description,
        step=step,
        id=id_,
        entry=_entry_of(seen),
        raw=forms.read(body, data),
        places=forms.read(step.places, data, AT),
        key=_one(data, "_key")[:64] or str(new_id()),
        version=_one(data, "_version")[:10],
        seen=seen,
        fixed=frozenset(_one(data, "_fixed").split()) & {each.name for each in body},
    )


async def changed(worker: Worker, form: Form, action: str) -> Form:
    """The form after one of its own buttons: a row more or less, entries found."""
    if action.startswith(SEARCH):
        path = action.removeprefix(SEARCH)
        await _search(worker, form, path)
        form.focus = path
    else:
        form.raw = forms.change_rows(form.body, form.raw, action)
        form.focus = action.partition(":")[2]
    return await _with_lists(worker, form)


async def carry_out(worker: Worker, form: Form) -> Form | Done:
    """Send the command; Done, or the form with what stands in the way."""
    form.raw = forms.without_blank_rows(form.body, form.raw)
    if unresolved := _unresolved(worker, form):
        for path in unresolved:
            await _search(worker, form, path)
        form.status, form.focus = 422, unresolved[0]
        form.errors = [
            {"field": path, "message": worker.words.text("work.choose_found"), "remedy": ""} for path in unresolved
        ]
        form.problem = {"title": worker.words.text("work.check"), "detail": "", "remedy": ""}
        return await _with_lists(worker, form)
    command = forms.to_json(form.body, form.raw)
    at = [str(value) for value in forms.to_json(form.step.places, form.places).values()]
    if len(at) < len(form.step.places):
        form.status = 422
        missing = [each.name for each in form.step.places if not form.places.get(each.name)]
        form.errors = [
            {"field": AT + each, "message": worker.words.text("work.choose_one"), "remedy": ""} for each in missing
        ]
        form.problem = {"title": worker.words.text("work.check"), "detail": "", "remedy": ""}
        return await _with_lists(worker, form)
    places = ([form.id] if form.id else []) + at
    answer = await worker.services.send(form.register.service, form.step, places, command, form.key, form.version)
    if answer.done:
        return _done(worker, form, answer)
    return await _refused(worker, form, answer)


def _done(worker: Worker, form: Form, answer: Answer) -> Done:
    if form.id:
        worker.services.forget(form.register.name, form.id)
    rule = form.register.rule(form.step.name)
    names = rule.reveals if form.step.name else form.register.reveals
    reveals = tuple((name, str(answer.body[name])) for name in names if answer.body.get(name))
    made = str(answer.body.get("id", "")) if not form.id else ""
    return Done(form.register.name, made or form.id, reveals)


async def _refused(worker: Worker, form: Form, answer: Answer) -> Form:
    form.status = answer.status
    form.problem = _said(worker, answer)
    form.errors = [
        {**error, "field": AT + str(error.get("field"))} if error.get("field") in form.places else error
        for error in answer.body.get("errors", ())
        if isinstance(error, Mapping)
    ]
    if answer.status in (409, 412) and form.id:
        await _compare(worker, form)
    return await _with_lists(worker, form)


def _said(worker: Worker, answer: Answer) -> dict[str, str]:
    """What the service says is wrong; in our words where it said nothing."""
    if not answer.body.get("title"):
        return {part: worker.words.text(f"work.away.{part}") for part in ("title", "detail", "remedy")}
    if answer.code == "version-mismatch":
        return {part: worker.words.text(f"work.changed.{part}") for part in ("title", "detail", "remedy")}
    if answer.code == "idempotency-key-reused":
        return {part: worker.words.text(f"work.twice.{part}") for part in ("title", "detail", "remedy")}
    return {part: str(answer.body.get(part, "")) for part in ("title", "detail", "remedy")}


async def _compare(worker: Worker, form: Form) -> None:
    """What changed since the form was shown, and what is possible now; the form goes on with the present version."""
    try:
        now = await registers.entry_of(worker, form.register, form.id)
    except (NotFound, Forbidden, Unavailable):
        return
    before = form.entry or {}
    shown = [each for each in form.description.shown if each.name not in HIDDEN]
    await worker.shower.learn(shown, [before, now])
    name = form.register.name
    form.changes = [
        (
            worker.words.label(name, each.name),
            worker.shower.value(name, each, before.get(each.name), before),
            worker.shower.value(name, each, now.get(each.name), now),
        )
        for each in shown
        if before.get(each.name) != now.get(each.name)
    ]
    form.possible = registers.actions(worker, form.register, form.description, now)
    form.entry, form.seen = now, json.dumps(now, ensure_ascii=False)
    form.version = str(now.get("version", ""))


def drawn(worker: Worker, form: Form) -> tuple[list[Control], list[Control], list[dict[str, str]]]:
    """The controls of the address, those of the command, and the summary of what is wrong."""
    name = form.register.name
    entry, rule = form.entry or {}, form.register.rule(form.step.name)
    inside = inside_of(
        entry,
        lambda list_, item: _inside_name(worker, form, list_, item),
        lambda list_, item: rule.takes(entry, list_, item, worker.role, worker.org),
    )
    drawing = Drawing(
        name,
        worker.words,
        worker.today,
        worker.declared.parties,
        worker.shower.name_of,
        inside=inside,
        fixed=form.fixed,
        found=form.found,
        office=worker.office,
    )
    body = drawing.draw(_keyed_inside(form.body, inside), form.raw)
    at = drawing.draw(_keyed_inside(form.step.places, inside), form.places, AT)
    summary = mark_errors([*at, *body], form.errors)
    return at, body, summary


def _keyed_inside(fields: Sequence[Field], inside: Mapping[str, Any]) -> list[Field]:
    """A field with the name of a key inside the entry ("party_id") is chosen from what is there."""
    return [
        replace(each, kind=Kind.INSIDE, source=each.name) if each.kind is Kind.TEXT and inside.get(each.name) else each
        for each in fields
    ]


def _inside_name(worker: Worker, form: Form, list_: str, item: Mapping[str, Any]) -> str:
    """What a thing inside an entry is called: its words and days, without its key and what hangs on it."""
    field_ = next((each for each in every(form.description.shown) if each.name == list_), None)
    if field_ is None:
        return next((str(value) for value in item.values()), "")
    name = form.register.name
    told = worker.shower.told(name, field_.fields, item)
    return " · ".join(told[:4]) or str(next(iter(item.values()), ""))


async def _with_lists(worker: Worker, form: Form) -> Form:
    """Names of what is chosen, and short lists to choose from where nothing has to be looked for."""
    wanted: dict[str, set[str]] = {}
    for path, source, value in _pickers(worker, form):
        if value.get("id"):
            wanted.setdefault(source, set()).add(value["id"])
        elif path not in form.found and not _searchable(worker, source):
            try:
                form.found[path] = await look_for(worker, source, value.get("find", ""), form.register.name)
            except (Unavailable, Forbidden, NotFound):
                continue
    if form.entry is not None:
        await worker.shower.learn(form.description.shown, [form.entry])
    await worker.shower.learn_ids(wanted)
    return form


def _pickers(worker: Worker, form: Form) -> list[tuple[str, str, dict[str, str]]]:
    """All fields that name an entry: path, register, and what was chosen."""
    drawing = Drawing(form.register.name, worker.words, worker.today, worker.declared.parties, lambda _, id_: id_)
    return [
        (control.path, control.source, {"id": control.value, "find": control.find})
        for control in every_control(drawing.draw(form.body, form.raw))
        if control.kind in (Kind.REFERENCE, Kind.PARTY) and control.source and control.path not in form.fixed
    ]


def _unresolved(worker: Worker, form: Form) -> list[str]:
    """Pickers in which something was typed and nothing chosen."""
    return [path for path, _, value in _pickers(worker, form) if value["find"] and not value["id"]]


def _searchable(worker: Worker, register: str) -> bool:
    return any(each.name == "q" for each in worker.described.get(register, Description()).filters)


async def _search(worker: Worker, form: Form, path: str) -> None:
    for found, source, value in _pickers(worker, form):
        if found == path:
            form.found[path] = await look_for(worker, source, value["find"], form.register.name)


async def look_for(worker: Worker, name: str, typed: str, below: str) -> list[tuple[str, str]]:
    """Entries of a register that fit what was typed, with what they are called; raises NotFound, Unavailable.

    `below`: only those under which an entry of that register may stand.
    """
    register, description = worker.register(name)
    searchable = _searchable(worker, name)
    params = {"q": typed[:100]} if searchable and typed else {}
    filters = {each.name for each in description.filters}
    params |= {key: value for key, value in register.under_when.get(below, {}).items() if key in filters}
    limit = FOUND_ROWS if searchable else 100
    items, _ = await worker.services.page(register.service, f"/v1/{name}", {**params, "limit": str(limit)})
    await worker.shower.learn(description.shown, items)
    named = [(str(item["id"]), _called(worker, register, description, item)) for item in items]
    if searchable:
        return named
    return [(id_, text) for id_, text in named if typed.casefold() in text.casefold()][:FOUND_ROWS]


def _called(worker: Worker, register: Declared, description: Description, item: Entry) -> str:
    """An entry's title, with what tells it from others of the same name."""
    extra = [str(item[name]) for name in ("stir", "code") if item.get(name)]
    if not extra:
        extra = [worker.words.code("", str(item[name])) for name in (register.state,) if name and item.get(name)]
    return " · ".join([worker.shower.title(register, description.shown, item), *extra])


def _own_party(worker: Worker, given: dict[str, Any]) -> dict[str, Any]:
    """The reader's own organisation among the parties."""
    parties = given.get("parties")
    if not isinstance(parties, (list, tuple)):
        return given
    return given | {
        "parties": [
            {**each, "ref": worker.org} if each.get("category") == worker.role else dict(each) for each in parties
        ]
    }


def _days(fields: Sequence[Field], worker: Worker) -> dict[str, str]:
    """Today where a day is asked for that is usually today."""
    return {
        each.name: worker.today.isoformat()
        for each in fields
        if each.kind is Kind.DAY
        and each.required
        and (each.name in TODAY or each.name.endswith("_on"))
        and each.name not in LATER
    }


def _own_signature(worker: Worker, form: Form) -> None:
    """One signs for one's own party, by this form; for others only what they signed on paper is recorded."""
    parties = (form.entry or {}).get(PARTIES)
    if not isinstance(parties, list) or not {"party_id", "kind"} <= form.raw.keys():
        return
    entry, rule = form.entry or {}, form.register.rule(form.step.name)
    open_ = [each for each in parties if rule.takes(entry, PARTIES, each, worker.role, worker.org)]
    own = [each for each in open_ if worker.signs_for(entry, each)]
    if own or len(open_) == 1:
        form.raw["party_id"] = str((own or open_)[0].get("party_id", ""))
        form.raw["kind"] = "electronic" if own else "paper"


async def _of_part(
    worker: Worker, register: Declared, description: Description, step: Step, id_: str, query: Mapping[str, str]
) -> dict[str, Any]:
    """What is known already of the thing whose address the step changes: a year's figures, a term's results."""
    part = next((each for each in description.parts if step.name.startswith(f"{each}-")), "")
    asked = {each.name: query.get(each.name) for each in step.places if query.get(each.name)}
    if not asked or not part:
        return {}
    for item in await registers.part_items(worker, register, part, id_):
        if all(str(item.get(name)) == value for name, value in asked.items()):
            return {each.name: item.get(each.name) for each in step.body or ()}
    return {}


def _one(data: forms.Sent, name: str) -> str:
    values = data.getlist(name)
    return str(values[0]) if values else ""


def _entry_of(seen: str) -> Entry | None:
    try:
        entry = json.loads(seen) if seen else None
    except ValueError:
        return None
    return entry if _is_entry(entry) else None


def _is_entry(value: Any) -> TypeGuard[Entry]:
    return isinstance(value, dict)
