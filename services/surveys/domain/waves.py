"""A wave: an instrument asked in a part of the territory, in a period; its life is the table LIFECYCLE."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.domain.campaigns import CampaignOver, Period, check_period
from shared.contracts.events import EventType
from shared.contracts.fields import Name
from shared.contracts.surveys import (
    WAVE_AMENDED,
    WAVE_CANCELLED,
    WAVE_CLOSED,
    WAVE_OPENED,
    WAVE_PLANNED,
    Quota,
    WaveState,
    WaveStatus,
)
from shared.contracts.vocabulary import InstitutionKind, RespondentGroup
from shared.errors import FieldError, InvalidInput, WrongState
from shared.scope import SOATO_LENGTHS, path_of

Outcome = tuple[EventType, WaveState]
MAX_QUOTAS: Final = 300
MAX_TARGET: Final = 1_000_000


class Step(StrEnum):
    """What can happen to a wave."""

    AMEND = "amend"
    OPEN = "open"
    CLOSE = "close"
    CANCEL = "cancel"


LIFECYCLE: Final[Mapping[tuple[WaveStatus, Step], WaveStatus]] = {
    (WaveStatus.PLANNED, Step.AMEND): WaveStatus.PLANNED,
    (WaveStatus.PLANNED, Step.OPEN): WaveStatus.OPEN,
    (WaveStatus.PLANNED, Step.CANCEL): WaveStatus.CANCELLED,
    # What was asked already is not unasked: an open wave is closed, and its answers stay.
    (WaveStatus.OPEN, Step.CLOSE): WaveStatus.CLOSED,
}
"""What is not in the table can't be done."""

TOLD_AS: Final[Mapping[Step, EventType]] = {
    Step.AMEND: WAVE_AMENDED,
    Step.OPEN: WAVE_OPENED,
    Step.CLOSE: WAVE_CLOSED,
    Step.CANCEL: WAVE_CANCELLED,
}


class WaveDetails(BaseModel):
    """What no event tells of a wave."""

    title: str | None = None


class QuotaWanted(BaseModel):
    """So many responses of a stratum, k or more where `hard` stops intake there, at the door, once they are in.

    They are counted in steps of k, campaign by campaign: up to k - 1 more of each come in.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"example": {"territory": "1708", "kind": "technikum", "responses": 400, "hard": True}},
    )

    territory: Annotated[str | None, Field(max_length=7, description="SOATO code of a region or district")] = None
    kind: InstitutionKind | None = None
    responses: Annotated[int, Field(ge=1, le=MAX_TARGET)]
    hard: bool = False


class _Aims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    title: Name | None = None
    target_invited: Annotated[int | None, Field(ge=1, le=MAX_TARGET, description="wanted of each institution")] = None
    minimum_responses: Annotated[int | None, Field(ge=1, le=MAX_TARGET, description="wanted of each institution")] = (
        None
    )
    quotas: Annotated[tuple[QuotaWanted, ...], Field(max_length=MAX_QUOTAS)] = ()


class PlanWave(_Aims):
    """Ask `instrument` (its newest version) at the institutions of `kinds` (none named: all) in a territory."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "example": {
                "instrument": "S3",
                "territory": "1708",
                "kinds": ["technikum", "college"],
                "period": {"from": "2026-10-01", "to": "2026-11-15"},
                "title": "Kuzgi amaliyot",
                "target_invited": 60,
                "minimum_responses": 20,
                "quotas": [{"territory": "1708201", "responses": 200, "hard": True}],
            }
        },
    )

    instrument: Annotated[str, Field(max_length=64)]
    territory: Annotated[str, Field(max_length=7, description="SOATO code of nation, region or district")]
    kinds: Annotated[tuple[InstitutionKind, ...], Field(max_length=len(InstitutionKind))] = ()
    period: Period


class AmendWave(_Aims):
    """Other aims, kinds or period of a wave that is planned; what is left out stays."""

    kinds: Annotated[tuple[InstitutionKind, ...] | None, Field(max_length=len(InstitutionKind))] = None
    period: Period | None = None
    quotas: Annotated[tuple[QuotaWanted, ...] | None, Field(max_length=MAX_QUOTAS)] = None  # type: ignore[assignment]  # left out: they stay


def territory_path(field: str, soato: str) -> str:
    """The path of a territory; raises InvalidInput for what is no SOATO code of nation, region or district."""
    try:
        if soato.isascii() and soato.startswith("17") and len(soato) in SOATO_LENGTHS:
            return path_of(soato)
    except ValueError:
        pass
    raise InvalidInput(FieldError(field, "territory-unknown", {"value": soato[:20]}))


