"""Working pages: a form carries one command, counts once, and gives back everything typed whatever the service says."""

import html
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from services.portal.app import build
from tests.support.logs import told_logs
from tests.unit.portal.conftest import PORTAL, SAME_ORIGIN, Upstream, sign_in
from tests.unit.portal.described import document

PAGE = {"accept": "text/html", "accept-language": "en"}
SCHOOL, PLANT = "01980000-0000-7000-8000-00000000000a", "01980000-0000-7000-8000-00000000000e"
AGREEMENT = "01980000-0000-7000-8000-0000000000aa"
DRAFT: dict[str, Any] = {
    "id": AGREEMENT,
    "version": 3,
    "institution_id": SCHOOL,
    "form": "AF1",
    "opportunities": ["O4"],
    "status": "draft",
    "parties": [
        {"party_id": "p1", "category": "institution", "ref": SCHOOL, "signature": None},
        {"party_id": "p2", "category": "enterprise", "ref": PLANT, "signature": None},
    ],
    "valid_from": "2026-09-01",
    "valid_until": "2027-06-30",
}
TYPED = {
    "form": "AF1",
    "opportunities": ["O4", "O6"],
    "parties.0.category": "institution",
    "parties.0.ref": SCHOOL,
    "parties.1.category": "enterprise",
    "parties.1.ref": PLANT,
    "valid_from": "2026-09-01",
    "valid_until": "2027-06-30",
}
Answer = Callable[[httpx.Request], httpx.Response]


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {"type": f"urn:hamkor:problem:{code}", "title": f"<{code}>", "detail": "why", "remedy": "do", **more}
    return httpx.Response(status, json=body)


