"""The desk: where the institution stands in the method, what waits, what to do next."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from services.portal.work import registers
from services.portal.work.api import segment
from services.portal.work.declaration import Waiting
from services.portal.work.reader import Worker
from services.portal.work.registers import Row
from services.portal.work.words import named
from shared import i18n
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang
from shared.scope import Role

ROWS = 5
DUE_ROWS = 200
EVIDENCE = 4
"""Pieces of evidence shown beside a gate."""


@dataclass(frozen=True, slots=True)
class Heap:
    """A list of what waits; `away` where its service did not answer."""

    waiting: Waiting
    title: str
    rows: tuple[Row, ...] = ()
    more: bool = False
    href: str = ""
    away: bool = False

    @property
    def busy(self) -> bool:
        """True if there is something to look at."""
        return bool(self.rows) or self.away


@dataclass(frozen=True, slots=True)
class Gate:
    """A result of the method (R1–R13) as monitoring computes it; `state` "" where it is not known."""

    code: str
    name: str
    state: str = ""
    since: str = ""
    lapses: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    next: str = ""
    next_label: str = ""
    register: str = ""
    help: str = ""
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageShown:
    """A stage with its gates and the registers that belong to it."""

    name: str
    title: str
    lead: str
    gates: tuple[Gate, ...]
    registers: tuple[tuple[str, str], ...]
    reached: bool = False

    @property
    def met(self) -> int:
        """How many of its results are met."""
        return sum(gate.state == "met" for gate in self.gates)


async def heaps(worker: Worker) -> list[Heap]:
    """What waits for this reader, in the declared order; registers that no service has yet are left out."""
    wanted = [each for each in worker.declared.desk if worker.role in each.roles]
    found = await asyncio.gather(*(_heap(worker, each) for each in wanted))
    return [each for each in found if each is not None]


async def _heap(worker: Worker, waiting: Waiting) -> Heap | None:
    title = worker.words.text(f"desk.{waiting.name}")
    filters = {name: worker.org if value == "@org" else value for name, value in waiting.filters.items()}
    href = f"/work/{waiting.register_}?{urlencode(filters)}"
    try:
        limit = DUE_ROWS if waiting.due or waiting.missing or waiting.party else ROWS
        rows, more, entries = await registers.brief(worker, waiting.register_, filters, limit)
    except (NotFound, Forbidden):
        return None
    except Unavailable:
        return Heap(waiting, title, away=True, href=href)
    if waiting.due:
        last = (worker.today + timedelta(days=waiting.due.days)).isoformat()
        kept = [row for row, entry in zip(rows, entries, strict=True) if str(entry.get(waiting.due.field)) <= last]
    elif waiting.missing:
        kept = [row for row, entry in zip(rows, entries, strict=True) if not entry.get(waiting.missing)]
    elif waiting.party:
        kept = [row for row, entry in zip(rows, entries, strict=True) if _awaits(worker, waiting.party, entry)]
    else:
        return Heap(waiting, title, rows, more, href)
    return Heap(waiting, title, tuple(kept[:ROWS]), len(kept) > ROWS, href)


def _awaits(worker: Worker, what: str, entry: Mapping[str, Any]) -> bool:
    """True if the reader's own party has not signed yet, or not agreed to the amendment that awaits it."""
    own = [party for party in entry.get("parties") or () if worker.signs_for(entry, party)]
    if what == "signature":
        return any(not party.get("signature") for party in own)
    awaited = (entry.get("pending") or {}).get("awaits") or ()
    return any(party.get("party_id") in awaited for party in own)


async def advice(worker: Worker) -> list[Mapping[str, Any]]:
    """What the rules recommend at the reader's own place, the most pressing first; none where nobody can say."""
    try:
        items, _ = await worker.services.page("monitoring", "/v1/recommendations", {"limit": str(ROWS)})
    except (NotFound, Forbidden, Unavailable):
        return []
    return list(items)


async def stages(worker: Worker) -> tuple[list[StageShown], bool]:
    """The stages with gates and registers, and whether monitoring could say where the institution stands."""
    told: Mapping[str, Mapping[str, Any]] = {}
    reached: frozenset[str] = frozenset()
    known = False
    if worker.role is Role.INSTITUTION:
        try:
            body = await worker.services.get("monitoring", f"/v1/institutions/{segment(worker.org)}/stage")
        except (NotFound, Forbidden, Unavailable):
            pass
        else:
            told, reached, known = _gates_of(body), _reached(worker, body), True
    return [_stage(worker, name, told, name in reached) for name in worker.declared.stages], known


