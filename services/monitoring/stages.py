"""Where an institution stands today: the stage reached, and each gate with its state, its dates and the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.monitoring.domain.gates import EVIDENCE, GATES, Gate, State
from services.monitoring.domain.parts import LAST_DAY, Contributions
from services.monitoring.domain.readings import GATE_KINDS, KIND_NAMES, SOURCE_OF_KIND
from services.monitoring.domain.stage_indicators import EVIDENCE_KINDS, shown_evidence
from services.monitoring.domain.standing import Own, counts_on, gate_series, stage_of
from services.monitoring.engine import NOBODY
from services.monitoring.tables import contributions_from, pairs_from

MOST = 50
"""Pieces of evidence named per gate, those that hold longest first."""

_OWN = "select kind, own from aggregate where place = $1 and kind = any($2::smallint[])"
_EVIDENCE = """
    select kind, id::text, contributions from aggregate where place = $1 and kind = any($2::smallint[])
    order by kind, id
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """One aggregate's evidence: from its first day up to, not including, its last (None: no end is known)."""

    service: str
    aggregate: str
    id: str
    evidence: str
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gate asks for: any of the alternatives, with how many there are and how many it takes."""

    alternatives: tuple[tuple[str, int, int], ...]
    answered: bool


@dataclass(frozen=True, slots=True)
class Stand:
    """An institution at one gate: `lapses_on` is the day on which it ceases to be met if nothing is done."""

    gate: Gate
    state: State
    since: date | None
    lapses_on: date | None
    asks: tuple[Asked, ...]
    evidence: tuple[Piece, ...]


async def standing(connection: Any, place: int, code: str, today: date) -> tuple[int, list[Stand]]:
    """The stage reached today by the institution of that place and code, and how it stands at every gate."""
    own = {
        kind: pairs_from(stored) if stored else {} for kind, stored in await connection.fetch(_OWN, place, _GATE_KINDS)
    }
    pieces: dict[str, list[Piece]] = {name: [] for name in _SHOWN}
    for kind, id_, stored in await connection.fetch(_EVIDENCE, place, _EVIDENCE_KINDS):
        for piece in _pieces(kind, code if id_ == NOBODY else id_, contributions_from(stored), today):
            pieces[piece.evidence].append(piece)
    found = [_stand(gate, own.get(GATE_KINDS[gate.code], {}), pieces, today) for gate in GATES.values()]
    return stage_of({each.gate.code for each in found if each.state is State.MET}), found


def _stand(gate: Gate, own: Own, pieces: Mapping[str, list[Piece]], today: date) -> Stand:
    state, since, lapses = State.MISSING, None, None
    for day, each in gate_series(gate, own):
        if day <= today.toordinal():
            state, since = each, date.fromordinal(day)
        elif state is State.MET and day <= LAST_DAY:
            lapses = date.fromordinal(day)
            break
    counts = counts_on(own, today.toordinal())
    asks = []
    for ask in gate.asks if not gate.by_category else ():
        alternatives = tuple((name, counts.get(EVIDENCE[name], 0), least) for name, least in ask.alternatives)
        # Of answers to questionnaires no more is told than whether there are enough.
        shown = tuple((n, (have if n in _SHOWN else least * (have >= least)), least) for n, have, least in alternatives)
        asks.append(Asked(shown, any(have >= least for _, have, least in alternatives)))
    evidence = [piece for name in shown_evidence(gate) for piece in pieces[name]]
    evidence.sort(key=lambda piece: (-(piece.until or date.max).toordinal(), piece.evidence, piece.id))
    return Stand(gate, state, since, lapses, tuple(asks), tuple(evidence[:MOST]))


def _pieces(kind: int, id_: str, contributed: Contributions, today: date) -> Sequence[Piece]:
    """The evidence that an aggregate contributes today."""
    changes: dict[int, list[tuple[int, int]]] = {}
    for (code, day, _), amount in contributed.items():
        if code in EVIDENCE_KINDS and kind in EVIDENCE_KINDS[code]:
            changes.setdefault(code, []).append((day, amount))
    found = []
    for code, dated in changes.items():
        held, since, until = 0, None, None
        for day, amount in sorted(dated):
            if day > today.toordinal():
                if held > 0 and held + amount <= 0:
                    until = day
                    break
                if held <= 0:
                    break
            elif held <= 0 < held + amount:
                since = day
            held += amount
        if held > 0 and since is not None:
            found.append(
                Piece(
                    SOURCE_OF_KIND[kind],
                    KIND_NAMES[kind],
                    id_,
                    _NAMES[code],
                    date.fromordinal(since),
                    date.fromordinal(until) if until is not None and until <= LAST_DAY else None,
                )
            )
    return found


_NAMES = {code: name for name, code in EVIDENCE.items()}
_SHOWN = frozenset(name for gate in GATES.values() for name in shown_evidence(gate))
_GATE_KINDS = sorted(GATE_KINDS.values())
_EVIDENCE_KINDS = sorted({kind for kinds in EVIDENCE_KINDS.values() for kind in kinds})
