"""An attack on anonymity with the whole database, the events and the logs – but not the pepper.

Respondents answer one after the other with answers that tell them apart; the attacker knows the order in which codes
were spent as far as the database tells it, and pairs codes with responses. By chance one pair in n is right on average,
however many there are; the number of right pairs among n is then Poisson-like with mean 1, per round.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pytest

from services.surveys.domain.codes import read_code
from shared.persistence.engine import dsn_of
from tests.integration.surveys.support import K, Office
from tests.support.services import eventually

ROUNDS = 4
RESPONDENTS = 4 * K
TOO_MANY = 17
"""Right pairs in all rounds together that chance (mean 4, variance 4) reaches less than once in 10^6 runs."""

FORBIDDEN_COLUMNS = re.compile(r"time|stamp|_at$|address|agent|trace|ip$|user|person|name|serial|seq", re.IGNORECASE)
LINK_TABLES = {"access_code", "staged_answer", "response"}


async def as_attacker(office: Office, query: str, *parameters: Any) -> list[asyncpg.Record]:
    """With every row visible: what an operator of the database sees."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(office.owner_url))
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            found: list[asyncpg.Record] = await connection.fetch(query, *parameters)
            return found
    finally:
        await connection.close()


async def a_round(office: Office) -> dict[bytes, int]:
    """Respondents answer one after the other, respondent n with n months to the first job; who spent which code."""
    campaign = await office.campaign("S4")
    codes = await office.codes(campaign, RESPONDENTS)
    vault = office.running.app.state.surveys.vault
    spent: dict[bytes, int] = {}
    for number, code in enumerate(codes):
        answer = await office.respond(code, status="employed", first_job=str(number))
        assert answer.status_code == 303
        known = read_code(code)
        assert known is not None
        spent[vault.fingerprint(known)] = number
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")

    async def all_there() -> bool:
        found = await as_attacker(office, "select count(*) from response where campaign_id = $1", campaign.id)
        return bool(found[0][0] == RESPONDENTS)

    await eventually(all_there, "all responses")
    return spent


def age(row: asyncpg.Record) -> int:
    return int(row["xid"])


def place(row: asyncpg.Record) -> tuple[int, int]:
    page, line = row["place"].strip("()").split(",")
    return int(page), int(line)


def age_then_place(row: asyncpg.Record) -> tuple[int, tuple[int, int]]:
    return age(row), place(row)


ATTACKS: dict[str, tuple[Callable[[asyncpg.Record], Any], Callable[[asyncpg.Record], Any]]] = {
    "places of codes against places of responses": (place, place),
    "ages of codes against ages of responses": (age_then_place, age_then_place),
    "places of codes against ids of responses": (place, lambda row: row["id"]),
    "places of codes against positions of events": (place, lambda row: (row["shard"], row["position"])),
    "places of codes against ids of events": (place, lambda row: row["event_id"]),
    "fingerprints against ids of responses": (lambda row: row["fingerprint"], lambda row: row["id"]),
}


def right_pairs(codes: Sequence[int], responses: Sequence[int]) -> int:
    return sum(one == other for one, other in zip(codes, responses, strict=True))


async def test_pairing_codes_with_responses_does_no_better_than_chance(office: Office) -> None:
    hits = dict.fromkeys(ATTACKS, 0)
    for _ in range(ROUNDS):
        spent = await a_round(office)
        # The control: the attacker who knew the order of spending would be right every time.
        codes = await as_attacker(
            office,
            "select fingerprint, cast(cast(xmin as text) as bigint) as xid, cast(ctid as text) as place "
            "from access_code where fingerprint = any($1) and state <> 0",
            list(spent),
        )
        responses = await as_attacker(
            office,
            "select r.id, cast(cast(r.xmin as text) as bigint) as xid, cast(r.ctid as text) as place, e.shard, "
            "e.position, e.id as event_id, cast(r.answers->>'first_job' as int) as who "
            "from response r join event e on e.subject = 'response/' || r.id "
            "where r.campaign_id = (select campaign_id from access_code where fingerprint = $1)",
            next(iter(spent)),
        )
        assert len(codes) == len(responses) == RESPONDENTS
        for name, (code_order, response_order) in ATTACKS.items():
            hits[name] += right_pairs(
                [spent[bytes(row["fingerprint"])] for row in sorted(codes, key=code_order)],
                [row["who"] for row in sorted(responses, key=response_order)],
            )
    assert {name: found for name, found in hits.items() if found >= TOO_MANY} == {}


