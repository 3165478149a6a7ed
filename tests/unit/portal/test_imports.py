"""Files brought in by the pages: tried first, told by row and column, counted once, and never kept by the portal."""

import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

import services.portal.work.imports.routes as imports
from services.partners.api.imports import MOST_BYTES as PARTNERS_MOST_BYTES
from services.partners.commands.imports import TARGETS
from services.portal.work.declaration import declaration
from services.portal.work.imports.carried import MOST_CARRIED_BYTES, packed, unpacked
from services.portal.work.imports.columns import paths_of
from services.portal.work.imports.report import faults_carried
from services.portal.work.imports.uploads import CSV, Upload
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.scope import Role
from shared.web.app import MAX_MANY_BYTES
from shared.web.exchange import MOST_FILE_ROWS
from shared.web.registers import Register
from shared.web.tabular import columns_of
from tests.unit.portal.conftest import SAME_ORIGIN, Upstream, sign_in
from tests.unit.portal.described import PACKAGES, described, document

PAGE = {"accept": "text/html", "accept-language": "en"}
SCHOOL = "01980000-0000-7000-8000-00000000000a"
JOB = "01980000-0000-5000-8000-0000000000cc"
NEEDS, ENTERPRISES = "/work/needs/import", "/work/enterprises/import"
FILE = b"opportunity,since\nO4,2026-09-01\n"
MESSAGES = Path(imports.__file__).parents[2] / "messages"
DECLARED = [each.name for each in declaration().registers]
TAKING = [name for name in DECLARED if described(name)[1].imports is not None]
OWN = {
    each.name: each.create
    for package in PACKAGES.values()
    for room in package.ROOMS
    for each in (*vars(room).values(), *getattr(room, "REGISTERS", ()))
    if isinstance(each, Register) and each.create is not None
}
"""How the services create entries, by register."""
Answer = Callable[[httpx.Request], httpx.Response]


def wrong(row: int, field: str, message: str = "must be one of: O1, O2", code: str = "invalid-input") -> dict[str, Any]:
    errors = [{"field": field, "rule": "enum", "message": message, "remedy": "Mend it."}] if field else []
    problem = {"type": f"urn:hamkor:problem:{code}", "title": code, "detail": "Not there.", "remedy": "Look."}
    return {"row": row, "status": 422, "problem": problem | ({"errors": errors} if errors else {})}


def report(*items: Mapping[str, Any], committed: bool = False) -> httpx.Response:
    failed = sum("problem" in each for each in items)
    body = {"committed": committed, "done": len(items) - failed, "failed": failed, "items": items}
    return httpx.Response(207 if failed else 200, json=body)


def done(row: int, status: int = 201) -> dict[str, Any]:
    return {"row": row, "status": status, "id": f"e{row}", "version": 1}


def job(**more: Any) -> dict[str, Any]:
    counts = {"rows": 4, "done": 4, "new": 2, "changed": 1, "unchanged": 0, "wrong": 1}
    return {"id": JOB, "register": "enterprises", "commit": False, "status": "done", **counts, **more}


class Services:
    """Real descriptions, and answers to files."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.answer: Answer = lambda _: report(done(2))
        self.got: dict[str, Any] = {}
        upstream.answer = self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/openapi.json":
            return httpx.Response(200, json=document(request.url.host.partition(".")[0]))
        if request.method == "POST":
            return self.answer(request)
        if path in self.got:
            return httpx.Response(200, json=self.got[path])
        if path.count("/") == 2:
            return httpx.Response(200, json={"items": [], "next": None})
        return httpx.Response(404, json={"type": "urn:hamkor:problem:not-found"})

    @property
    def files(self) -> list[tuple[httpx.Request, bytes]]:
        """The files that arrived."""
        pairs = zip(self.upstream.requests, self.upstream.bodies, strict=True)
        return [(request, body) for request, body in pairs if request.method == "POST"]


@pytest.fixture
def services(upstream: Upstream) -> Services:
    return Services(upstream)


async def at_school(browser: httpx.AsyncClient) -> None:
    await sign_in(browser, f"institution:{SCHOOL}")


async def send(
    browser: httpx.AsyncClient,
    path: str,
    fields: Mapping[str, str],
    content: bytes | None = None,
    name: str = "needs.csv",
    **more: str,
) -> httpx.Response:
    """Send a form as a browser does: an input without a file has a part all the same."""
    file = ("", b"", "application/octet-stream") if content is None else (name, content, "application/vnd.ms-excel")
    headers = PAGE | SAME_ORIGIN | more
    return await browser.post(path, data=dict(fields), files={"file": file}, headers=headers)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form that keeps the file."""
    form = page.partition('class="work-form held"')[2].partition("</form>")[0]
    return {
        name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    }


