"""An attack on anonymity with the whole database, dead rows included, the events and the logs – but not the pepper.

Respondents answer one after the other with answers that tell them apart. The attacker is granted who holds which code
(by its fingerprint), or who took up which invitation when, and pairs them with responses by every order that the
database tells. By chance one pair in n is right on average, however many there are; the number of right pairs among n
is then Poisson-like with mean 1.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pytest

from services.surveys.commands.responses import Outcome, Submission, record_answers, submission
from services.surveys.domain.codes import read_code
from shared.contracts.surveys import RESPONSE_RECORDED, ResponseMode
from shared.persistence.engine import dsn_of
from tests.integration.surveys.support import K, Office
from tests.integration.surveys.test_tokens import a_token, answer_with, secrets_of
from tests.support.services import eventually

RESPONDENTS = 4 * K
PAIRED = 6 * K
"""Respondents where pairs are counted: one large round sees the same leaks as several small ones, and is faster."""
TOO_MANY = 10
"""Right pairs that chance (mean 1, variance 1) reaches less than once in 10^6 runs."""

FORBIDDEN_COLUMNS = re.compile(r"time|stamp|_at$|address|agent|trace|ip$|user|person|name|serial|seq", re.IGNORECASE)
LINK_TABLES = {"access_code", "spent_mark", "staged_answer", "response"}


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


async def told(office: Office, campaign: str, count: int) -> None:
    """Close a campaign and wait until its answers are responses and what was spent is forgotten."""
    await office.coordinator.post(f"/v1/campaigns/{campaign}/close")

    async def all_there() -> bool:
        found = await as_attacker(
            office,
            "select (select count(*) from response where campaign_id = $1), "
            "(select count(*) from spent_mark where campaign_id = $1)",
            campaign,
        )
        return bool(found[0][0] == count and found[0][1] == 0)

    await eventually(all_there, "all responses")


async def a_round(office: Office, count: int = RESPONDENTS) -> tuple[str, dict[bytes, int]]:
    """Respondents answer one after the other, respondent n with n months to the first job; who holds which code."""
    campaign = await office.campaign("S4")
    codes = await office.codes(campaign, count)
    vault = office.running.app.state.surveys.vault
    held: dict[bytes, int] = {}
    for number, code in enumerate(codes):
        answer = await office.respond(code, status="employed", first_job=str(number))
        assert answer.status_code == 303
        known = read_code(code)
        assert known is not None
        held[vault.fingerprint(known)] = number
    return campaign.id, held


RESPONSES = (
    "select r.id, cast(cast(r.xmin as text) as bigint) as xid, cast(r.ctid as text) as place, e.shard, e.position, "
    "e.id as event_id, cast(r.answers->>'first_job' as int) as who "
    "from response r join event e on e.subject = 'response/' || r.id where r.campaign_id = $1"
)
CODES = (
    "select fingerprint, cast(cast(xmin as text) as bigint) as xid, cast(ctid as text) as place "
    "from access_code where campaign_id = $1"
)


def age(row: asyncpg.Record) -> int:
    return int(row["xid"])


def place(row: asyncpg.Record) -> tuple[int, int]:
    page, line = row["place"].strip("()").split(",")
    return int(page), int(line)


def age_then_place(row: asyncpg.Record) -> tuple[int, tuple[int, int]]:
    return age(row), place(row)


def by_fingerprint(row: asyncpg.Record) -> bytes:
    return bytes(row["fingerprint"])


Order = Callable[[asyncpg.Record], Any]
ORDERS_OF_RESPONSES: dict[str, Order] = {
    "places of responses": place,
    "ages of responses": age_then_place,
    "ids of responses": lambda row: row["id"],
    "positions of events": lambda row: (row["shard"], row["position"]),
    "ids of events": lambda row: row["event_id"],
}
ATTACKS: dict[str, tuple[Order, Order]] = {
    f"{ours} against {theirs}": (order, other)
    for ours, order in {"places": place, "ages": age_then_place, "fingerprints": by_fingerprint}.items()
    for theirs, other in ORDERS_OF_RESPONSES.items()
}


def right_pairs(codes: Sequence[int], responses: Sequence[int]) -> int:
    return sum(one == other for one, other in zip(codes, responses, strict=True))


@pytest.mark.slow
async def test_pairing_codes_with_responses_does_no_better_than_chance(office: Office) -> None:
    campaign, held = await a_round(office, PAIRED)
    await told(office, campaign, PAIRED)
    codes = await as_attacker(office, CODES, campaign)
    responses = await as_attacker(office, RESPONSES, campaign)
    assert len(codes) == len(responses) == PAIRED
    hits = {
        name: right_pairs(
            [held[bytes(row["fingerprint"])] for row in sorted(codes, key=code_order)],
            [row["who"] for row in sorted(responses, key=response_order)],
        )
        for name, (code_order, response_order) in ATTACKS.items()
    }
    assert {name: found for name, found in hits.items() if found >= TOO_MANY} == {}


async def test_spending_a_code_leaves_no_trace_on_it_not_even_a_dead_row(office: Office) -> None:
    """Dead rows, and the log that is written ahead, hold older versions of what was changed: here there are none."""
    campaign = await office.campaign("S4")
    codes = await office.codes(campaign, 2 * K)
    before = await as_attacker(office, CODES, campaign.id)
    for code in codes[:K]:
        assert (await office.respond(code)).status_code == 303
    await told(office, campaign.id, K)
    after = await as_attacker(office, CODES, campaign.id)
    assert {tuple(row) for row in before} == {tuple(row) for row in after}, (
        "who answered cannot be told from who didn't"
    )
    (row,) = await as_attacker(
        office, "select n_tup_upd + n_tup_del as changed from pg_stat_user_tables where relname = 'access_code'"
    )
    changed = row["changed"]
    await office.codes(await office.campaign("S4"), 1)
    (row,) = await as_attacker(
        office, "select n_tup_upd + n_tup_del as changed from pg_stat_user_tables where relname = 'access_code'"
    )
    assert row["changed"] == changed


async def test_marks_name_no_code_and_answers_move_on_in_transactions_of_their_own(office: Office) -> None:
    campaign, held = await a_round(office)
    marks = await as_attacker(office, "select mark, cast(xmin as text) as xid from spent_mark")
    assert len(marks) == RESPONDENTS
    assert not {bytes(row["mark"]) for row in marks} & held.keys()
    responses = await as_attacker(office, "select cast(xmin as text) as xid, count(*) from response group by 1")
    assert not {row["xid"] for row in marks} & {row["xid"] for row in responses}
    assert all(row["count"] >= K for row in responses), "while a campaign is open nobody moves in smaller company"
    await told(office, campaign, RESPONDENTS)


@pytest.mark.slow
async def test_pairing_invitations_with_responses_does_no_better_than_chance(office: Office) -> None:
    """The attacker knows who took up which invitation and when, to the transaction; tokens are spent in another order.

    That the order is another one is the respondents' doing: whoever answers in the minute of redeeming is hidden by the
    company of k alone. The control shows what the attacker would find without it.
    """
    campaign = (await office.campaign("S4")).id
    secrets = await secrets_of(office, campaign, RESPONDENTS)
    tokens = [await a_token(office, campaign, secret) for secret in secrets]
    order = list(range(RESPONDENTS))
    random.Random(7).shuffle(order)
    for who in order:
        answer = await answer_with(office, campaign, tokens[who], status="employed", first_job=str(who))
        assert answer.status_code == 303
    await told(office, campaign, RESPONDENTS)
    responses = await as_attacker(office, RESPONSES, campaign)
    redemptions = await as_attacker(
        office, "select fingerprint, cast(xmin as text) as xid from redemption where campaign_id = $1", campaign
    )
    assert len(redemptions) == len(responses) == RESPONDENTS
    hits = {
        name: right_pairs(list(range(RESPONDENTS)), [row["who"] for row in sorted(responses, key=response_order)])
        for name, response_order in ORDERS_OF_RESPONSES.items()
    }
    assert {name: found for name, found in hits.items() if found >= TOO_MANY} == {}
    stored = json.dumps([str(dict(row)) for row in await as_attacker(office, "select * from invitation")])
    assert not any(bytes(row["fingerprint"]).hex() in stored for row in redemptions)


async def test_interviews_leave_nothing_of_their_device_behind(office: Office) -> None:
    """Offline entries: the ids that devices made stand nowhere, and which came together cannot be told afterwards."""
    campaign = await office.campaign("S4")
    vault = office.running.app.state.surveys.vault
    ids = [f"device-{number}" for number in range(2 * K)]
    day = campaign.period.first

    def entered(number: int) -> Submission:
        mark = vault.mark_of(campaign.id, "interview", ids[number].encode())
        return submission(
            vault, campaign.id, mark, {"status": "employed", "first_job": number}, day, ResponseMode.INTERVIEW
        )

    for batch in (range(K), range(2 * K), range(K, 2 * K)):
        async with office.database.unit_of_work() as uow:
            outcomes = await record_answers(uow, vault, [entered(number) for number in batch])
        assert Outcome.CLOSED not in outcomes
    await told(office, campaign.id, 2 * K)
    rows = await as_attacker(office, "select mode, answers->>'first_job' as who from response")
    assert sorted(int(row["who"]) for row in rows) == list(range(2 * K)), "each once"
    assert {row["mode"] for row in rows} == {"interview"}
    told_of = await as_attacker(
        office, "select data from event where type = $1 order by time desc limit $2", RESPONSE_RECORDED.name, 2 * K
    )
    assert {json.loads(row["data"])["mode"] for row in told_of} == {"interview"}
    for table in ("response", "spent_mark", "staged_answer", "event", "idempotency"):
        dump = json.dumps([str(dict(row)) for row in await as_attacker(office, f"select * from {table}")])
        assert not any(id_ in dump for id_ in ids), table


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
    assert columns["access_code"] == {"campaign_id", "fingerprint"}
    assert columns["spent_mark"] == {"campaign_id", "mark"}
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
    campaign, _ = await a_round(office, K)
    await told(office, campaign, K)
    rows = await as_attacker(
        office,
        "select data, traceparent from event where type = $1 order by time desc limit $2",
        RESPONSE_RECORDED.name,
        K,
    )
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
            "mode",
        }
        assert data["mode"] == ResponseMode.FORM
        assert row["traceparent"] is None
