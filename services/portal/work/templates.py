"""Documents filled from templates: the fields and tables of the chosen template become fields of the form."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.portal.work import forms
from services.portal.work.api import segment
from services.portal.work.declaration import Declared
from services.portal.work.reader import Worker
from services.portal.work.schema import Field, Kind, Step
from services.portal.work.shown import references
from shared.errors import Forbidden, NotFound

PARTY_NAMES = "party_names"


async def choices(worker: Worker, register: Declared) -> list[tuple[str, str]]:
    """The templates to choose from: kind and title."""
    items, _ = await worker.services.page(register.service, f"/v1/{register.templates}", {})
    return [(str(each["kind"]), str(each["title"])) for each in items]


async def filled_in(worker: Worker, register: Declared, step: Step, kind: str, names: Mapping[str, str]) -> Step:
    """The step with the template's own fields and tables; `names` are the parties to be named, by key.

    Raises NotFound for a kind that has no template.
    """
    template = await worker.services.get(register.service, f"/v1/{register.templates}/{segment(kind)}")
    fields = tuple(_field(each) for each in template.get("fields", ()))
    tables = tuple(
        Field(
            each["name"],
            Kind.ROWS,
            required=bool(each.get("required")),
            label=each["label"],
            flat=True,
            fields=tuple(Field(column["name"], Kind.TEXT, label=column["label"]) for column in each["columns"]),
        )
        for each in template.get("tables", ())
    )
    parties = tuple(Field(key, Kind.TEXT, label=label) for key, label in names.items())
    known = {"fields": fields, "tables": tables, PARTY_NAMES: parties}
    body = tuple(
        replace(each, kind=Kind.GROUP, fields=known[each.name], default=None) if each.name in known else each
        for each in step.body or ()
        if known.get(each.name, True)
    )
    return replace(step, body=body)


def _field(told: Mapping[str, Any]) -> Field:
    # a day is entered as one; all else is printed as it was typed
    return Field(
        told["name"],
        Kind.DAY if told.get("type") == "date" else Kind.TEXT,
        required=bool(told.get("required")),
        label=told["label"],
    )


async def parties_of(worker: Worker, agreement_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """The parties of an agreement by key: what they are called on the form, and their names where they are known."""
    try:
        register, description = worker.register("agreements")
        agreement = await worker.services.get(register.service, f"/v1/agreements/{segment(agreement_id)}")
    except (NotFound, Forbidden):
        return {}, {}
    await worker.shower.learn_ids(references(description.shown, agreement, worker.declared.parties))
    labels: dict[str, str] = {}
    known: dict[str, str] = {}
    for party in agreement.get("parties", ()):
        key, category = str(party["party_id"]), str(party["category"])
        labels[key] = worker.words.code("PartyCategory", category)
        source = worker.declared.parties.get(category)
        if source:
            known[key] = worker.shower.name_of(source, str(party["ref"]))
    return labels, known


def named_in(data: forms.Sent, words: Mapping[str, str]) -> dict[str, str]:
    """The parties that a sent form names, by key."""
    start = f"{PARTY_NAMES}."
    keys = [str(name).removeprefix(start) for name in data.keys() if str(name).startswith(start)]  # noqa: SIM118 - a protocol, no mapping
    return {key: words.get(key, key) for key in dict.fromkeys(keys)}
