"""Passing time as an event: what the calendar brings, once, however many schedulers look at it."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import pytest

from services.agreements.commands.passage import AGREEMENTS
from shared.clock import TASHKENT
from shared.persistence import scheduler
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.scheduler import Scheduler
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress
from tests.integration.agreements.support import PAPER, Country, day, do, ok, today
from tests.integration.agreements.test_lifecycle import told_of
from tests.support.services import eventually


def midnight(offset: int) -> datetime:
    """The moment a day begins in Uzbekistan, today and so many days."""
    first = today() + timedelta(days=offset)
    return datetime(first.year, first.month, first.day, tzinfo=TASHKENT)


async def at(country: Country, moment: datetime, how_many: int = 1) -> int:
    """Let schedulers look at `moment`; returns how many events they told."""
    engines = [make_engine(country.database_url, application="scheduler", pool_size=2) for _ in range(how_many)]
    try:
        told = await asyncio.gather(
            *(
                Scheduler(Database("agreements", engine, lambda: moment), Progress(), [AGREEMENTS]).catch_up()
                for engine in engines
            )
        )
        return sum(told)
    finally:
        for engine in engines:
            await engine.dispose()


async def execute(country: Country, statement: str) -> None:
    """Change a row behind the service's back."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_agreement_comes_into_force_at_tashkent_midnight_and_runs_out_after_its_last_day(
    country: Country,
) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.active(institution, enterprise, valid_from=day(10), valid_until=day(20))
    path = f"/v1/agreements/{agreement['id']}"
    school = country.school(institution)

    async def state_at(moment: datetime) -> tuple[str, object]:
        await at(country, moment)
        state = ok(await school.get(path))
        return state["status"], state["active_periods"]

    assert agreement["status"] == "signed"
    assert await state_at(midnight(10) - timedelta(seconds=1)) == ("signed", [])
    assert await state_at(midnight(10)) == ("active", [{"since": day(10), "until": None}])
    assert (await state_at(midnight(21) - timedelta(seconds=1)))[0] == "active"
    assert await state_at(midnight(30)) == ("expired", [{"since": day(10), "until": day(21)}])
    state = ok(await school.get(path))
    assert state["ended_on"] == day(21)
    assert await told_of(country, agreement["id"]) == ["drafted", "signed", "signed", "activated", "expired"]


async def test_several_schedulers_at_once_do_everything_once(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 3)
    institution, enterprise = await country.institution(), await country.enterprise()
    signed = [await country.active(institution, enterprise, valid_from=day(40), valid_until=day(50)) for _ in range(8)]
    while await at(country, midnight(60), how_many=4):
        pass
    for agreement in signed:
        facts = await told_of(country, agreement["id"])
        assert facts == ["drafted", "signed", "signed", "activated", "expired"]


async def test_suspended_agreement_runs_out_too(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.active(institution, enterprise, valid_until=day(5))
    await do(country.school(institution), agreement, "suspend", {"suspended_on": day(-3)})
    await at(country, midnight(9))
    state = ok(await country.school(institution).get(f"/v1/agreements/{agreement['id']}"))
    assert (state["status"], state["suspended_on"]) == ("expired", None)
    assert state["active_periods"] == [{"since": day(-20), "until": day(-3)}]


async def test_renewal_is_a_version_from_the_day_after_the_last(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    renewal = {"months": 12, "notice_days": 0}
    agreement = await country.active(institution, enterprise, valid_until=day(5), renewal=renewal)
    await at(country, midnight(9))
    path = f"/v1/agreements/{agreement['id']}/versions"
    versions = ok(await country.school(institution).get(path))["items"]
    told = [(each["amendment"], each["change"], each["since"]) for each in versions]
    assert told == [(0, "signed", day(-20)), (0, "renewed", day(6))]
    assert versions[1]["state"]["valid_until"] > versions[0]["state"]["valid_until"]


async def test_agreement_signed_late_has_been_in_force_and_is_over(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.draft(institution, enterprise, valid_from=day(-90), valid_until=day(-10))
    school = country.school(institution)
    for party, signed_on in (("p1", day(-95)), ("p2", day(-80))):
        agreement = await do(school, agreement, "sign", {"party_id": party, "signed_on": signed_on, **PAPER})
    assert agreement["status"] == "expired"
    assert agreement["active_periods"] == [{"since": day(-80), "until": day(-9)}]


async def test_one_that_cannot_be_brought_to_today_holds_up_nobody(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    broken, sound = [
        await country.active(institution, enterprise, valid_from=day(70), valid_until=day(80)) for _ in range(2)
    ]
    await execute(country, f"update agreement set state = state || '{{\"parties\": 1}}' where id = '{broken['id']}'")
    await at(country, midnight(75))
    assert ok(await country.school(institution).get(f"/v1/agreements/{sound['id']}"))["status"] == "active"
    await execute(country, f"update agreement set status = 'cancelled' where id = '{broken['id']}'")


async def test_running_service_looks_at_the_calendar_by_itself(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.active(institution, enterprise, valid_from=day(1), valid_until=day(2))
    await execute(
        country,
        f"update agreement set valid_from = '{day(0)}', "
        f"state = jsonb_set(state, '{{valid_from}}', '\"{day(0)}\"') where id = '{agreement['id']}'",
    )

    async def active() -> bool:
        state = await country.school(institution).get(f"/v1/agreements/{agreement['id']}")
        return bool(state.json()["status"] == "active")

    await eventually(active, "the scheduler brought the agreement into force")