def counts(page: str) -> dict[str, str]:
    return dict(re.findall(r"<div[^>]*><dt>([^<]+)</dt><dd>([^<]+)</dd></div>", page))


# -- what files look like ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAKING)
def test_columns_of_the_page_are_those_that_the_service_reads(name: str) -> None:
    create = described(name)[1].create
    assert create is not None
    shown = [(path, needed) for path, _, needed in paths_of(create.body or ())]
    if name in TARGETS:
        target = TARGETS[name]
        assert {path for path, _ in shown} == set(target.columns)
        assert {path for path, needed in shown if needed} == set(target.required)
        return
    assert shown == [(each.name, each.required) for each in columns_of(OWN[name].command)]


def test_every_register_that_takes_files_has_its_page() -> None:
    paths = [(service, path) for service in PACKAGES for path in document(service)["paths"]]
    taking = {path.split("/")[2] for _, path in paths if path.endswith("/import")}
    assert taking == set(TAKING)


@pytest.mark.parametrize("name", TAKING)
def test_nobody_is_offered_a_page_whose_files_the_service_refuses(name: str) -> None:
    register, _ = described(name)
    permissions = PACKAGES[register.service].PERMISSIONS
    action = "enterprise.import" if name in TARGETS else OWN[name].action
    offered = {role for role in Role if register.brings_in(role)}
    assert offered
    assert offered <= permissions[action]


def test_page_and_services_agree_on_how_much_a_file_may_hold() -> None:
    assert (imports.MOST_ROWS, imports.MOST_BYTES) == (MOST_FILE_ROWS, MAX_MANY_BYTES)
    assert imports.MOST_WATCHED_BYTES == PARTNERS_MOST_BYTES


async def test_list_leads_to_the_page_for_those_who_create_there(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)
    assert f'href="{NEEDS}"' in (await browser.get("/work/needs", headers=PAGE)).text
    assert f'href="{ENTERPRISES}"' not in (await browser.get("/work/enterprises", headers=PAGE)).text
    assert (await browser.get(ENTERPRISES, headers=PAGE)).status_code == 403
    await sign_in(browser, "ministry")
    assert f'href="{NEEDS}"' not in (await browser.get("/work/needs", headers=PAGE)).text
    assert (await browser.get(NEEDS, headers=PAGE)).status_code == 403
    assert f'href="{ENTERPRISES}"' in (await browser.get("/work/enterprises", headers=PAGE)).text


async def test_columns_are_explained_as_the_form_calls_them(browser: httpx.AsyncClient, services: Services) -> None:
    await at_school(browser)
    page = (await browser.get(NEEDS, headers=PAGE)).text
    row = page.partition("<code>opportunity</code>")[2].partition("</tr>")[0]
    assert "Opportunity" in row
    assert "needed" in row
    assert "<code>O4</code> places for students" in row
    assert f'<code class="own">{SCHOOL}</code>' in page
    assert "Leave it empty" in page.partition("<code>enterprise_id</code>")[2].partition("</tr>")[0]
    for lang in Lang:
        answer = await browser.get(NEEDS, headers=PAGE | {"accept-language": lang})
        assert answer.headers["content-language"] == lang


@pytest.mark.parametrize("name", TAKING)
async def test_page_of_every_register_opens(browser: httpx.AsyncClient, services: Services, name: str) -> None:
    users = {
        Role.INSTITUTION: f"institution:{SCHOOL}",
        Role.ENTERPRISE: f"enterprise:{SCHOOL}",
        Role.REGION: "jizzakh",
        Role.MINISTRY: "ministry",
    }
    await sign_in(browser, next(user for role, user in users.items() if described(name)[0].brings_in(role)))
    page = await browser.get(f"/work/{name}/import", headers=PAGE)
    assert page.status_code == 200, page.text
    assert page.text.count("<tr>") > 1


async def test_empty_files_have_the_columns_and_open_in_excel(browser: httpx.AsyncClient, services: Services) -> None:
    await at_school(browser)
    names = ["institution_id", "opportunity", "form", "profession", "quantity", "since", "until", "notes"]
    text = await browser.get(f"{NEEDS}/template.csv", headers=PAGE)
    assert text.content == b"\xef\xbb\xbf" + ",".join(names).encode() + b"\r\n"
    assert text.headers["content-disposition"] == 'attachment; filename="needs.csv"'
    uzbek = await browser.get(f"{NEEDS}/template.csv", headers=PAGE | {"accept-language": "uz"})
    assert ";".join(names) in uzbek.text, "as Excel divides columns there"
    book = await browser.get(f"{NEEDS}/template.xlsx", headers=PAGE)
    sheet = openpyxl.load_workbook(io.BytesIO(book.content)).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [names]


