"""Row-level security alone, without any help of the code: what each scope finds in the tables."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.surveys.instruments import InstrumentLibrary
from shared.persistence.engine import make_session
from shared.scope import ALL, NONE, Scope
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, K, Office, today
from tests.support.services import eventually
from tests.support.surveys import Asked, fill, pool

SEEING = [ALL, Scope("path", "/17/"), Scope("path", "/17/1708/"), Scope("institution", MINE)]
BLIND = [
    NONE,
    Scope("path", "/17/1703/"),
    Scope("path", "/17/170/"),
    Scope("institution", OTHER),
    Scope("enterprise", MINE),
]
OF_CAMPAIGNS = ("campaign", "code_batch", "access_code", "staged_answer", "intake", "released_result")
OF_THE_SERVICE = ("spent_mark", "response", "tally", "choice", "released_choice", "released_step", "event")


@pytest.fixture
async def full(office: Office) -> Office:
    """An office with rows in every table."""
    campaign = await office.campaign()
    codes = await office.codes(campaign, 2 * K)
    for code in codes[:K]:
        await office.respond(code)

    async def moved() -> bool:
        return await office.count("response") == K

    await eventually(moved, "responses")
    await office.respond(codes[K])
    return office


async def visible(office: Office, scope: Scope, table: str) -> int:
    async with make_session(office.database.engine, scope) as session:
        return int((await session.execute(text(f"select count(*) from {table}"))).scalar_one())


@pytest.mark.parametrize("scope", SEEING, ids=lambda scope: scope.setting)
async def test_what_belongs_to_a_campaign_is_seen_from_its_institution_upwards(full: Office, scope: Scope) -> None:
    for table in OF_CAMPAIGNS:
        assert await visible(full, scope, table) > 0, table
    for table in OF_THE_SERVICE:
        assert (await visible(full, scope, table) > 0) == (scope is ALL), table


async def test_a_pool_is_seen_in_its_territory_and_above_and_who_is_in_it_by_nobody(office: Office) -> None:
    library = InstrumentLibrary.load()
    for number in range(1, 5):
        asked = Asked(f"0199c1e4-0000-7000-8000-{number:012d}", DISTRICT, today() - timedelta(days=130), k=K)
        await fill(office.database, library, "S3", 3, over=True, asked=asked)
    await pool(office.database, library, K)
    for scope in (ALL, Scope("path", "/17/"), Scope("path", f"/17/{DISTRICT[:4]}/{DISTRICT}/")):
        assert await visible(office, scope, "pool") == 1
        assert await visible(office, scope, "released_result") > 0
        assert await visible(office, scope, "released_of") == 5
        assert (await visible(office, scope, "pooled_campaign") > 0) == (scope is ALL)
    for scope in [*BLIND, Scope("institution", "0199c1e4-0000-7000-8000-000000000001")]:
        for table in ("pool", "released_result", "released_choice", "pooled_campaign"):
            assert await visible(office, scope, table) == 0, (scope, table)


@pytest.mark.parametrize("scope", BLIND, ids=lambda scope: scope.setting)
async def test_nobody_else_sees_anything(full: Office, scope: Scope) -> None:
    for table in OF_CAMPAIGNS + OF_THE_SERVICE:
        assert await visible(full, scope, table) == 0, table


@pytest.mark.parametrize(
    "statement",
    [
        "insert into access_code values (decode(md5('1') || md5('2'), 'hex'), 'a campaign of others')",
        "update campaign set org_path = '/17/1703/1703202/elsewhere/'",
        "insert into response values ('x', 'y', now(), '{}')",
        "insert into staged_answer select id, 'key', 'sealed' from campaign",
        "insert into spent_mark select decode(md5('1') || md5('2'), 'hex'), id from campaign",
        "update intake set moved = 0",
        "insert into released_result select id, 'index', 99, 1, 1 from campaign",
        "insert into institution values ('x', 1, '/17/', 'x', 'x', true)",
    ],
)
async def test_a_coordinator_can_leave_nothing_where_it_does_not_belong(full: Office, statement: str) -> None:
    async with make_session(full.database.engine, Scope("institution", MINE)) as session:
        with pytest.raises(ProgrammingError, match="row-level security"):
            await session.execute(text(statement))
