"""The attack with the whole data directory: the write-ahead log and the raw pages, which SQL does not show."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import SUPERUSER
from shared.persistence.engine import dsn_of
from tests.integration.surveys.support import K, Office
from tests.integration.surveys.test_anonymity import RESPONDENTS, RESPONSES, a_round, as_attacker, right_pairs, told
from tests.integration.surveys.test_tokens import secrets_of
from tests.support.engines import Postgres

TOO_MANY = 10
"""Right pairs that chance (mean 1) reaches less than once in 10^6 rounds."""

HINTED = 0x0100
"""HEAP_XMIN_COMMITTED: set in a row when somebody reads it for the first time after its transaction has committed."""

LOCKED_ONLY, NOT_DELETED = 0x0080, 0x0800
"""HEAP_XMAX_LOCK_ONLY and HEAP_XMAX_INVALID: a living row, locked once or never. Reading sets neither."""


async def as_superuser(postgres: Postgres, office: Office, *queries: str) -> list[asyncpg.Record]:
    """What whoever owns the server sees; the rows of the last query."""
    database = office.url.partition("?")[0].rpartition("/")[2]
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn_of(postgres.server.url(database, SUPERUSER))
    )
    try:
        found: list[asyncpg.Record] = []
        for query in queries:
            found = await connection.fetch(query)
        return found
    finally:
        await connection.close()


async def log_of(postgres: Postgres, office: Office) -> bytes:
    """All of the write-ahead log, in the order it was written."""
    ((place,),) = await as_superuser(postgres, office, "show data_directory")
    folder = Path(place) / "pg_wal"
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if len(path.name) == 24)


def first_seen(log: bytes, wanted: bytes) -> int:
    """Where something stands first; one that a page's head cuts in two is found by its longer half."""
    half = len(wanted) // 2
    places = [log.find(part) for part in (wanted, wanted[:half], wanted[half:])]
    return min((place for place in places if place >= 0), default=-1)


def by_place(log: bytes, wanted: Sequence[bytes]) -> list[int]:
    """The numbers of what is wanted, in the order in which the log has it."""
    places = {number: first_seen(log, each) for number, each in enumerate(wanted)}
    assert -1 not in places.values()
    return sorted(places, key=lambda number: places[number])


@pytest.mark.slow
async def test_the_log_that_is_written_ahead_pairs_no_answer_with_a_spending(
    office: Office, postgres: Postgres
) -> None:
    campaign, held = await a_round(office)
    marks = [bytes(row["mark"]) for row in await as_attacker(office, "select mark from spent_mark")]
    await told(office, campaign, RESPONDENTS)
    responses = await as_attacker(office, RESPONSES, campaign)
    log = await log_of(postgres, office)
    # The control: marks stand in the log in the order of spending, which the attacker knows of everybody.
    vault = office.running.app.state.surveys.vault
    assert len(marks) == len(responses) == RESPONDENTS == len(held)
    spent = by_place(log, marks)
    assert sorted(spent) == list(range(RESPONDENTS))
    arrived = [responses[number]["who"] for number in by_place(log, [row["id"].encode() for row in responses])]
    events = [responses[number]["who"] for number in by_place(log, [row["event_id"].bytes for row in responses])]
    for order in (arrived, events):
        assert right_pairs(range(RESPONDENTS), order) < TOO_MANY
        assert right_pairs(range(RESPONDENTS), order[::-1]) < TOO_MANY
    # No response shares a transaction with a mark, in the log as in the tables; a sealed answer is not in clear in it.
    assert b"pepper-of-the-tests" not in log
    assert vault.key_id in log


@pytest.mark.slow
async def test_raw_pages_do_not_tell_which_codes_and_invitations_were_looked_at(
    office: Office, postgres: Postgres
) -> None:
    """A row that is read for the first time is marked so on its page: codes are read once, all of them, when issued."""
    campaign = await office.campaign("S4")
    codes = await office.codes(campaign, RESPONDENTS)
    secrets = await secrets_of(office, campaign.id, 2 * K)
    for code in codes[:K]:
        assert (await office.respond(code)).status_code == 303
    await office.running.http.get(f"{office.running.base}/s/i/{secrets[0]}", params={"lang": "en"})
    await as_superuser(postgres, office, "create extension if not exists pageinspect", "checkpoint")
    for table in ("access_code", "invitation"):
        rows = await as_superuser(
            postgres,
            office,
            f"select t_infomask from generate_series(0, pg_relation_size('{table}') / 8192 - 1) as page, "
            f"lateral heap_page_items(get_raw_page('{table}', page::int)) "
            f"where lp_flags = 1 and (t_xmax = 0 or t_infomask & {LOCKED_ONLY | NOT_DELETED} <> 0)",
        )
        assert len(rows) >= 2 * K, table
        assert {bool(row["t_infomask"] & HINTED) for row in rows} == {True}, table