# -- small files -------------------------------------------------------------------------------------------------------


async def test_file_is_tried_first_and_then_brought_in_without_being_chosen_again(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)
    services.answer = lambda _: report(done(2), done(3), wrong(4, "opportunity"))
    tried = await send(browser, NEEDS, {"key": "k-1", "do": "try"}, FILE)
    assert tried.status_code == 200
    assert counts(tried.text) == {"new": "2", "refused": "1"}
    assert "Bring in 2 rows" in tried.text
    assert re.search(
        r"<div>4</div>.*<code>opportunity</code>.*Opportunity.*must be one of.*Mend it\.", tried.text, re.DOTALL
    )
    services.answer = lambda _: report(done(2), done(3), wrong(4, "opportunity"), committed=True)
    # a double click, a page loaded again
    for brought in [await send(browser, NEEDS, hidden(tried.text)) for _ in range(2)]:
        assert counts(brought.text) == {"brought in": "2", "refused": "1"}
        assert hidden(brought.text) == {}
    seen = [
        (request.url.params["commit"], request.headers["idempotency-key"], body) for request, body in services.files
    ]
    assert seen == [("false", "k-1", FILE), ("true", "k-1", FILE), ("true", "k-1", FILE)]
    (request, _) = services.files[0]
    assert request.headers["content-type"] == CSV, "whatever the browser says that it is"
    assert request.headers["authorization"].startswith("Bearer ")
    assert request.headers["accept-language"] == "en"
    assert "cookie" not in request.headers


async def test_long_list_of_faults_is_begun_on_the_page_and_whole_in_the_file(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)
    services.answer = lambda _: report(*(wrong(row, "since") for row in range(2, 5002)))
    page = (await send(browser, NEEDS, {"key": "k"}, FILE)).text
    assert page.count("<code>since</code><br>") == imports.FAULTS_SHOWN
    assert "The first 100 of 5,000 are shown. The CSV file has them all." in page
    (carried,) = re.findall(r'name="faults" value="([^"]+)"', page)
    assert [each.row for each in faults_carried(carried)] == list(range(2, 5002))


async def test_mended_file_goes_under_the_same_key_so_that_what_is_in_counts_once(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)
    services.answer = lambda _: report(done(2), wrong(3, "since"), committed=True)
    page = (await send(browser, NEEDS, {"key": "k-1", "do": "commit"}, FILE)).text
    assert 'name="key" value="k-1"' in page
    services.answer = lambda _: report(done(2, 200), done(3))
    again = (await send(browser, NEEDS, {"key": "k-1", "do": "try"}, FILE)).text
    assert counts(again) == {"new": "1", "in already": "1", "refused": "0"}
    services.answer = lambda _: report(done(2, 200), done(3), committed=True)
    over = (await send(browser, NEEDS, hidden(again))).text
    assert 'name="key" value="k-1"' not in over, "the next file is another"
    services.answer = lambda _: report(wrong(2, "", code="idempotency-key-reused"))
    assert "A row with other content" in (await send(browser, NEEDS, {"key": "k-1"}, FILE)).text


async def test_what_stands_in_a_file_is_shown_and_never_run(browser: httpx.AsyncClient, services: Services) -> None:
    await at_school(browser)
    bad = wrong(2, "opportunity", "=HYPERLINK(1) <script>x</script>")
    services.answer = lambda _: report(bad, wrong(3, "<b>"))
    page = (await send(browser, NEEDS, {"key": "k"}, FILE, name='"><i>.csv')).text
    assert "<script>x" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    (carried,) = re.findall(r'name="faults" value="([^"]+)"', page)
    answer = await browser.post(
        f"{NEEDS}/faults.csv", data={"faults": carried}, files={"x": b""}, headers=PAGE | SAME_ORIGIN
    )
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-disposition"] == 'attachment; filename="needs-faults.csv"'
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][0] == "Row"
    assert rows[1][0] == "2"
    assert rows[1][4] == "'=HYPERLINK(1) <script>x</script>"


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [
        (None, "", 422, "No file was chosen"),
        (b"x", "needs.docx", 415, "needs.docx is neither"),
        (b"x", "needs", 415, "is neither"),
        (b"x" * (imports.MOST_BYTES + 1), "needs.csv", 413, "at most 10 MB"),
    ],
)
async def test_file_that_no_service_would_take_is_told_in_words_and_not_sent(
    browser: httpx.AsyncClient, services: Services, content: bytes | None, name: str, status: int, said: str
) -> None:
    await at_school(browser)
    page = await send(browser, NEEDS, {"key": "k"}, content, name)
    assert page.status_code == status
    assert said in page.text
    assert services.files == []