def plan(
    id_: str, command: PlanWave, instrument_version: int, group: RespondentGroup, today: date
) -> tuple[Outcome, WaveDetails]:
    """A planned wave; raises InvalidInput for a period, territory or quota that can't be."""
    territory_path("territory", command.territory)
    check_period(command.period, today)
    wave = WaveState(
        id=id_,
        version=1,
        instrument=command.instrument,
        instrument_version=instrument_version,
        group=group,
        territory=command.territory,
        kinds=tuple(sorted(set(command.kinds))),
        first_day=command.period.first,
        last_day=command.period.last,
        status=WaveStatus.PLANNED,
        target_invited=command.target_invited,
        minimum_responses=command.minimum_responses,
        quotas=_quotas(command.quotas, command.territory, command.kinds),
    )
    return (WAVE_PLANNED, wave), WaveDetails(title=command.title)


def amend(wave: WaveState, details: WaveDetails, command: AmendWave, today: date) -> tuple[Outcome, WaveDetails]:
    """The planned wave with other aims; raises WrongState once it is open."""
    target = after(wave.status, Step.AMEND)
    given = command.model_dump(exclude_unset=True)
    period = command.period or Period(first=wave.first_day, last=wave.last_day)
    check_period(period, today)
    kinds = tuple(sorted(set(command.kinds))) if command.kinds is not None else wave.kinds
    wanted = command.quotas
    if wanted is None:
        wanted = tuple(QuotaWanted.model_validate(quota.model_dump()) for quota in wave.quotas)
    changes: dict[str, Any] = {
        name: given[name] for name in ("target_invited", "minimum_responses") if name in given
    } | {
        "version": wave.version + 1,
        "status": target,
        "kinds": kinds,
        "first_day": period.first,
        "last_day": period.last,
        "quotas": _quotas(wanted, wave.territory, kinds),
    }
    title = command.title if "title" in given else details.title
    return (WAVE_AMENDED, wave.model_copy(update=changes)), WaveDetails(title=title)


def move(wave: WaveState, step: Step, today: date) -> Outcome:
    """The wave after opening, closing or cancelling; raises WrongState, or CampaignOver for one whose time is past."""
    target = after(wave.status, step)
    if step is Step.OPEN and today > wave.last_day:
        raise CampaignOver(last=wave.last_day.isoformat())
    changed = wave.model_copy(update={"status": target, "version": wave.version + 1})
    return TOLD_AS[step], changed


def passed(wave: WaveState, today: date) -> list[Outcome]:
    """What the calendar does to a wave: it opens on its first day and closes after its last."""
    outcomes: list[Outcome] = []
    if wave.status is WaveStatus.PLANNED and wave.last_day < today:
        return [move(wave, Step.CANCEL, today)]
    if wave.status is WaveStatus.PLANNED and wave.first_day <= today:
        outcomes.append(move(wave, Step.OPEN, today))
        wave = outcomes[-1][1]
    if wave.status is WaveStatus.OPEN and wave.last_day < today:
        outcomes.append(move(wave, Step.CLOSE, today))
    return outcomes


def after(status: WaveStatus, step: Step) -> WaveStatus:
    """Where a step leads; raises WrongState that names what is possible."""
    target = LIFECYCLE.get((status, step))
    if target is None:
        possible = ", ".join(each for held, each in LIFECYCLE if held is status)
        raise WrongState(state=status.value, step=step.value, possible=possible)
    return target


def is_full(quotas: Sequence[Quota], received: Sequence[int]) -> list[Quota]:
    """The hard quotas that are reached; `received` holds the responses of each quota's stratum."""
    return [quota for quota, count in zip(quotas, received, strict=True) if quota.hard and count >= quota.responses]


def concerns(quota: Quota, org_path: str, kind: str) -> bool:
    """Whether an institution at `org_path` belongs to the quota's stratum."""
    inside = quota.territory is None or org_path.startswith(path_of(quota.territory))
    return inside and quota.kind in (None, kind)


def _quotas(wanted: Sequence[QuotaWanted], territory: str, kinds: Sequence[InstitutionKind]) -> tuple[Quota, ...]:
    whole = path_of(territory)
    faults: list[FieldError] = []
    seen: set[tuple[str | None, str | None]] = set()
    for number, quota in enumerate(wanted):
        field = f"quotas.{number}"
        if quota.territory is not None and not territory_path(f"{field}.territory", quota.territory).startswith(whole):
            faults.append(FieldError(f"{field}.territory", "quota-outside", {"territory": territory}))
        if quota.kind is not None and kinds and quota.kind not in kinds:
            faults.append(FieldError(f"{field}.kind", "quota-kind-outside", {"value": quota.kind.value}))
        if (quota.territory, quota.kind) in seen:
            faults.append(FieldError(field, "quota-twice"))
        seen.add((quota.territory, quota.kind))
    if faults:
        raise InvalidInput(*faults)
    return tuple(Quota.model_validate(quota.model_dump()) for quota in wanted)