async def test_no_transaction_left_both_a_code_and_a_single_response(office: Office) -> None:
    """The measured trap: rows of one transaction share `xmin`. Here a transaction's company is k or more."""
    await a_round(office)
    companies = await as_attacker(
        office,
        "select (select count(*) from access_code a where a.xmin = r.xmin) as codes, count(*) as responses "
        "from response r group by r.xmin",
    )
    shared = [row for row in companies if row["codes"]]
    assert all(row["codes"] >= K for row in shared)


async def test_the_attack_would_find_an_order_if_there_were_one(office: Office) -> None:
    """The control: on staged answers, whose order is that of spending, the same method is right almost every time."""
    campaign = await office.campaign("S4")
    codes = await office.codes(campaign, K - 1)
    vault = office.running.app.state.surveys.vault
    for number, code in enumerate(codes):
        await office.respond(code, status="employed", first_job=str(number))
    rows = await as_attacker(office, "select sealed, cast(ctid as text) as place from staged_answer")
    opened = [vault.unseal(campaign.id, bytes(row["sealed"])) for row in sorted(rows, key=place)]
    assert [content["answers"]["first_job"] for content in opened] == list(range(K - 1))


async def test_a_staged_answer_tells_nothing_without_the_pepper(office: Office) -> None:
    campaign = await office.campaign("S4")
    (one, two) = await office.codes(campaign, 2)
    await office.respond(one, comment="juda maxfiy fikr")
    await office.respond(two, comment="")
    rows = await as_attacker(office, "select * from staged_answer")
    assert len(rows) == 2
    assert len({len(row["sealed"]) for row in rows}) == 1
    for row in rows:
        assert b"maxfiy" not in row["sealed"]
        assert b"answers" not in row["sealed"]


async def test_no_column_could_link_an_answer_to_a_code_a_person_or_a_moment(office: Office) -> None:
    found = await as_attacker(
        office,
        "select table_name, column_name, data_type from information_schema.columns where table_name = any($1)",
        sorted(LINK_TABLES),
    )
    columns: dict[str, set[str]] = {table: set() for table in LINK_TABLES}
    for row in found:
        columns[row["table_name"]].add(row["column_name"])
        assert not FORBIDDEN_COLUMNS.search(row["column_name"]), row["column_name"]
        assert "time" not in row["data_type"]
    assert columns["access_code"] & columns["response"] == {"campaign_id"}
    assert columns["access_code"] & columns["staged_answer"] == {"campaign_id"}
    ids = await as_attacker(office, "select id from response")
    assert all(row["id"][14] == "4" for row in ids), "UUIDv4: nothing of the moment in it"


async def test_codes_stand_nowhere_not_in_the_database_nor_in_the_logs(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    campaign = await office.campaign()
    codes = await office.codes(campaign, K)
    for code in codes:
        await office.respond(code, comment="nodir fikr")
        await office.open_form(code)
        await office.running.http.post(f"{office.running.base}/s/{code}", content=b"\xff=\xff&" * 9)
    tables = await as_attacker(office, "select table_name from information_schema.tables where table_schema = 'public'")
    for table in (row["table_name"] for row in tables):
        dump = json.dumps([str(dict(row)) for row in await as_attacker(office, f"select * from {table}")])
        for code in codes:
            assert code not in dump, table
            assert code.replace("-", "") not in dump, table
        if table != "response":
            assert "nodir fikr" not in dump, table
    printed = "".join(capfd.readouterr())
    assert all(code not in printed and code.replace("-", "") not in printed for code in codes)


async def test_events_carry_scores_and_counts_and_nothing_else(office: Office) -> None:
    await a_round(office)
    rows = await as_attacker(office, "select data, traceparent from event order by time desc limit $1", RESPONDENTS)
    for row in rows:
        data = json.loads(row["data"])
        assert data.keys() == {
            "id",
            "version",
            "campaign_id",
            "group",
            "institution_id",
            "month",
            "index_thousandths",
            "dimensions",
        }
        assert row["traceparent"] is None