async def test_header_that_is_wrong_is_told_column_by_column(browser: httpx.AsyncClient, services: Services) -> None:
    await at_school(browser)
    errors = [
        {"field": "colour", "rule": "unknown_column", "message": "there is no such column", "remedy": "Remove it."},
        {"field": "file", "rule": "file_empty", "message": "the file is empty", "remedy": "Name the columns."},
    ]
    body = {
        "type": "urn:hamkor:problem:invalid-input",
        "title": "Mistakes",
        "detail": "",
        "remedy": "",
        "errors": errors,
    }
    services.answer = lambda _: httpx.Response(422, json=body)
    page = await send(browser, NEEDS, {"key": "k"}, FILE)
    assert page.status_code == 422
    assert "<code>colour</code>: there is no such column. Remove it." in page.text
    assert "<li>the file is empty. Name the columns.</li>" in page.text
    assert hidden(page.text) == {}, "it has to be mended first"


async def test_service_that_is_away_loses_nothing_and_the_button_tries_again(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("away")

    services.answer = away
    page = await send(browser, NEEDS, {"key": "k-7", "do": "commit"}, FILE)
    assert page.status_code == 503
    assert "sent twice, it counts once" in page.text
    services.answer = lambda _: report(done(2), committed=True)
    assert counts((await send(browser, NEEDS, hidden(page.text))).text) == {"brought in": "1", "refused": "0"}
    assert {request.headers["idempotency-key"] for request, _ in services.files} == {"k-7"}
    assert {body for _, body in services.files} == {FILE}


async def test_session_that_ends_meanwhile_keeps_the_file_in_the_page(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await at_school(browser)
    browser.cookies.clear()
    page = await send(browser, NEEDS, {"key": "k-3", "do": "commit"}, FILE)
    assert page.status_code == 401
    assert "Your session has ended" in page.text
    assert "The file needs.csv is kept in this page" in page.text
    assert services.files == []
    await at_school(browser)
    services.answer = lambda _: httpx.Response(401)
    page = await send(browser, NEEDS, hidden(page.text))
    assert page.status_code == 401, "ended while the service was asked"
    await at_school(browser)
    services.answer = lambda _: report(done(2), committed=True)
    assert "Brought in: needs.csv" in (await send(browser, NEEDS, hidden(page.text))).text
    assert services.files[-1][1] == FILE
    assert services.files[-1][0].headers["idempotency-key"] == "k-3"


async def test_file_too_large_to_travel_with_the_page_is_asked_for_once_more(
    browser: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_school(browser)
    monkeypatch.setattr("services.portal.work.imports.carried.MOST_CARRIED_BYTES", 10)
    page = (await send(browser, NEEDS, {"key": "k", "do": "try"}, FILE)).text
    assert "Please choose it once more" in page
    assert hidden(page) == {"key": "k", "do": "commit"}
    services.answer = lambda _: report(done(2), committed=True)
    assert "Brought in" in (await send(browser, NEEDS, hidden(page), FILE)).text


def test_what_unpacks_to_more_than_a_file_may_hold_is_nothing() -> None:
    bomb = packed(b"0" * 50_000_000)
    assert len(bomb) < MOST_CARRIED_BYTES
    assert unpacked(bomb, imports.MOST_BYTES) == b""
    assert unpacked(packed(FILE), imports.MOST_BYTES) == FILE
    for text in ("", "%%%", packed(FILE)[:-8], "AAAA"):
        assert unpacked(text, imports.MOST_BYTES) == b""
    for told in (b"[[1]]", b"{}", b"x", b'[["x",1,2,3,4,5]]', json.dumps([[1, *"abcde"]]).encode()[:-1]):
        assert faults_carried(packed(told)) == []


async def test_other_sites_and_other_forms_bring_nothing_in(browser: httpx.AsyncClient, services: Services) -> None:
    await at_school(browser)
    foreign = await send(browser, NEEDS, {"do": "commit"}, FILE, **{"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    plain = await browser.post(NEEDS, data={"do": "commit"}, headers=PAGE | SAME_ORIGIN)
    assert plain.status_code == 400
    cut = {"content-type": "multipart/form-data; boundary=b"}
    broken = await browser.post(NEEDS, content=b"no form at all", headers=PAGE | SAME_ORIGIN | cut)
    assert broken.status_code == 400
    many = await send(browser, NEEDS, {"carried": "x" * 5_000_000})
    assert many.status_code == 413
    parts = await send(browser, NEEDS, {f"field{number}": "" for number in range(1_000)}, FILE)
    assert parts.status_code == 400
    assert services.files == []
    odd = await send(browser, NEEDS, {"key": "ключ\r\nx: y", "do": "try"}, FILE)
    assert odd.status_code == 200
    ((request, _),) = services.files
    assert re.fullmatch(r"[0-9a-f-]{36}", request.headers["idempotency-key"])


@pytest.mark.parametrize("address", [NEEDS, ENTERPRISES])
async def test_file_that_was_cut_off_is_no_shorter_file(
    browser: httpx.AsyncClient, services: Services, address: str
) -> None:
    await sign_in(browser, "ministry" if address == ENTERPRISES else f"institution:{SCHOOL}")
    services.answer = lambda _: httpx.Response(202, json=job())
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="e.csv"\r\n\r\n'
    headers = PAGE | SAME_ORIGIN | {"content-type": "multipart/form-data; boundary=b"}
    answer = await browser.post(address, content=head + FILE, headers=headers)
    assert answer.status_code == 400
    assert services.files == [], "the service never sees the end of it"


# -- large files -------------------------------------------------------------------------------------------------------


async def test_large_file_passes_through_in_pieces_and_becomes_a_job(
    browser: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(browser, "ministry")
    services.answer = lambda _: httpx.Response(202, json=job(status="waiting"))
    pieces: list[int] = []
    inner = Upload.chunks

    async def watched(self: Upload) -> AsyncIterator[bytes]:
        async for chunk in inner(self):
            pieces.append(len(chunk))
            yield chunk

    monkeypatch.setattr(Upload, "chunks", watched)
    lines = b"stir;name;size;isic_section;district\r\n" + b"301234567;--b;small;C;1708201\r\n" * 100_000
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="e.CSV"\r\n\r\n'
    tail = b'\r\n--b\r\ncontent-disposition: form-data; name="do"\r\n\r\ntry\r\n--b--\r\n'

    async def body() -> AsyncIterator[bytes]:
        whole = head + lines + tail
        for begin in range(0, len(whole), 50_000):
            yield whole[begin : begin + 50_000]

    headers = PAGE | SAME_ORIGIN | {"content-type": "multipart/form-data; boundary=b"}
    answers = [await browser.post(ENTERPRISES, content=body(), headers=headers) for _ in range(2)]
    assert {answer.headers["location"] for answer in answers} == {f"{ENTERPRISES}/{JOB}"}
    assert max(pieces) <= 50_000
    (first, told), (second, _) = services.files
    assert told == lines
    assert first.url.params["commit"] == "false"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"], "trials store nothing: each its own"


async def test_each_trial_is_brought_in_once(browser: httpx.AsyncClient, services: Services) -> None:
    await sign_in(browser, "ministry")
    services.answer = lambda _: httpx.Response(202, json=job(commit=True))
    services.got[f"/v1/imports/{JOB}"] = job()
    services.got[f"/v1/imports/{JOB}/faults"] = {"items": [], "next": None}
    page = (await browser.get(f"{ENTERPRISES}/{JOB}", headers=PAGE)).text
    (address,) = re.findall(r'form="upload" formaction="([^"]+)">Bring in 3 rows', page)
    for _ in range(2):
        assert (await send(browser, address, {}, FILE, "e.csv")).status_code == 303
    assert {request.url.params["commit"] for request, _ in services.files} == {"true"}
    assert len({request.headers["idempotency-key"] for request, _ in services.files}) == 1
    reused = {"type": "urn:hamkor:problem:idempotency-key-reused", "title": "x"}
    services.answer = lambda _: httpx.Response(422, json=reused)
    assert "Check this file first" in (await send(browser, address, {}, FILE, "e.csv")).text


async def test_job_is_followed_until_it_is_over_with_scripts_and_without(
    browser: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(browser, "ministry")
    address = f"/v1/imports/{JOB}"
    services.got[address] = job(status="running", rows=9000, done=4000, wrong=0)
    page = (await browser.get(f"{ENTERPRISES}/{JOB}", headers=PAGE)).text
    assert '<progress max="9000" value="4000"' in page
    assert "4,000 of 9,000 rows" in page
    assert f'href="{ENTERPRISES}/{JOB}">Look again' in page
    (asked,) = re.findall(r'hx-get="([^"]+)" hx-trigger="every', page)
    assert asked in (await browser.get(asked, headers=PAGE)).text
    fault = {"row": 3, "column": "size", "value": "=tiny", "rule": "enum", "message": "wrong", "remedy": "mend"}
    services.got[address] = job()
    services.got[f"{address}/faults"] = {"items": [fault], "next": "c2"}
    over = (await browser.get(asked, headers=PAGE)).text
    assert "hx-trigger" not in over
    assert 'hx-swap-oob="innerHTML:#import-said"' in over
    assert counts(over) == {"new": "2", "changed": "1", "unchanged": "0", "wrong": "1"}
    assert f'rel="next" href="{ENTERPRISES}/{JOB}?after=c2#outcome"' in over
    next_page = await browser.get(f"{ENTERPRISES}/{JOB}?after=c2", headers=PAGE)
    assert services.upstream.last.url.params["after"] == "c2"
    assert "In the file: =tiny" in next_page.text
    browser.cookies.clear()
    assert "goes on without you" in (await browser.get(asked, headers=PAGE)).text
    assert (await browser.get(f"{ENTERPRISES}/{JOB}", headers=PAGE)).headers["location"].startswith("/sign-in")


async def test_all_faults_of_a_job_come_as_a_file_page_by_page(browser: httpx.AsyncClient, services: Services) -> None:
    await sign_in(browser, "ministry")
    fault = {"row": 3, "column": "size", "value": "=tiny", "rule": "enum", "message": "wrong", "remedy": "mend"}
    services.got[f"/v1/imports/{JOB}"] = job()
    inner = services.__call__

    def paged(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/faults"):
            more = request.url.params.get("after")
            return httpx.Response(
                200, json={"items": [fault | {"row": 9 if more else 3}], "next": None if more else "c"}
            )
        return inner(request)

    services.upstream.answer = paged
    answer = await browser.get(f"{ENTERPRISES}/{JOB}/faults.csv", headers=PAGE)
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row[0] for row in rows] == ["Row", "3", "9"]
    assert rows[1] == ["3", "size", "Size", "'=tiny", "wrong", "mend"]


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [(None, "", 422, "No file was chosen"), (b"x", "e.xls", 415, "e.xls is neither")],
)
async def test_large_file_that_cannot_be_read_is_told_in_words(
    browser: httpx.AsyncClient, services: Services, content: bytes | None, name: str, status: int, said: str
) -> None:
    await sign_in(browser, "ministry")
    page = await send(browser, ENTERPRISES, {}, content, name)
    assert page.status_code == status
    assert said in page.text
    assert services.files == []


async def test_large_file_beyond_the_limit_or_without_a_session_is_told_too(
    browser: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(browser, "ministry")
    monkeypatch.setattr(imports, "MOST_WATCHED_BYTES", 1_000_000)
    page = await send(browser, ENTERPRISES, {}, b"x" * 1_000_001, "e.csv")
    assert page.status_code == 413
    assert "at most 1 MB" in page.text
    browser.cookies.clear()
    page = await send(browser, ENTERPRISES, {}, FILE, "e.csv")
    assert page.status_code == 401
    assert "Nothing of the file was stored" in page.text
    assert [body for _, body in services.files if body == FILE] == []


@pytest.mark.parametrize("register", ["needs", "institutions"])
async def test_registers_without_jobs_show_none(browser: httpx.AsyncClient, services: Services, register: str) -> None:
    services.got[f"/v1/imports/{JOB}"] = job()
    await sign_in(browser, "ministry" if register == "institutions" else f"institution:{SCHOOL}")
    for path in (f"/work/{register}/import/{JOB}", f"/fragments/import/{register}/{JOB}"):
        assert (await browser.get(path, headers=PAGE)).status_code == 404


def test_pages_of_imports_have_their_words_in_every_language() -> None:
    catalogue = Catalogue.load(SHARED_MESSAGES, MESSAGES)
    texts = {lang: catalogue.section("import", lang) for lang in Lang}
    assert {
        key for key in texts[Lang.UZ] if len({texts[lang][key] for lang in (Lang.UZ, Lang.RU, Lang.EN)}) < 3
    } == set()
