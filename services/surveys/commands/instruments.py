"""Drafting, editing, publishing and retiring instruments of one's own."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlmodel import col

from services.surveys.domain.documents import summary_of
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.publication import (
    InstrumentAct,
    InstrumentIncomplete,
    InstrumentStatus,
    OwnInstrument,
    code_for,
)
from services.surveys.domain.reading import InstrumentError, parse_instrument
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import InstitutionRow, InstrumentRow
from shared.errors import AlreadyExists, FieldError, InvalidInput, NotFound, VersionMismatch, WrongState
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role, path_of

SHOWN_BESIDE: Final = ("status", "owner", "edition", "standard")
"""What reading an instrument shows beside its document: it may come back with the document, and says nothing."""


def read_document(document: Mapping[str, Any], library: InstrumentLibrary, *, complete: bool = False) -> Instrument:
    """The instrument in a document; raises InvalidInput with every fault."""
    try:
        return parse_instrument(document, library.catalogues, complete=complete)
    except InstrumentError as wrong:
        raise InvalidInput(*wrong.faults) from None


def judged(document: Mapping[str, Any], library: InstrumentLibrary, *, complete: bool) -> dict[str, Any]:
    """The summary of a document that nothing is wrong with; raises InvalidInput."""
    bare = {key: value for key, value in document.items() if key not in SHOWN_BESIDE}
    return summary_of(read_document({"version": 1, **bare}, library, complete=complete))


async def numbered(uow: UnitOfWork, document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as a first draft of the caller: its code behind the caller's prefix, its version 1."""
    bare = {key: value for key, value in document.items() if key not in SHOWN_BESIDE}
    code = bare.get("code")
    if not isinstance(code, str):
        return {**bare, "version": 1}
    return {**bare, "code": code_for(await _place(uow), code), "version": 1}


async def draft(uow: UnitOfWork, library: InstrumentLibrary, document: Mapping[str, Any]) -> OwnInstrument:
    """A first draft in the caller's own name; its code must be free."""
    wanted = await numbered(uow, document)
    instrument = read_document(wanted, library)
    taken = select(func.count()).select_from(InstrumentRow).where(col(InstrumentRow.code) == instrument.code)
    if (await uow.session.execute(taken)).scalar_one():
        raise AlreadyExists(value=instrument.code)
    own = OwnInstrument.drafted(instrument.code, 1, wanted)
    uow.session.add(InstrumentRow.of(own, summary_of(instrument), await _place(uow), uow.now))
    await uow.session.flush()
    return own


async def edit(
    uow: UnitOfWork, library: InstrumentLibrary, code: str, version: int, document: Mapping[str, Any]
) -> OwnInstrument:
    """Put another document in the place of a draft's."""
    row = await _row(uow, code, version)
    own = row.instrument()
    bare = {key: value for key, value in document.items() if key not in SHOWN_BESIDE}
    changed = own.edited({**bare, "code": bare.get("code", code), "version": bare.get("version", version)})
    faults = [
        FieldError(name, "instrument-code-changed", {"wanted": wanted})
        for name, wanted in (("code", code), ("version", version))
        if changed.document[name] != wanted
    ]
    if faults:
        raise InvalidInput(*faults)
    row.take(changed, uow.now, summary_of(read_document(changed.document, library)))
    return changed


async def discard(uow: UnitOfWork, code: str, version: int) -> None:
    """Throw a draft away."""
    row = await _row(uow, code, version)
    row.instrument().discarded()
    await uow.session.delete(row)


async def publish(uow: UnitOfWork, library: InstrumentLibrary, code: str, version: int) -> OwnInstrument:
    """Publish a draft for good; raises InstrumentIncomplete with all that it lacks."""
    row = await _row(uow, code, version)
    own = row.instrument()
    own.may(InstrumentAct.PUBLISH)
    try:
        instrument = read_document(own.document, library, complete=True)
    except InvalidInput as wrong:
        raise InstrumentIncomplete(*wrong.errors) from None
    published = own.published(instrument)
    row.take(published, uow.now, summary_of(instrument))
    return published


async def retire(uow: UnitOfWork, code: str, version: int) -> OwnInstrument:
    """Let nobody ask a published version anew."""
    row = await _row(uow, code, version)
    retired = row.instrument().retired()
    row.take(retired, uow.now)
    return retired


async def new_version(uow: UnitOfWork, library: InstrumentLibrary, code: str) -> OwnInstrument:
    """A draft of the next version, with the document of the newest; there may be one draft at a time."""
    query = (
        select(InstrumentRow)
        .where(col(InstrumentRow.code) == code, InstrumentRow.manageable(uow.principal.scope))
        .order_by(col(InstrumentRow.instrument_version).desc())
        .limit(1)
        .with_for_update()
    )
    newest = (await uow.session.execute(query)).scalar_one_or_none()
    if newest is None:
        raise NotFound(what="instrument", id=code[:100])
    if newest.status == InstrumentStatus.DRAFT.value:
        raise WrongState(state=newest.status, step="new-version", possible="edit, publish, discard")
    own = OwnInstrument.drafted(code, newest.instrument_version + 1, newest.document)
    summary = summary_of(read_document(own.document, library))
    uow.session.add(InstrumentRow.of(own, summary, newest.org_path, uow.now))
    await uow.session.flush()
    return own


_FOLLOW: Final = text(
    "update own_instrument set org_path = known.org_path from institution known where known.id = any(:ids) "
    "and split_part(own_instrument.org_path, '/', 5) = known.id and own_instrument.org_path <> known.org_path"
)


async def follow(uow: UnitOfWork, institutions: Iterable[str]) -> None:
    """Instruments of institutions that moved stand where these stand now; their codes stay."""
    await uow.session.execute(_FOLLOW, {"ids": sorted(institutions)})


async def _row(uow: UnitOfWork, code: str, version: int) -> InstrumentRow:
    query = (
        select(InstrumentRow)
        .where(
            col(InstrumentRow.code) == code,
            col(InstrumentRow.instrument_version) == version,
            InstrumentRow.manageable(uow.principal.scope),
        )
        .with_for_update()
    )
    row = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="instrument", id=f"{code[:100]}.v{version}")
    if uow.expected_version is not None and row.edition != uow.expected_version:
        raise VersionMismatch(expected=uow.expected_version, found=row.edition)
    return row


async def _place(uow: UnitOfWork) -> str:
    """The caller's own place in the territory."""
    who = uow.principal
    if who.role is Role.MINISTRY:
        return path_of("17")
    if who.role in (Role.REGION, Role.DISTRICT):
        return path_of(who.org)
    query = select(col(InstitutionRow.org_path)).where(col(InstitutionRow.id) == who.org)
    place = (await uow.session.execute(query)).scalar_one_or_none()
    if place is None:
        raise NotFound(what="institution", id=who.org[:100])
    return place
