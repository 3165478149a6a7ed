"""Use cases of publications: ordering an edition, and making it once its turn comes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import ColumnElement, and_, select
from sqlmodel import col

from services.monitoring import queries
from services.monitoring.directory import Directory
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import Period, month_of, parse
from services.monitoring.domain.territory import Level, Place
from services.monitoring.reporting import freezes
from services.monitoring.reporting.lifecycle import LEVELS, Notes, Publish
from services.monitoring.reporting.tables import PublicationRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.reporting import (
    PUBLICATION_MADE,
    PUBLICATION_ORDERED,
    PUBLICATION_REVISED,
    Edition,
    PublicationState,
    PublicationStatus,
)
from shared.errors import DomainError, FieldError, InvalidInput
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import Database, UnitOfWork


class PublicationUnderWay(DomainError):
    """The edition before is still being made."""

    code = "publication-under-way"


class Publications:
    """The use cases with what they stand on; `k` is the limit of privacy, `beat` says that making gets on."""

    def __init__(self, database: Database, directory: Directory, k: int, beat: Callable[[], None]) -> None:
        self._database = database
        self._directory = directory
        self._k = k
        self._beat = beat

    async def order(self, uow: UnitOfWork, root: Place, period: Period, command: Publish) -> PublicationState:
        """Order the first edition of a period for a territory, or, with a reason, the next one."""
        today = local_day(uow.now)
        if root.level is Level.INSTITUTION:
            raise InvalidInput(FieldError("place", "publication_place", {"value": root.code}))
        if first_day(period.last + 1) > today:
            raise InvalidInput(FieldError("period", "period_over", {"value": period.text}))
        id_ = str(uuid5(NAMESPACE_URL, f"hamkor:publication/{root.code}/{period.text}"))
        known = (
            await uow.session.execute(select(PublicationRow).where(col(PublicationRow.id) == id_).with_for_update())
        ).scalar_one_or_none()
        common: dict[str, Any] = {
            "status": PublicationStatus.ORDERED,
            "ordered_at": uow.now,
            "ordered_by": uow.principal.role.value,
            "ordered_for": command.reason,
        }
        if known is None:
            units = root.units
            state = PublicationState(
                id=id_,
                version=1,
                place=root.code,
                level=LEVELS[root.level],
                period=period.text,
                district=next((unit for unit in units if len(unit) == 7), None),
                region=next((unit for unit in units if len(unit) == 4), None),
                territory=root.code,
                **{**common, "ordered_for": None},
            )
            notes: tuple[str, ...] = ()
        else:
            before = await uow.load(PublicationRow, PublicationState, id_, what="publication")
            if before.status is PublicationStatus.ORDERED:
                raise PublicationUnderWay
            if command.reason is None:
                raise InvalidInput(FieldError("reason", "revision_reason"))
            state = before.model_copy(update={**common, "version": before.version + 1})
            notes = Notes.model_validate(known.details).notes
        return await uow.record(
            PublicationRow,
            PUBLICATION_ORDERED,
            state,
            key=root.code,
            org_path=root.path,
            details=Notes(notes=(*notes, command.note)),
        )

    def passage(self) -> Passage:
        """What passing time does: makes what was ordered."""
        return Passage(PublicationRow, _due, self._make)

    async def _make(self, uow: UnitOfWork, id_: str) -> list[EventType]:
        """Freeze the figures of one moment: they, the edition and its event are there together or not at all."""
        state = await uow.load(PublicationRow, PublicationState, id_, what="publication")
        if state.status is not PublicationStatus.ORDERED:
            return []
        target = await raw_connection(uow.session)
        await self._directory.look(target)
        root, period = self._directory.by_code(state.place), parse(state.period)
        assert root is not None
        this_month = month_of(local_day(uow.now))
        places = freezes.places_of(self._directory, root, queries.end_of(period, this_month))
        codes = {place.id: place.code for place in places}
        freeze, digest = new_id(), freezes.Digest()
        async with freezes.snapshot(self._database, places, period, this_month, self._k) as moment:
            await freezes.keep(target, freeze, period.text, uow.now, moment.positions)
            async for rows in moment.figures(self._beat):
                digest.add(codes, rows)
                await freezes.store(target, freeze, rows)
        edition = Edition(
            edition=len(state.editions) + 1,
            made_at=uow.now,
            figures=freeze,
            digest=digest.text,
            places=len(places),
            values=digest.values,
            role=state.ordered_by,
            reason=state.ordered_for,
        )
        event_type = PUBLICATION_REVISED if state.editions else PUBLICATION_MADE
        row = await uow.session.get(PublicationRow, id_)
        assert row is not None
        made = state.model_copy(
            update={
                "version": state.version + 1,
                "status": PublicationStatus.PUBLISHED,
                "editions": (*state.editions, edition),
                "positions": moment.positions,
            }
        )
        await uow.record(PublicationRow, event_type, made, key=state.place, org_path=row.org_path)
        return [event_type]


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(col(PublicationRow.status) == PublicationStatus.ORDERED.value, col(PublicationRow.ordered_at) <= now)
