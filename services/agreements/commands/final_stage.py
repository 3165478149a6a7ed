"""What the use cases of the final stage share: recording a change where the row lies, keys that are taken, evidence."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from services.agreements.domain.final_stage import EvidenceInput
from services.agreements.tables.agreements import ActivityRow, AgreementRow
from services.agreements.tables.final_stage import BoardRow, DocumentRow
from shared.contracts.events import EventType, State
from shared.contracts.final_stage import EvidenceKind
from shared.errors import AlreadyExists, FieldError, InvalidInput
from shared.persistence.aggregates import AggregateRow, DetailedRow
from shared.persistence.unit_of_work import UnitOfWork

S = TypeVar("S", bound=State)
D = TypeVar("D", bound=BaseModel)
Entry = type[AgreementRow] | type[ActivityRow] | type[DocumentRow] | type[BoardRow]
_ENTRIES: dict[EvidenceKind, tuple[Entry, Callable[[str], ColumnElement[bool]]]] = {
    EvidenceKind.AGREEMENT: (AgreementRow, lambda ref: col(AgreementRow.id) == ref),
    EvidenceKind.ACTIVITY: (ActivityRow, lambda ref: col(ActivityRow.id) == ref),
    EvidenceKind.DOCUMENT: (DocumentRow, lambda ref: col(DocumentRow.id) == ref),
    EvidenceKind.MEETING: (
        BoardRow,
        lambda ref: col(BoardRow.state).op("@>")(literal({"meetings": [{"meeting_id": ref}]}, JSONB)),
    ),
}
"""Where an entry named as evidence lies; a file kept elsewhere lies nowhere here."""


async def record_change(
    uow: UnitOfWork, row_type: type[AggregateRow], outcome: tuple[EventType, S], details: BaseModel | None = None
) -> S:
    """Record what came of a loaded aggregate of an institution; it stays where it lies."""
    event_type, state = outcome
    row = await uow.session.get_one(row_type, state.id)
    institution_id: str = state.model_dump(include={"institution_id"})["institution_id"]
    return await uow.record(row_type, event_type, state, key=institution_id, org_path=row.org_path, details=details)


async def details_of(uow: UnitOfWork, row_type: type[DetailedRow], model: type[D], id_: str) -> D:
    """The details of a loaded aggregate."""
    return model.model_validate((await uow.session.get_one(row_type, id_)).details)


async def require_free(uow: UnitOfWork, row_type: type[AggregateRow], what: str, **key: str) -> None:
    """Raise AlreadyExists, naming the entry, where there is one with this key within the caller's scope."""
    conditions = [col(getattr(row_type, name)) == value for name, value in key.items()]
    query = select(col(row_type.id)).where(*conditions, row_type.visible(uow.principal.scope))
    if (existing := (await uow.session.execute(query.limit(1))).scalar_one_or_none()) is not None:
        raise AlreadyExists(what=what, key="/".join(key.values()), id=existing)


async def check_evidence(uow: UnitOfWork, institution_id: str, evidence: Sequence[EvidenceInput]) -> None:
    """Raise InvalidInput naming each piece of evidence that is no entry of this institution."""
    faults = []
    for index, each in enumerate(evidence):
        if each.kind not in _ENTRIES:
            continue
        row_type, named = _ENTRIES[each.kind]
        query = select(col(row_type.id)).where(col(row_type.institution_id) == institution_id, named(each.ref))
        if (await uow.session.execute(query)).first() is None:
            faults.append(FieldError(f"evidence.{index}.ref", "unknown_evidence", {"value": each.ref}))
    if faults:
        raise InvalidInput(*faults)