class Services:
    """What stands behind the pages: the real descriptions, a few entries, and an answer to commands."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.command: Answer = lambda _: httpx.Response(201, json=DRAFT)
        self.entries: dict[str, Mapping[str, Any]] = {
            f"/v1/agreements/{AGREEMENT}": DRAFT,
            f"/v1/enterprises/{PLANT}": {"id": PLANT, "version": 1, "name": "Zavod <b>&", "stir": "301234567"},
            f"/v1/institutions/{SCHOOL}": {"id": SCHOOL, "version": 1, "name": "Texnikum", "status": "active"},
        }
        upstream.answer = self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/openapi.json":
            service = request.url.host.partition(".")[0]
            return httpx.Response(200, json=document(service))
        if request.method != "GET":
            return self.command(request)
        if path in self.entries:
            return httpx.Response(200, json=self.entries[path])
        if path == "/v1/enterprises":
            return httpx.Response(200, json={"items": [self.entries[f"/v1/enterprises/{PLANT}"]], "next": None})
        if path.count("/") == 2 or path.endswith("activities"):
            return httpx.Response(200, json={"items": [], "next": None})
        return problem(404, "not-found")

    @property
    def commands(self) -> list[tuple[httpx.Request, Any]]:
        """The commands that arrived, with their bodies."""
        return [
            (request, json.loads(body) if body else None)
            for request, body in zip(self.upstream.requests, self.upstream.bodies, strict=True)
            if request.method != "GET"
        ]


@pytest.fixture
def services(upstream: Upstream) -> Services:
    return Services(upstream)


async def opened(browser: httpx.AsyncClient, path: str, user: str = f"institution:{SCHOOL}") -> dict[str, Any]:
    """The hidden fields of a form, as a browser would send them back."""
    await sign_in(browser, user)
    page = await browser.get(path, headers=PAGE)
    assert page.status_code == 200, page.text
    return hidden(page.text)


def hidden(page: str) -> dict[str, Any]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.partition("work-form")[2])
    return {name: html.unescape(value) for name, value in found}


async def post(browser: httpx.AsyncClient, path: str, data: Mapping[str, Any]) -> httpx.Response:
    return await browser.post(path, data=dict(data), headers=PAGE | SAME_ORIGIN)


async def test_form_becomes_one_command_however_often_it_is_sent(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, "/work/agreements/new")
    answers = [await post(browser, "/work/agreements/new", known | TYPED) for _ in range(2)]
    assert {answer.headers["location"] for answer in answers} == {f"/work/agreements/{AGREEMENT}?done=new"}
    (first, body), (second, _) = services.commands
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == known["_key"]
    assert body == {
        "institution_id": SCHOOL,
        "form": "AF1",
        "opportunities": ["O4", "O6"],
        "parties": [{"category": "institution", "ref": SCHOOL}, {"category": "enterprise", "ref": PLANT}],
        "valid_from": "2026-09-01",
        "valid_until": "2027-06-30",
    }


async def test_each_form_shown_has_a_key_of_its_own(browser: httpx.AsyncClient, services: Services) -> None:
    first = await opened(browser, "/work/agreements/new")
    assert hidden((await browser.get("/work/agreements/new", headers=PAGE)).text)["_key"] != first["_key"]


async def test_refused_form_keeps_what_was_typed_and_says_what_to_do_beside_the_field(
    browser: httpx.AsyncClient, services: Services
) -> None:
    error = {"field": "valid_until", "rule": "earlier_than", "message": "`27` <b>", "remedy": "Correct valid_until."}
    services.command = lambda _: problem(422, "invalid-input", errors=[error])
    known = await opened(browser, "/work/agreements/new")
    page = await post(browser, "/work/agreements/new", known | TYPED)
    assert page.status_code == 422
    assert hidden(page.text)["_key"] == known["_key"]
    assert 'value="2027-06-30"' in page.text
    assert re.search(r'value="O6" checked', page.text)
    assert re.search(rf'name="parties.1.ref" value="{PLANT}" checked', page.text)
    assert '<a href="#f-valid_until">' in page.text
    assert "Correct “Valid until (last day)”." in page.text
    assert "<strong><code>27</code> &lt;b&gt;</strong>" in page.text
    assert "&lt;invalid-input&gt;" in page.text
    assert "Zavod &lt;b&gt;&amp;" in page.text


async def test_service_that_is_down_loses_nothing_and_the_same_form_may_be_sent_again(
    browser: httpx.AsyncClient, services: Services
) -> None:
    def down(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    services.command = down
    known = await opened(browser, "/work/agreements/new")
    page = await post(browser, "/work/agreements/new", known | TYPED)
    assert page.status_code == 503
    assert "The service did not answer" in page.text
    again = hidden(page.text)
    services.command = lambda _: httpx.Response(201, json=DRAFT)
    assert (await post(browser, "/work/agreements/new", again | TYPED)).status_code == 303
    assert [request.headers["idempotency-key"] for request, _ in services.commands] == [known["_key"]] * 2


async def test_command_on_an_entry_names_the_version_that_was_shown(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, f"/work/agreements/{AGREEMENT}/sign")
    typed = {"party_id": "p1", "kind": "electronic", "signed_on": "2026-09-01"}
    assert (await post(browser, f"/work/agreements/{AGREEMENT}/sign", known | typed)).status_code == 303
    ((request, body),) = services.commands
    assert request.headers["if-match"] == '"3"'
    assert body == typed


async def test_amendment_begins_with_the_schedule_that_was_agreed(
    browser: httpx.AsyncClient, services: Services
) -> None:
    term = {"term": "T1", "starts_on": "2026-09-10", "ends_on": "2026-10-10", "profession": "7212", "seats": 12}
    active = DRAFT | {"status": "active", "schedule": [term | {"filled": 3, "completed": 0}]}
    services.entries[f"/v1/agreements/{AGREEMENT}"] = active
    await sign_in(browser, f"institution:{SCHOOL}")
    page = await browser.get(f"/work/agreements/{AGREEMENT}/amend", headers=PAGE)
    assert re.search(r'name="schedule.0.seats"[^>]*value="12"', page.text)
    known = hidden(page.text)
    more = {"schedule.0." + name: str(value) for name, value in (term | {"seats": 15}).items()} | {
        "every_party": "true"
    }
    assert (await post(browser, f"/work/agreements/{AGREEMENT}/amend", known | more)).status_code == 303
    ((_, body),) = services.commands
    assert body == {"schedule": [term | {"seats": 15}], "every_party": True}


async def test_entry_changed_meanwhile_is_compared_and_the_form_goes_on_with_the_new_version(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, f"/work/agreements/{AGREEMENT}/sign")
    services.entries[f"/v1/agreements/{AGREEMENT}"] = DRAFT | {"version": 4, "valid_until": "2027-08-31"}
    services.command = lambda _: problem(412, "version-mismatch")
    typed = {"party_id": "p1", "kind": "electronic", "signed_on": "2026-09-01"}
    page = await post(browser, f"/work/agreements/{AGREEMENT}/sign", known | typed)
    assert page.status_code == 412
    assert hidden(page.text)["_version"] == "4"
    assert re.search(r"30 June 2027.*31 August 2027", page.text, re.DOTALL)
    assert "Go on anyway" in page.text
    assert re.search('value="p1" selected', page.text)


async def test_step_that_is_no_longer_possible_names_those_that_are(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, f"/work/agreements/{AGREEMENT}/sign")
    services.entries[f"/v1/agreements/{AGREEMENT}"] = DRAFT | {"version": 5, "status": "active"}
    services.command = lambda _: problem(409, "wrong-state", state="active", step="sign", possible="suspend, end")
    page = await post(browser, f"/work/agreements/{AGREEMENT}/sign", known | {"party_id": "p1"})
    assert page.status_code == 409
    for step in ("suspend", "end", "amend", "activities"):
        assert f"/work/agreements/{AGREEMENT}/{step}" in page.text
    assert f'href="/work/agreements/{AGREEMENT}/cancel"' not in page.text


async def test_session_that_ends_while_somebody_types_loses_nothing(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, "/work/agreements/new")
    browser.cookies.clear()
    page = await post(browser, "/work/agreements/new", known | TYPED)
    assert page.status_code == 401
    assert "Your session has ended" in page.text
    assert 'value="2027-06-30"' in page.text
    assert hidden(page.text) | {"_version": ""} == known | {"_version": ""}
    assert services.commands == []
    await sign_in(browser, f"institution:{SCHOOL}")
    assert (await post(browser, "/work/agreements/new", hidden(page.text) | TYPED)).status_code == 303


async def test_without_scripts_buttons_of_the_form_find_entries_and_add_rows(
    browser: httpx.AsyncClient, services: Services
) -> None:
    known = await opened(browser, "/work/agreements/new")
    typed = TYPED | {"parties.1.ref": "", "parties.1.ref.find": "zav"}
    found = await post(browser, "/work/agreements/new", known | typed | {"_do": "find:parties.1.ref"})
    assert re.search(rf'type="radio" name="parties.1.ref" value="{PLANT}"', found.text)
    sent = await post(browser, "/work/agreements/new", known | typed | {"_do": "send"})
    assert sent.status_code == 422
    assert "Choose one of what was found." in sent.text
    added = await post(browser, "/work/agreements/new", known | TYPED | {"_do": "add:parties"})
    assert 'name="parties.2.category"' in added.text
    assert services.commands == []


async def test_only_agreements_of_the_form_are_offered_to_what_is_done_under_one(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.entries["/v1/agreements"] = {"items": [DRAFT], "next": None}
    await sign_in(browser, f"institution:{SCHOOL}")
    page = await browser.get("/work/placements/new", headers=PAGE)
    (address,) = re.findall(r'hx-get="(/fragments/pick/agreements[^"]*)"', page.text)
    await browser.get(f"{html.unescape(address)}&agreement_id.find=AF", headers=PAGE)
    asked = [request.url.params for request in services.upstream.requests if request.url.path == "/v1/agreements"]
    assert [each.get("form") for each in asked] == ["AF1", "AF1"]


async def test_other_sites_send_no_form(browser: httpx.AsyncClient, services: Services) -> None:
    known = await opened(browser, "/work/agreements/new")
    answer = await browser.post(
        "/work/agreements/new", data=known | TYPED, headers=PAGE | {"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403
    assert services.commands == []


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("ministry", "/work/agreements/new", 403),
        (f"institution:{SCHOOL}", "/work/institutions/new", 403),
        (f"enterprise:{PLANT}", "/work/incomes", 404),
        (f"institution:{SCHOOL}", "/work/nothing", 404),
        (f"institution:{SCHOOL}", "/work/agreements/..%2f..", 404),
        (f"institution:{SCHOOL}", f"/work/agreements/{AGREEMENT}/nothing", 404),
        ("operator", "/work", 403),
    ],
)
async def test_page_that_is_not_for_somebody_is_refused(
    browser: httpx.AsyncClient, services: Services, user: str, path: str, status: int
) -> None:
    await sign_in(browser, user)
    assert (await browser.get(path, headers=PAGE)).status_code == status


async def test_only_possible_steps_are_offered_to_those_who_may(browser: httpx.AsyncClient, services: Services) -> None:
    await sign_in(browser, f"enterprise:{PLANT}")
    page = (await browser.get(f"/work/agreements/{AGREEMENT}", headers=PAGE)).text
    offered = set(re.findall(rf'href="/work/agreements/{AGREEMENT}/([a-z-]+)"', page))
    assert offered == {"sign"}


async def test_matching_partners_stand_with_the_reasons_of_their_rank_and_the_next_step(
    browser: httpx.AsyncClient, services: Services
) -> None:
    reason = {
        "consideration": "distance",
        "code": "near",
        "value": 1,
        "weight": 0.2,
        "points": 0.2,
        "text": "Same <district>",
    }
    plant = {"id": PLANT, "name": "Zavod", "district": "1708201", "stir": "3", "size": "large", "isic_section": "C"}
    match = {"rank": 1, "score": 0.75, "enterprise": plant, "reasons": [reason]}
    services.entries[f"/v1/institutions/{SCHOOL}/matches"] = {"items": [match], "next": None}
    await sign_in(browser, f"institution:{SCHOOL}")
    page = (await browser.get("/work/matches", headers=PAGE)).text
    assert "Same &lt;district&gt; (+0.2)" in page
    assert f"enterprise_id={PLANT}" in page
    del services.entries[f"/v1/institutions/{SCHOOL}/matches"]
    assert "Matching is not available" in (await browser.get("/work/matches", headers=PAGE)).text


async def test_desk_shows_where_the_institution_stands_and_the_form_that_leads_on(
    browser: httpx.AsyncClient, services: Services
) -> None:
    need = {"evidence": "orientation", "name": "Council decision", "found": 0, "needed": 1}
    proof = {"evidence": "plan", "name": "Plan in force", "service": "agreements", "aggregate": "work_plan", "id": "w1",
             "from": "2026-09-01", "until": None}  # fmt: skip
    gates = [
        {"code": "R1", "name": "Oriented", "help": "", "stage": 1, "state": "missing", "since": None, "lapses_on": None,
         "asks": [{"answered": False, "any_of": [need]}], "evidence": []},
        {"code": "R10", "name": "Work plan", "help": "", "stage": 3, "state": "met", "since": "2026-09-01",
         "lapses_on": "2027-09-01", "asks": [], "evidence": [proof]},
    ]  # fmt: skip
    services.entries[f"/v1/institutions/{SCHOOL}/stage"] = {"stage": 0, "gates": gates}
    await sign_in(browser, f"institution:{SCHOOL}")
    page = (await browser.get("/work", headers=PAGE)).text
    assert "Council decision (0/1)" in page
    assert '<a class="button small plain" href="/work/orientations/new">' in page
    assert '<a href="/work/work-plans/w1">Plan in force</a>' in page
    assert "lapses on 1 September 2027" in page


# -- confirming by a link ----------------------------------------------------------------------------------------------

LINK = {
    "agreement_id": AGREEMENT,
    "version": 3,
    "form": "AF1",
    "opportunities": ["O4"],
    "valid_from": "2026-09-01",
    "valid_until": "2027-06-30",
    "renewal": {"months": 12, "notice_days": 30},
    "parties": [{"party_id": "p1", "category": "institution", "ref": SCHOOL, "signature": None},
                {"party_id": "p3", "category": "hokimiyat", "ref": "H-1", "signature": None}],
    "names": {"p1": "Zomin tumani 1-son kolleji"},
    "schedule": [],
    "party_id": "p3",
    "expires_at": "2026-12-01T10:00:00+05:00",
    "signed": False,
}  # fmt: skip


async def test_signature_is_confirmed_by_link_without_an_account(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.entries["/v1/confirmations/tok-en_1"] = LINK
    services.command = lambda _: httpx.Response(200, json=LINK | {"signed": True})
    page = await browser.get("/c/tok-en_1", headers=PAGE)
    assert page.status_code == 200
    assert "hokimiyat – this is you" in page.text
    assert "Zomin tumani 1-son kolleji" in page.text
    assert re.search(r"Renewed for, months</dt>\s*<dd>12", page.text), "it goes on by itself: that is signed too"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    key = re.search('name="_key" value="([^"]+)"', page.text)
    assert key is not None
    assert 'name="version" value="3"' in page.text
    form = {"_key": key[1], "version": "3"}
    done = await browser.post("/c/tok-en_1", data=form, headers=PAGE | {"origin": "null"})
    assert "The signature is in" in done.text
    assert "1 Dec 2026" in page.text
    assert "1 Dec 2026" not in done.text, "a used link is of no more use"
    ((request, body),) = services.commands
    assert body == {"agreed": True, "version": 3}
    assert request.headers["idempotency-key"] == key[1]
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "There is no such link"), (410, "The link no longer works"), (429, "Too many tries"), (503, "does not")],
)
async def test_link_that_does_not_work_is_explained(
    browser: httpx.AsyncClient, services: Services, status: int, said: str
) -> None:
    services.upstream.answer = lambda _: problem(status, "link-used")
    page = await browser.get("/c/abc", headers=PAGE)
    assert page.status_code == status
    assert said in page.text
    assert '<form method="post" action="/c/' not in page.text


async def test_broken_connection_while_confirming_may_be_tried_again_with_the_same_key(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.command = lambda _: problem(503, "unavailable")
    page = await browser.post("/c/abc", data={"_key": "key-1", "version": "3"}, headers=PAGE)
    assert page.status_code == 503
    assert 'name="_key" value="key-1"' in page.text
    assert 'name="version" value="3"' in page.text


@pytest.mark.parametrize("seen", [{"version": "3"}, {"version": "x"}, {}])
async def test_agreement_that_changed_meanwhile_is_shown_anew_and_not_signed(
    browser: httpx.AsyncClient, services: Services, seen: dict[str, str]
) -> None:
    services.entries["/v1/confirmations/abc"] = LINK | {"version": 4, "valid_until": "2027-07-31"}
    services.command = lambda _: problem(409, "agreement-changed")
    page = await browser.post("/c/abc", data={"_key": "key-1", **seen}, headers=PAGE)
    assert page.status_code == 409
    assert "The agreement has changed meanwhile" in page.text
    assert "31 July 2027" in page.text
    assert 'name="version" value="4"' in page.text
    assert 'name="_key" value="key-1"' not in page.text, "another confirmation, another key"
    ((_, body),) = services.commands
    assert body == {"agreed": True, "version": 3 if seen.get("version") == "3" else 0}


async def test_token_of_a_link_stands_in_no_log_not_even_of_a_crash(
    environment: dict[str, str],
    services: Services,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("a fault of ours")

    services.upstream.answer = crash
    app = build(environment | {"LOG_LEVEL": "debug"}, httpx.MockTransport(services.upstream))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    # the service's own set-up took pytest's handler away
    monkeypatch.setattr(logging.getLogger(), "handlers", [caplog.handler])
    with told_logs() as events, caplog.at_level("DEBUG"):
        async with httpx.AsyncClient(transport=transport, base_url=PORTAL) as browser:
            assert (await browser.get("/c/very-secret-token", headers=PAGE)).status_code == 500
    assert "request.crashed" in {event["event"] for event in events}
    assert {event["route"] for event in events} == {"/c/{token}"}
    assert "very-secret-token" not in f"{events} {caplog.text}"


MERGED, STRANGER = "01980000-0000-7000-8000-00000000000b", "01980000-0000-7000-8000-00000000000c"


async def test_a_list_names_the_institution_whose_work_the_reader_goes_on_with_and_no_stranger(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.entries[f"/v1/institutions/{MERGED}"] = {"id": MERGED, "version": 2, "name": "Litsey", "status": "closed"}
    followed = {**DRAFT, "id": AGREEMENT[:-1] + "b", "institution_id": MERGED}
    followed["parties"] = [{**DRAFT["parties"][0], "ref": MERGED}, DRAFT["parties"][1]]
    services.entries["/v1/agreements"] = {"items": [DRAFT, followed], "next": None}
    services.entries[f"/v1/agreements/{followed['id']}"] = followed
    need = {"id": AGREEMENT, "version": 1, "institution_id": STRANGER, "opportunity": "O4", "status": "open"}
    services.entries["/v1/needs"] = {"items": [need], "next": None}
    await sign_in(browser, f"institution:{SCHOOL}")
    page = (await browser.get("/work/agreements", headers=PAGE)).text
    assert page.count('<small class="quiet">') == page.count('<small class="quiet">Litsey</small>') == 1
    assert '<small class="quiet">' not in (await browser.get("/work/needs", headers=PAGE)).text
    # One signs for it, by this form.
    page = (await browser.get(f"/work/agreements/{followed['id']}/sign", headers=PAGE)).text
    assert re.search(r'value="electronic"[^>]*(checked|selected)', page)


HOOK = {"url": "https://portal.example.uz/h", "types": ["hamkor.*"], "status": "active", "secrets": 1}


@pytest.mark.parametrize(
    ("user", "org", "owners"),
    [("ministry", "17", {"17", "1708", "1708201"}), ("jizzakh", "1708", {"1708", "1708201"}),
     ("zomin", "1708218", {"1708218"})],
)  # fmt: skip
async def test_office_registers_webhooks_of_itself_and_of_what_lies_in_it(
    browser: httpx.AsyncClient, services: Services, user: str, org: str, owners: set[str]
) -> None:
    await sign_in(browser, user)
    page = (await browser.get("/work/webhooks/new", headers=PAGE)).text
    select = re.search(r'<select[^>]*name="owner".*?</select>', page, re.DOTALL)
    assert select is not None
    offered = set(re.findall(r'<option value="(\d+)"', select[0]))
    assert owners <= offered
    assert all(code.startswith(org) for code in offered)
    assert re.findall(r'<option value="(\d+)" selected', select[0]) == [org]
    assert "Everything that happens in this territory." in page
    services.command = lambda _: httpx.Response(201, json={"id": "h1", "version": 1, "owner": org, "secret": "whsec_1"})
    typed = {"owner": org, "label": "Portal", "url": HOOK["url"], "types": "hamkor.*"}
    made = await post(browser, "/work/webhooks/new", hidden(page) | typed)
    assert "whsec_1" in made.text
    ((_, body),) = services.commands
    assert body == typed | {"types": ["hamkor.*"]}


async def test_whose_events_a_webhook_sends_is_said_by_name(browser: httpx.AsyncClient, services: Services) -> None:
    for id_, owner in (("h1", "1708"), ("h2", SCHOOL)):
        services.entries[f"/v1/webhooks/{id_}"] = {"id": id_, "version": 1, "owner": owner, **HOOK}
    await sign_in(browser, "jizzakh")
    own, schools = [(await browser.get(f"/work/webhooks/{id_}", headers=PAGE)).text for id_ in ("h1", "h2")]
    assert re.search(r"Whose events</dt>\s*<dd[^>]*>\s*Jizzax viloyati|Whose events</dt>.{0,80}Jizzakh", own, re.DOTALL)
    assert f'href="/work/institutions/{SCHOOL}">Texnikum' in schools
    assert "/work/webhooks/h1/rotate" in own
