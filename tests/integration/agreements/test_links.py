"""Parties without an account sign by a link: once, until its time, unless it is taken back – and no token is kept."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from services.agreements.api import confirmations
from services.agreements.commands.links import hash_of
from shared.persistence.engine import dsn_of
from shared.scope import Role
from shared.web.guesses import WrongGuesses
from tests.integration.agreements.support import PAPER, Country, State, day, do, ok, rules


async def a_triple(country: Country, **changes: object) -> tuple[str, State]:
    """A draft of an institution with an enterprise, a hokimiyat and a student; the first two have signed."""
    institution, enterprise = await country.institution(), await country.enterprise()
    parties = [
        {"category": "institution", "ref": institution},
        {"category": "enterprise", "ref": enterprise},
        {"category": "hokimiyat", "ref": "H-12"},
        {"category": "student", "ref": "S-77"},
    ]
    agreement = await country.draft(institution, enterprise, parties=parties, **changes)
    school = country.school(institution)
    for party in ("p1", "p2"):
        agreement = await do(school, agreement, "sign", {"party_id": party, "signed_on": day(-5), **PAPER})
    return institution, agreement


async def a_link(country: Country, institution: str, agreement: State, party: str) -> State:
    """A new link of a party."""
    path = f"/v1/agreements/{agreement['id']}/confirmation-links"
    return ok(await country.school(institution).post(path, {"party_id": party}), 201)


async def visit(country: Country, token: str) -> httpx.Response:
    """GET without a sign-in."""
    return await country.agreements.http.get(f"{country.agreements.base}/v1/confirmations/{token}")


async def agree(country: Country, token: str, key: str, version: int = 1, language: str = "uz") -> httpx.Response:
    """POST without a sign-in, having read this version."""
    return await country.agreements.http.post(
        f"{country.agreements.base}/v1/confirmations/{token}",
        json={"agreed": True, "version": version},
        headers={"Idempotency-Key": key, "Accept-Language": language},
    )


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which says in words what to do."""
    body = answer.json()
    assert all(body[part] for part in ("title", "detail", "remedy"))
    return answer.status_code, body["type"].rpartition(":")[2]


async def test_parties_without_an_account_sign_by_link_once(country: Country) -> None:
    institution, agreement = await a_triple(country)
    hokimiyat, student = [await a_link(country, institution, agreement, party) for party in ("p3", "p4")]
    assert hokimiyat["path"] == f"/c/{hokimiyat['token']}"
    shown = await visit(country, hokimiyat["token"])
    assert shown.headers["cache-control"] == "no-store"
    content = ok(shown)
    assert (content["party_id"], content["signed"], content["form"]) == ("p3", False, "AF1")
    assert [party["signature"] is not None for party in content["parties"]] == [True, True, False, False]
    assert all(party["signature"]["scan_ref"] is None for party in content["parties"][:2])
    assert content["names"] == {"p1": "T", "p2": "Zavod"}, "one knows with whom one signs; persons have no name here"
    school = country.school(institution)
    path = f"/v1/agreements/{agreement['id']}"
    assert ok(await school.get(path))["version"] == agreement["version"], "looking changes nothing"
    for body, wrong in (({"agreed": False, "version": 3}, "agreed"), ({"agreed": True}, "version")):
        unread = await country.agreements.http.post(
            f"{country.agreements.base}/v1/confirmations/{hokimiyat['token']}",
            json=body,
            headers={"Idempotency-Key": "unread"},
        )
        assert list(rules(unread)) == [wrong]
    # Both at the same moment: one signs, the other is shown that, and neither signature is lost.
    read = {link["token"]: content["version"] for link in (hokimiyat, student)}
    answers = await asyncio.gather(*(agree(country, token, "first", version) for token, version in read.items()))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    late = next(token for token, answer in zip(read, answers, strict=True) if answer.status_code == 409)
    read[late] = ok(await visit(country, late))["version"]
    signed = ok(await agree(country, late, "first", read[late]))
    assert signed["names"] == content["names"]
    assert signed["signed"], "what was refused used up no key"
    signed = ok(await school.get(path))
    assert (signed["status"], signed["signed_on"]) == ("active", day(0))
    assert [party["signature"]["kind"] for party in signed["parties"][2:]] == ["electronic", "electronic"]
    # The same request again gets its answer; another one finds the link used, as does a look.
    again = await agree(country, student["token"], "first", read[student["token"]])
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert problem_of(await agree(country, student["token"], "second")) == (410, "link-used")
    assert problem_of(await visit(country, student["token"])) == (410, "link-used")
    links = ok(await school.get(f"{path}/confirmation-links"))["items"]
    assert [link["status"] for link in links] == ["used", "used"]
    assert not any("token" in link for link in links)


