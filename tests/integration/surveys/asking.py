"""What tests of waves, invitations and statuses do again and again: hear of facts, let time pass, read the stream."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.surveys.commands.passage import passages
from services.surveys.instruments import InstrumentLibrary
from services.surveys.subscribers import Surroundings
from services.surveys.vault import Vault
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.events import REGISTRY, Event, State
from shared.contracts.partners import EnterpriseState, EnterpriseStatus
from shared.contracts.practice import OutcomeState, OutcomeStatus, PlacementState, PlacementStatus
from shared.contracts.vocabulary import EnterpriseSize
from shared.persistence.scheduler import Scheduler
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress
from tests.integration.surveys.support import MINE, K, Office, today
from tests.support.services import eventually

FIRM = "019a0000-0000-7000-8000-0000000000f1"
TWIN = "019a0000-0000-7000-8000-0000000000f2"
STIR = "302118804"


def a_placement(id_: str = "pl-1", version: int = 2, **changes: Any) -> PlacementState:
    """A placement that was completed today."""
    given: dict[str, Any] = {
        "institution_id": MINE,
        "agreement_id": "a-1",
        "enterprise_id": FIRM,
        "term": "T1",
        "student_ref": f"S-{id_}",
        "profession": "7212",
        "starts_on": today() - timedelta(days=30),
        "ends_on": today(),
        "status": PlacementStatus.COMPLETED,
        "completed_on": today(),
    }
    return PlacementState(id=id_, version=version, **(given | changes))


def an_employment(id_: str = "em-1", version: int = 1, **changes: Any) -> EmploymentState:
    """A graduate's employment that was reported."""
    given: dict[str, Any] = {
        "institution_id": MINE,
        "graduate_ref": "G-1",
        "enterprise_id": FIRM,
        "profession": "7212",
        "status": EmploymentStatus.REPORTED,
        "started_on": months_ago(6),
    }
    return EmploymentState(id=id_, version=version, **(given | changes))


def an_outcome(id_: str = "ou-1", version: int = 1, **changes: Any) -> OutcomeState:
    """A graduate's outcome."""
    given: dict[str, Any] = {
        "institution_id": MINE,
        "graduate_ref": "G-1",
        "graduated_on": months_ago(6),
        "months": 6,
        "status": OutcomeStatus.EMPLOYED,
        "surveyed_on": today(),
    }
    return OutcomeState(id=id_, version=version, **(given | changes))


def an_enterprise(id_: str = FIRM, version: int = 1, **changes: Any) -> EnterpriseState:
    """An enterprise of the register."""
    given: dict[str, Any] = {
        "stir": STIR,
        "name": "Zavod",
        "size": EnterpriseSize.MEDIUM,
        "isic_section": "C",
        "district": "1708201",
        "status": EnterpriseStatus.ACTIVE,
    }
    return EnterpriseState(id=id_, version=version, **(given | changes))


def months_ago(months: int) -> date:
    """A day from which so many months are up by today, and were not yet ten days ago."""
    day = today() - timedelta(days=3)
    total = day.year * 12 + day.month - 1 - months
    return date(total // 12, total % 12 + 1, min(day.day, 28))


FACT_OF = {
    PlacementState: "hamkor.agreements.placement.completed.v1",
    EmploymentState: "hamkor.agreements.employment.reported.v1",
    OutcomeState: "hamkor.agreements.outcome.reported.v1",
    EnterpriseState: "hamkor.partners.enterprise.updated.v1",
}


async def hear(office: Office, *states: State) -> None:
    """As if the other services had told these states, in this order, in one batch."""
    surroundings = Surroundings(K)
    batch = []
    for state in states:
        name = FACT_OF[type(state)]
        subject = f"{REGISTRY[name].aggregate}/{state.id}"
        data = state.model_dump_json().encode()
        event = Event("e", name, name.split(".")[1], subject, "key", datetime.now(UTC), 0, 1, data)
        batch.append((event, surroundings.decode(event)))
    async with office.database.unit_of_work() as uow:
        await surroundings.apply(uow, batch)


def at(office: Office, days: int) -> Database:
    """The service's database so many days from now."""
    moved: Callable[[], datetime] = lambda: datetime.now(UTC) + timedelta(days=days)  # noqa: E731 - a clock
    return Database("surveys", office.database.engine, moved)


async def pass_time(office: Office, days: int = 0) -> None:
    """Let the scheduler see a day so far ahead, until nothing is due; the service's own works at the same time."""
    library: InstrumentLibrary = office.running.app.state.surveys.library
    scheduler = Scheduler(at(office, days), Progress(), passages(library, K))
    day = today() + timedelta(days=days)

    async def nothing_due() -> bool:
        # What the service's own scheduler holds just now is passed over here: then it is looked at again.
        while await scheduler.catch_up():
            pass
        due = (
            "select (select count(*) from occasion where status = 'waiting' and due_on <= :day) "
            "+ (select count(*) from invitation where status = 'pending' and least(lapses_on, remind_on) <= :day) "
            "+ (select count(*) from wave where campaigns_due)"
        )
        return bool((await office.rows(due, day=day))[0][0] == 0)

    await eventually(nothing_due, "nothing is due")


def vault_of(office: Office) -> Vault:
    """The service's vault."""
    found: Vault = office.running.app.state.surveys.vault
    return found


async def told(office: Office, aggregate: str, **having: Any) -> list[tuple[str, dict[str, Any]]]:
    """The facts of an aggregate that the stream told, of states that have these values, oldest first."""
    rows = await office.rows(
        "select type, data from event where type like :type order by time, shard, position",
        type=f"hamkor.surveys.{aggregate}.%",
    )
    found = [(str(row[0]).split(".")[3], json.loads(bytes(row[1]))) for row in rows]
    return [(fact, state) for fact, state in found if all(state.get(name) == value for name, value in having.items())]


def facts(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The facts alone."""
    return [fact for fact, _ in found]
