"""References follow an entry that was merged into another, and come back when the merge was a mistake.

A service says in functions how its aggregates come to name another entry (`Follow`). What a merge changed by them is
kept in a journal, so that undoing it gives back exactly that: not what has been made since, nor what somebody has
changed by hand meanwhile.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from shared.contracts.events import REGISTRY, Recorded
from shared.persistence.aggregates import AggregateRow
from shared.persistence.unit_of_work import Change, UnitOfWork

Follow = Callable[[UnitOfWork, str, str], Awaitable[None]]
"""`follow(uow, old, new)`: every aggregate of one kind that names `old` names `new` from now on."""
LivingEnd = Callable[[UnitOfWork, str], Awaitable[str]]
"""The end of the chain of merges that begins at an id."""
Path = tuple[str | int, ...]

_NOTE = text(
    "insert into followed (merged, living, kind, id, key, aggregate, twin, changes) "
    "values (:merged, :living, :kind, :id, :key, :aggregate, :twin, cast(:changes as jsonb))"
)
# What later merges did to the same aggregate happened to it because it had come along: it is undone first.
_TAKE = text(
    "delete from followed where nr in (select later.nr from followed first join followed later "
    "on later.kind = first.kind and later.id = first.id and later.nr >= first.nr where first.nr = any(:numbers)) "
    "returning nr, living, kind, id, key, merged, aggregate, changes"
)


def rows_of(base: type[AggregateRow]) -> dict[str, type[AggregateRow]]:
    """The rows of a service by the name of their table; `base` is what they all derive from."""
    rows = {str(base.__tablename__): base} if "__table__" in vars(base) else {}
    for below in base.__subclasses__():
        rows |= rows_of(below)
    return rows


@dataclass(frozen=True, slots=True)
class Following:
    """How one service's references follow: its functions, its rows by table name, and the chain of merges."""

    followers: Sequence[Follow]
    rows: Mapping[str, type[AggregateRow]]
    living_end: LivingEnd

    async def merge(self, uow: UnitOfWork, merged: str) -> None:
        """Let everything that names `merged` name the end of its chain; note what that changed."""
        living = await self.living_end(uow, merged)
        if living == merged:
            return
        recorded = len(uow.recorded)
        with uow.watching() as changes:
            for follow in self.followers:
                await follow(uow, merged, living)
        told = {(type(each.state), each.state.id): each for each in uow.recorded[recorded:]}
        for change in changes:
            await _note(uow, (merged, living), change, told[change.row_type.STATE, change.id])

    async def unmerge(self, uow: UnitOfWork, merged: str) -> None:
        """Give back what the merge of `merged` changed; it is no longer merged in the chain already."""
        ends = await self._undo(uow, await _numbers(uow, "merged = :id", merged))
        for end in sorted(ends):
            await self._settle(uow, end)

    async def _settle(self, uow: UnitOfWork, end: str) -> None:
        """What other merges brought to a former end stays there only where their own chain still leads.

        Two entries of the same thing that became one because of them are weighed anew: the other may be gone again.
        """
        others = await uow.session.execute(
            text("select distinct merged from followed where living = :end order by merged"), {"end": end}
        )
        for other in others.scalars().all():
            strayed = await self.living_end(uow, other) != end
            condition = "merged = :id and living = :end" + ("" if strayed else " and twin")
            numbers = await _numbers(uow, condition, other, end=end)
            if numbers:
                await self._undo(uow, numbers)
                await self.merge(uow, other)

    async def _undo(self, uow: UnitOfWork, numbers: Sequence[int]) -> set[str]:
        """Undo these notes and the later ones of the same aggregates; returns the ends they had come to."""
        notes = (await uow.session.execute(_TAKE, {"numbers": list(numbers)})).all()
        by_aggregate: dict[tuple[str, str], list[Row[Any]]] = {}
        for note in sorted(notes, key=lambda note: -note.nr):
            by_aggregate.setdefault((note.kind, note.id), []).append(note)
        for (kind, id_), undone in sorted(by_aggregate.items()):
            await self._restore(uow, self.rows[kind], id_, undone)
        return {note.living for note in notes}

    async def _restore(self, uow: UnitOfWork, row_type: type[AggregateRow], id_: str, notes: list[Row[Any]]) -> None:
        first = notes[-1]
        state = await uow.load(row_type, row_type.STATE, id_, what=first.aggregate)
        content = state.model_dump(mode="json")
        changes = [change for note in notes for change in note.changes]
        if not sum([_put_back(content, tuple(path), before, after) for path, before, after in changes]):
            return  # somebody else has changed all of it since
        row = await uow.session.get_one(row_type, id_)
        event_type = REGISTRY[f"hamkor.{uow.service}.{first.aggregate}.reassigned.v1"]
        restored = row_type.STATE.model_validate({**content, "version": state.version + 1})
        await uow.record(row_type, event_type, restored, key=first.key, org_path=row.org_path)


async def _numbers(uow: UnitOfWork, condition: str, id_: str, **more: str) -> list[int]:
    query = text(f"select nr from followed where {condition}")  # noqa: S608 - constants
    return list((await uow.session.execute(query, {"id": id_, **more})).scalars())


async def _note(uow: UnitOfWork, merge: tuple[str, str], change: Change, told: Recorded) -> None:
    merged, living = merge
    changes = _differences(change.before, change.after)
    values = {
        "merged": merged,
        "living": living,
        "kind": change.row_type.__tablename__,
        "id": change.id,
        # An aggregate of the entry itself lies in the entry's stream, before and after.
        "key": merged if told.key == living else told.key,
        "aggregate": told.type.aggregate,
        "twin": any((before, after) != (merged, living) for _, before, after in changes),
        "changes": json.dumps(changes),
    }
    await uow.session.execute(_NOTE, values)


def _differences(before: Any, after: Any, path: Path = ()) -> list[tuple[Path, Any, Any]]:
    """Where two states differ: (path, before, after). A list that became longer or shorter differs as a whole."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        names = (before.keys() | after.keys()) - ({"version"} if not path else set())
        return [
            each for name in sorted(names) for each in _differences(before.get(name), after.get(name), (*path, name))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for index, (old, new) in pairs for each in _differences(old, new, (*path, index))]
    return [(path, before, after)]


def _put_back(content: Any, path: Path, before: Any, after: Any) -> bool:
    """Bring one place of a state back to what it was, where it is still as the merge left it."""
    *way, last = path
    try:
        for step in way:
            content = content[step]
        if content[last] != after:
            return False
    except (KeyError, IndexError, TypeError):
        return False
    content[last] = before
    return True