async def test_link_signs_the_version_that_was_shown_and_no_other(country: Country) -> None:
    institution, agreement = await a_triple(country)
    school = country.school(institution)
    hokimiyat, student = [await a_link(country, institution, agreement, party) for party in ("p3", "p4")]
    shown = ok(await visit(country, student["token"]))
    assert shown["version"] == agreement["version"]
    # Something happens between reading and confirming.
    assert ok(await agree(country, hokimiyat["token"], "first", shown["version"]))["version"] == shown["version"] + 1
    for lang in ("uz", "uz-Cyrl", "ru", "en"):
        late = await agree(country, student["token"], f"late {lang}", shown["version"], lang)
        assert problem_of(late) == (409, "agreement-changed")
    unsigned = ok(await school.get(f"/v1/agreements/{agreement['id']}"))
    assert unsigned["parties"][3]["signature"] is None
    # The link is still good for what it shows now.
    again = ok(await visit(country, student["token"]))
    assert again["parties"][2]["signature"]["kind"] == "electronic"
    assert ok(await agree(country, student["token"], "second", again["version"]))["signed"]
    assert problem_of(await agree(country, student["token"], "third", shown["version"])) == (410, "link-used")


async def test_link_signs_no_schedule_that_it_has_not_shown(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    parties = [
        {"category": "institution", "ref": institution},
        {"category": "enterprise", "ref": enterprise},
        {"category": "student", "ref": "S-77"},
    ]
    renewal = {"months": 12, "notice_days": 30}
    draft = await country.draft(institution, enterprise, parties=parties, renewal=renewal)
    school = country.school(institution)
    path = f"/v1/agreements/{draft['id']}/schedule"
    term = {"term": "t1", "starts_on": day(1), "ends_on": day(40), "profession": "7212", "seats": 5}
    draft = ok(await school.put(path, {"terms": [term]}, version=draft["version"]))
    link = await a_link(country, institution, draft, "p3")
    shown = ok(await visit(country, link["token"]))
    assert (shown["schedule"][0]["seats"], shown["renewal"]) == (5, renewal)
    more = ok(await school.put(path, {"terms": [{**term, "seats": 500}]}, version=draft["version"]))
    assert problem_of(await agree(country, link["token"], "unseen", shown["version"])) == (409, "agreement-changed")
    shown = ok(await visit(country, link["token"]))
    assert (shown["schedule"][0]["seats"], shown["version"]) == (500, more["version"])
    signed = ok(await agree(country, link["token"], "seen", shown["version"]))
    again = await school.put(path, {"terms": [term]}, version=signed["version"])
    assert problem_of(again) == (409, "somebody-signed")


async def test_one_link_signs_once_however_many_come_at_once(country: Country) -> None:
    institution, agreement = await a_triple(country)
    link = await a_link(country, institution, agreement, "p3")
    version = agreement["version"]
    answers = await asyncio.gather(*(agree(country, link["token"], f"at once {n}", version) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410, 410]
    state = ok(await country.school(institution).get(f"/v1/agreements/{agreement['id']}"))
    assert state["version"] == agreement["version"] + 1


async def test_link_is_revoked_replaced_and_expires(country: Country) -> None:
    institution, agreement = await a_triple(country)
    school = country.school(institution)
    path = f"/v1/agreements/{agreement['id']}/confirmation-links"
    first = await a_link(country, institution, agreement, "p4")
    second = await a_link(country, institution, agreement, "p4")
    assert problem_of(await visit(country, first["token"])) == (410, "link-revoked")
    assert (await visit(country, second["token"])).status_code == 200
    revoked = ok(await school.post(f"{path}/{second['id']}/revoke"))
    assert revoked["status"] == "revoked"
    refused = await school.post(f"{path}/{second['id']}/revoke")
    assert (refused.status_code, refused.json()["state"]) == (409, "revoked")
    assert problem_of(await agree(country, second["token"], "late")) == (410, "link-revoked")
    third = await a_link(country, institution, agreement, "p4")
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            past = datetime.now(UTC) - timedelta(seconds=1)
            await connection.execute(
                "update confirmation_link set expires_at = $1 where token_hash = $2", past, hash_of(third["token"])
            )
            # Of a token there is its hash, nowhere the token: neither with the link nor among answers to be repeated.
            kept = await connection.fetch(
                "select l::text as row from confirmation_link l union all "
                "select convert_from(body, 'utf8') || headers::text || key || subject from idempotency "
                "union all select convert_from(data, 'utf8') from event"
            )
            assert not [row for row in kept for link in (first, second, third) if link["token"] in row["row"]]
    finally:
        await connection.close()
    assert problem_of(await visit(country, third["token"])) == (410, "link-expired")
    assert problem_of(await agree(country, third["token"], "late")) == (410, "link-expired")
    assert [link["status"] for link in ok(await school.get(path))["items"]] == ["revoked", "revoked", "expired"]
    state = ok(await school.get(f"/v1/agreements/{agreement['id']}"))
    assert state["version"] == agreement["version"]


async def test_repeated_request_for_a_link_does_not_tell_the_token_again(country: Country) -> None:
    institution, agreement = await a_triple(country)
    path = f"/v1/agreements/{agreement['id']}/confirmation-links"
    first, again = [await country.school(institution).post(path, {"party_id": "p3"}, key="link") for _ in range(2)]
    assert ok(first, 201)["token"]
    assert ok(again, 201)["id"] == first.json()["id"]
    assert "token" not in again.json()


async def test_links_are_for_parties_without_an_account_and_made_by_the_institution(country: Country) -> None:
    institution, agreement = await a_triple(country)
    path = f"/v1/agreements/{agreement['id']}/confirmation-links"
    school = country.school(institution)
    assert rules(await school.post(path, {"party_id": "p2"})) == {"party_id": "party_has_account"}
    assert rules(await school.post(path, {"party_id": "p9"})) == {"party_id": "unknown_party"}
    assert rules(await school.post(path, {"party_id": "p3", "days": 61})) == {"days": "less_than_equal"}
    stranger = country.school(await country.institution())
    assert (await stranger.post(path, {"party_id": "p3"})).status_code == 404
    assert (await stranger.get(path)).status_code == 404
    firm = country.firm(agreement["parties"][1]["ref"])
    assert (await firm.post(path, {"party_id": "p3"})).status_code == 403
    ministry = country.agreements.as_(Role.MINISTRY, "17")
    assert (await ministry.post(path, {"party_id": "p3"})).status_code == 403
    link = await a_link(country, institution, agreement, "p3")
    assert (await stranger.post(f"{path}/{link['id']}/revoke")).status_code == 404
    assert (await school.post(f"{path}/no-such-link/revoke")).status_code == 404
    signed = await do(school, agreement, "sign", {"party_id": "p3", "signed_on": day(0), **PAPER})
    assert problem_of(await visit(country, link["token"])) == (409, "already-signed")
    assert problem_of(await school.post(path, {"party_id": "p3"})) == (409, "already-signed")
    await do(school, signed, "cancel")
    refused = await school.post(path, {"party_id": "p4"})
    assert problem_of(refused) == (409, "wrong-state")


async def test_guessing_is_slowed_and_a_right_token_never_is(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmations, "WRONG_TOKENS", WrongGuesses(burst=2, clock=lambda: 0.0))
    institution, agreement = await a_triple(country)
    link = await a_link(country, institution, agreement, "p3")
    answers = [await visit(country, f"guess-{n}") for n in range(2)]
    answers += [await agree(country, "guess-3", "guess"), await visit(country, "%00")]
    assert [problem_of(answer) for answer in answers[:2]] == [(404, "link-not-found")] * 2
    assert [problem_of(answer) for answer in answers[2:]] == [(429, "too-many")] * 2
    assert answers[2].headers["retry-after"] == "60"
    assert (await visit(country, link["token"])).status_code == 200
    assert (await visit(country, "x" * 101)).status_code == 422


async def test_metrics_and_logs_name_the_route_alone(country: Country, capsys: pytest.CaptureFixture[str]) -> None:
    institution, agreement = await a_triple(country)
    link = await a_link(country, institution, agreement, "p3")
    await visit(country, link["token"])
    ok(await agree(country, link["token"], "logged", agreement["version"]))
    metrics = (await country.agreements.http.get(f"{country.agreements.base}/metrics")).text
    assert "/v1/confirmations/{token}" in metrics
    told = capsys.readouterr()
    assert link["token"] not in metrics + told.out + told.err