def _stage(worker: Worker, name: str, told: Mapping[str, Mapping[str, Any]], reached: bool) -> StageShown:
    words = worker.words
    codes = worker.declared.gate_stages.get(name, ()) if worker.role is Role.INSTITUTION else ()
    return StageShown(
        name=name,
        title=words.text(f"stage.{name}.title"),
        lead=words.text(f"stage.{name}.lead"),
        gates=tuple(_gate(worker, code, told.get(code, {})) for code in codes),
        registers=tuple(
            (each.name, words.register(each.name))
            for each in worker.registers()
            if each.stage == name and worker.described[each.name].listed
        ),
        reached=reached,
    )


def _gate(worker: Worker, code: str, told: Mapping[str, Any]) -> Gate:
    register = worker.declared.gates.get(code, "")
    state = str(told.get("state", ""))
    described = worker.described.get(register)
    offered = described is not None and (described.listed or described.read)
    href = ""
    declared = worker.declared.register_of(register)
    if offered and declared is not None and described is not None:
        if register == "institutions":
            href = f"/work/institutions/{worker.org}/programmes"
        elif described.create is not None and declared.creates(worker.role):
            href = f"/work/{register}/new"
    return Gate(
        code=code,
        name=str(told.get("name") or worker.words.text(f"gate.{code}")),
        help=str(told.get("help", "")),
        lacking=tuple(_lacking(worker, told.get("asks"))) if state != "met" else (),
        state=state,
        since=_day(worker, told.get("since")),
        lapses=_day(worker, told.get("lapses_on")),
        evidence=tuple(_evidence(worker, told.get("evidence"))),
        next=href if state != "met" else "",
        next_label=worker.words.new(register)
        if register != "institutions"
        else worker.words.step(register, "programmes"),
        register=register if offered else "",
    )


def _evidence(worker: Worker, told: Any) -> list[tuple[str, str]]:
    """What shows that a result is met: words and, where it is an entry one may open, its address."""
    found: list[tuple[str, str]] = []
    for each in told if isinstance(told, list) else ():
        register = _register_of(worker, str(each.get("aggregate", "")))
        href = f"/work/{register}/{each.get('id')}" if register and register != "institutions" else ""
        found.append((str(each.get("name", "")), href))
    return list(dict.fromkeys(found))[:EVIDENCE]


def _register_of(worker: Worker, aggregate: str) -> str:
    """The register that an aggregate stands in: "activity" in activities, "work_plan" in work-plans."""
    name = aggregate.replace("_", "-")
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    register = worker.declared.register_of(plural)
    return plural if register is not None and worker.role in register.readers else ""


def _lacking(worker: Worker, told: Any) -> list[str]:
    """What a gate still asks for, with how much of it there is."""
    found = []
    for asked in told if isinstance(told, list) else ():
        if asked.get("answered"):
            continue
        ways = [
            worker.words.text("desk.lacking", name=way.get("name"), found=way.get("found"), needed=way.get("needed"))
            for way in asked.get("any_of", ())
        ]
        found.append(worker.words.text("desk.or").join(ways))
    return found


def _gates_of(body: Any) -> dict[str, Mapping[str, Any]]:
    """Gates by code."""
    gates = body.get("gates") if isinstance(body, Mapping) else None
    return {str(gate.get("code")): gate for gate in gates or () if isinstance(gate, Mapping)}


def _reached(worker: Worker, body: Any) -> frozenset[str]:
    """The stages all of whose results, and those of the stages before, are met."""
    stage = body.get("stage") if isinstance(body, Mapping) else 0
    return frozenset(tuple(worker.declared.gate_stages)[:stage] if isinstance(stage, int) else ())


def _day(worker: Worker, value: Any) -> str:
    try:
        return i18n.day(date.fromisoformat(str(value)[:10]), worker.words.lang) if value else ""
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Match:
    """A partner that would fit, where it is, and why it stands at this rank."""

    id: str
    name: str
    place: str
    href: str
    score: str
    reasons: tuple[str, ...]


async def matches(worker: Worker, id_: str) -> list[Match] | None:
    """Ranked partners for an institution or an enterprise with the reasons of each; None where nobody ranks them.

    Raises Unavailable.
    """
    own, other = ("enterprises", "institution") if worker.role is Role.ENTERPRISE else ("institutions", "enterprise")
    try:
        items, _ = await worker.services.page("partners", f"/v1/{own}/{segment(id_)}/matches", {"limit": "20"})
    except (NotFound, Forbidden):
        return None
    lang = worker.words.lang
    return [
        Match(
            id=str(item[other]["id"]),
            name=str(item[other]["name"]),
            place=named("district", str(item[other]["district"]), lang),
            href=f"/work/enterprises/{item[other]['id']}" if other == "enterprise" else "",
            score=i18n.number(item["score"], lang, 2),
            reasons=tuple(_reason(each, lang) for each in item["reasons"]),
        )
        for item in items
    ]


def _reason(told: Mapping[str, Any], lang: Lang) -> str:
    """A reason in words, with the points it gives."""
    return f"{told['text']} (+{i18n.number(told['points'], lang, 2)})"
