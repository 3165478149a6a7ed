"""The edge of a request: commands once however often they are sent, versions, bodies, languages, wrong requests."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.i18n import Lang
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role
from tests.support.services import Client, Running

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


def ministry(service: Running) -> Client:
    return service.as_(Role.MINISTRY, "17")


@pytest.fixture(autouse=True, scope="module")
async def _territory(service: Running) -> None:
    for soato in ("17", "1708", "1708201"):
        assert (await ministry(service).put(f"/v1/territory/{soato}", {"names": NAMES})).status_code == 200


def an_institution(code: str) -> dict[str, Any]:
    return {"code": code, "name": "A", "kind": "school", "district": "1708201", "opened_on": "2020-09-01"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:hamkor:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["remedy"]
    return body


async def test_twenty_identical_commands_at_once_have_one_effect(service: Running) -> None:
    body = an_institution("T-20")
    answers = await asyncio.gather(*(ministry(service).post("/v1/institutions", body, key="twenty") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["hamkor-position"] for answer in answers}) == 1
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert sum(answer.headers.get("idempotency-replayed") != "true" for answer in answers) == 1
    found = (await ministry(service).get("/v1/institutions", code="T-20")).json()["items"]
    assert len(found) == 1


async def test_two_different_commands_for_one_natural_key_at_once(service: Running) -> None:
    answers = await asyncio.gather(
        *(ministry(service).post("/v1/institutions", an_institution("T-race")) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "already-exists")


async def test_command_cut_off_after_its_commit_is_answered_when_it_comes_again(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = UnitOfWork.commit

    async def commit_and_lose_the_answer(self: UnitOfWork) -> None:
        await commit(self)
        raise ConnectionResetError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "commit", commit_and_lose_the_answer)
        first = await ministry(service).post("/v1/institutions", an_institution("T-cut"), key="cut")
    assert_problem(first, 503, "unavailable")
    again = await ministry(service).post("/v1/institutions", an_institution("T-cut"), key="cut")
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["code"] == "T-cut"


async def test_keys_of_two_callers_do_not_meet(service: Running) -> None:
    one = await ministry(service).post("/v1/institutions", an_institution("T-a"), key="mine")
    other = await service.as_(Role.REGION, "1708").post("/v1/institutions", an_institution("T-b"), key="mine")
    assert (one.status_code, other.status_code) == (201, 201)
    assert one.json()["id"] != other.json()["id"]


async def test_idempotency_key_is_demanded_and_bound_to_its_command(service: Running) -> None:
    client = ministry(service)
    headers = client._headers()
    naked = await service.http.put(service.base + "/v1/territory/17", json={"names": NAMES}, headers=headers)
    assert_problem(naked, 400, "idempotency-key-required")
    long = await client.put("/v1/territory/17", {"names": NAMES}, key="x" * 201)
    assert assert_problem(long, 422, "invalid-input")["errors"][0]["field"] == "Idempotency-Key"
    await client.put("/v1/territory/17", {"names": NAMES}, key="bound")
    other = await client.put("/v1/territory/1708", {"names": NAMES}, key="bound")
    assert_problem(other, 422, "idempotency-key-reused")


async def test_refused_command_may_be_mended_under_the_same_key(service: Running) -> None:
    wrong = await ministry(service).post(
        "/v1/institutions", an_institution("T-m") | {"district": "1708999"}, key="mend"
    )
    assert_problem(wrong, 422, "invalid-input")
    right = await ministry(service).post("/v1/institutions", an_institution("T-m"), key="mend")
    assert right.status_code == 201


async def test_versions_guard_against_lost_updates(service: Running) -> None:
    client = ministry(service)
    created = (await client.post("/v1/institutions", an_institution("T-v"))).json()
    path = f"/v1/institutions/{created['id']}"
    assert (await client.get(path)).headers["etag"] == '"1"'
    answers = await asyncio.gather(*(client.patch(path, {"name": f"B{n}"}, version=1) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert_problem(next(answer for answer in answers if answer.status_code == 412), 412, "version-mismatch")

    missing = await client.put("/v1/test/versioned/17", {"names": NAMES})
    assert_problem(missing, 428, "version-required")
    for garbage in (b"next", b"\xb2"):  # a superscript two is a digit to Python
        headers = {name.encode(): value.encode() for name, value in client._headers().items()}
        headers |= {b"Idempotency-Key": b"garbage", b"If-Match": garbage}
        refused = await service.http.put(service.base + "/v1/test/versioned/17", json={"names": NAMES}, headers=headers)
        assert assert_problem(refused, 422, "invalid-input")["errors"][0]["field"] == "If-Match"
    weak = client._headers() | {"Idempotency-Key": "weak", "If-Match": 'W/"1"'}
    taken = await service.http.put(service.base + "/v1/test/versioned/17", json={"names": NAMES}, headers=weak)
    assert taken.status_code == 200


async def test_body_over_the_limit_is_refused_declared_or_not(service: Running) -> None:
    headers = ministry(service)._headers() | {"Idempotency-Key": "large", "Content-Type": "application/json"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    for content in (b" " * 20_001, chunks()):
        answer = await service.http.post(service.base + "/v1/institutions", content=content, headers=headers)
        assert "20000" in assert_problem(answer, 413, "too-large")["detail"].replace(",", "")
    uz = await service.http.post(
        service.base + "/v1/institutions", content=b" " * 20_001, headers=headers | {"Accept-Language": "uz"}
    )
    assert assert_problem(uz, 413, "too-large")["title"] != "The request is too large"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"[" * 9000,
        b'{"code": "\\ud800"}',
        b'{"code": "a", "code": 1e999}',
        json.dumps(an_institution("a\x00b")).encode(),
        json.dumps(an_institution("T-n") | {"name": "a\x00b"}).encode(),
        json.dumps(an_institution("T-n") | {"sector": "a\x00b"}).encode(),
        json.dumps(an_institution("T-n") | {"opened_on": "2020-13-01"}).encode(),
    ],
)
async def test_garbage_in_the_body_is_the_callers_mistake(service: Running, content: bytes) -> None:
    headers = ministry(service)._headers() | {"Idempotency-Key": f"garbage {content[:40]!r}"[:200]}
    headers["Content-Type"] = "application/json"
    answer = await service.http.post(service.base + "/v1/institutions", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/institutions/%00",
        "/v1/institutions/%ff",
        "/v1/institutions/" + "x" * 3000,
        "/v1/institutions?after=%00",
        "/v1/institutions?after=bnVsbA",
        "/v1/institutions?after=WyIxIiwyXQ",
        "/v1/institutions?after=W1siYSJdLCJiIl0",
        "/v1/institutions?after=WyJcdTAwMDAiLCJiIl0",
        "/v1/institutions?after=WyJcdWQ4MDAiLCJiIl0",
        "/v1/institutions?limit=0",
        "/v1/institutions?limit=99999999999999999999999",
        "/v1/institutions?q=%00",
        "/v1/institutions?q=%25_%5C",
        "/v1/institutions?code=%00",
        "/v1/institutions?district=%D9%A1%D9%A7",
        "/v1/institutions?kind=castle",
        "/v1/nothing",
        "/internal/dead-letters/%00/replay",
    ],
)
async def test_garbage_in_the_address_is_the_callers_mistake(service: Running, path: str) -> None:
    answer = await service.http.get(service.base + path, headers=ministry(service)._headers())
    assert answer.status_code in (200, 400, 404, 405, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("lang", Lang)
async def test_problems_speak_the_callers_language(service: Running, lang: Lang) -> None:
    headers = ministry(service)._headers() | {"Accept-Language": f"{lang}, de;q=0.9"}
    said = {}
    for path, status in (
        ("/v1/test/refused", 422),
        ("/v1/test/crash", 500),
        ("/v1/test/down", 503),
        ("/v1/test/number?n=12", 422),
        ("/v1/institutions/nobody", 404),
        ("/v1/nowhere", 404),
    ):
        answer = await service.http.get(service.base + path, headers=headers)
        assert answer.status_code == status
        said[path] = answer.json()
        assert "secret" not in answer.text
        assert "10.0.0.7" not in answer.text
    assert said["/v1/test/refused"]["errors"][0]["field"] == "a.0.b"
    assert "9" in said["/v1/test/number?n=12"]["errors"][0]["message"]
    if lang is not Lang.EN:
        english = await service.http.get(service.base + "/v1/test/refused", headers=headers | {"Accept-Language": "en"})
        assert english.json()["title"] != said["/v1/test/refused"]["title"]


async def test_operators_machinery_is_closed_to_everybody_else(service: Running) -> None:
    for path in ("/internal/heads", "/internal/inbox", "/internal/dead-letters", "/internal/events"):
        assert_problem(await ministry(service).get(path, shard=0), 403, "forbidden")
        assert_problem(await service.http.get(service.base + path), 401, "unauthenticated")
    assert (await service.as_(Role.OPERATOR).get("/internal/heads")).status_code == 200
    assert_problem(await service.as_(Role.OPERATOR).get("/internal/events", shard=0), 403, "forbidden")
