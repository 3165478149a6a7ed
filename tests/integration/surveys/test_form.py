"""The public form, driven through HTTP as a browser without script does."""

import asyncio

import pytest

from shared.i18n import Lang
from shared.persistence.unit_of_work import UnitOfWork
from tests.integration.surveys.support import Office, Page

INSTRUMENTS = ("S1", "S2", "S3", "S4", "S5")


async def stored(office: Office) -> int:
    """Answers on their way and answers that arrived, in one look: they move meanwhile."""
    (row,) = await office.rows("select (select count(*) from staged_answer) + (select count(*) from response)")
    return int(row[0])


@pytest.mark.parametrize("instrument", INSTRUMENTS)
async def test_form_is_small_self_contained_and_kept_on_the_first_try(office: Office, instrument: str) -> None:
    campaign = await office.campaign(instrument)
    (code,) = await office.codes(campaign, 1)
    for lang in Lang:
        page = await office.open_form(code, lang.value)
        response = page.response
        assert response.status_code == 200
        scripts = [str(given["src"]) for tag, given in page.tags if tag == "script"]
        fetched = [await office.running.http.get(office.running.base + script) for script in scripts]
        size = response.num_bytes_downloaded + sum(script.num_bytes_downloaded for script in fetched)
        assert size <= 20_000, f"{instrument} {lang}: {size} bytes"
        assert len(response.content) <= 50_000, f"{instrument} {lang}: {len(response.content)} bytes unpacked"
        assert {script.status_code for script in fetched} == {200}
        assert response.headers["content-encoding"] == "gzip"
        assert f'<html lang="{lang.value}">' in response.text
        assert {tag for tag, _ in page.tags}.isdisjoint({"img", "link", "iframe", "object"})
        assert "url(" not in response.text
        assert "://" not in response.text
        assert "set-cookie" not in response.headers
        assert response.headers["cache-control"] == "no-store"
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    answer = await office.respond(code)
    assert answer.status_code == 303
    assert await stored(office) == 1
    thanks = await office.running.http.get(office.running.base + answer.headers["location"])
    assert thanks.status_code == 200
    assert "Thank you!" in thanks.text


async def test_every_control_has_a_label_and_every_question_a_legend(office: Office) -> None:
    (code,) = await office.codes(await office.campaign("S4"), 1)
    page = await office.open_form(code)
    ids = [given["id"] for _, given in page.tags if given.get("id")]
    assert len(ids) == len(set(ids))
    legends = [tag for tag, _ in page.tags if tag == "legend"]
    fieldsets = [tag for tag, _ in page.tags if tag == "fieldset"]
    assert len(legends) == len(fieldsets)
    named = [given["aria-labelledby"] for tag, given in page.tags if tag == "input" and given.get("aria-labelledby")]
    assert set(named) <= set(ids), "what names a control stands in the page"
    labels = sum(tag == "label" for tag, _ in page.tags)
    ticks = sum(given.get("type") in ("radio", "checkbox") for tag, given in page.tags if tag == "input")
    assert labels == ticks
    for tag, given in page.tags:
        if tag == "textarea" or (tag == "input" and given.get("type") is None):
            assert given.get("aria-labelledby") in ids


async def test_wrong_answers_come_back_beside_their_questions_with_all_others_kept(office: Office) -> None:
    (code,) = await office.codes(await office.campaign("S2"), 1)
    page = (await office.open_form(code)).answer_all("2")
    page.answer(trainees="ten", comment="Mening <b>fikrim</b>", would_hire="few", why_not=["skills", "other"])
    del page.fields["support"]
    answer = await office.submit(page)
    assert answer.status_code == 422
    again = Page.of(answer)
    assert again.fields == page.fields
    assert "<b>fikrim" not in answer.text
    errors = [given["id"] for tag, given in again.tags if tag == "p" and given.get("class") == "err"]
    assert errors == ["e-trainees", "e-support"]
    assert "This isn’t a whole number. Write digits only" in again.text
    assert "2 questions need another look" in again.text
    assert await stored(office) == 0
    assert (await office.submit(again.answer(trainees="10", support="3"))).status_code == 303
    assert await stored(office) == 1


async def test_language_can_change_in_the_middle_without_losing_answers(office: Office) -> None:
    (code,) = await office.codes(await office.campaign("S3"), 1)
    page = (await office.open_form(code)).answer(phase="completed", theory__importance="5", comment="so far")
    answer = await office.submit(page, show_in="uz-Cyrl")
    assert answer.status_code == 200
    switched = Page.of(answer)
    assert '<html lang="uz-Cyrl">' in answer.text
    assert switched.fields == page.fields
    assert "err" not in {given.get("class") for _, given in switched.tags}
    assert (await office.submit(switched.answer_all())).headers["location"].endswith("lang=uz-Cyrl&done=1")


async def test_language_follows_the_browser_unless_asked_otherwise(office: Office) -> None:
    (code,) = await office.codes(await office.campaign(), 1)
    url = f"{office.running.base}/s/{code}"
    russian = await office.running.http.get(url, headers={"Accept-Language": "ru,en;q=0.5"})
    assert '<html lang="ru">' in russian.text
    asked = await office.running.http.get(url, params={"lang": "en"}, headers={"Accept-Language": "ru"})
    assert '<html lang="en">' in asked.text


async def test_a_double_submit_counts_once_and_is_answered_kindly(office: Office) -> None:
    codes = await office.codes(await office.campaign(), 6)
    pages = [(await office.open_form(code)).answer_all() for code in codes]
    answers = await asyncio.gather(*(office.submit(page) for page in pages for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200] * 18 + [303] * 6
    for answer in answers:
        if answer.status_code == 200:
            assert "Already received" in answer.text
    assert await stored(office) == 6
    assert "Already received" in (await office.open_form(codes[0])).text


async def test_codes_are_forgiving_to_type_and_wrong_ones_get_a_clear_page(office: Office) -> None:
    (code,) = await office.codes(await office.campaign(), 1)
    assert (await office.open_form(code.replace("-", "").lower())).response.status_code == 200
    for wrong in ("AAAA", code[:-1] + ("0" if code[-1] != "0" else "1"), "%3Cscript%3E"):
        page = await office.open_form(wrong)
        assert page.response.status_code == 404
        assert "There is no such code" in page.text
        assert "code" in page.kinds
        assert "<script>" not in page.response.text
    http, base = office.running.http, office.running.base
    assert Page.of(await http.get(f"{base}/s/")).kinds.keys() == {"lang", "code"}
    led_on = await http.get(f"{base}/s/", params={"code": f" {code.lower()} ", "lang": "ru"})
    assert led_on.headers["location"] == f"/s/{code}?lang=ru"


async def test_a_form_that_takes_no_answers_says_why(office: Office) -> None:
    draft = await office.campaign(opened=False)
    (code,) = await office.codes(draft, 1)
    assert "isn’t open yet" in (await office.open_form(code)).text
    await office.coordinator.post(f"/v1/campaigns/{draft.id}/open")
    page = (await office.open_form(code)).answer_all()
    await office.coordinator.post(f"/v1/campaigns/{draft.id}/close")
    answer = await office.submit(page)
    assert answer.status_code == 410
    assert "The survey is over" in answer.text
    assert await stored(office) == 0
    early = await office.campaign(starts_in=3)
    (code,) = await office.codes(early, 1)
    assert (await office.open_form(code)).response.status_code == 403


async def test_what_no_honest_form_sends_is_refused_without_harm(office: Office) -> None:
    (code,) = await office.codes(await office.campaign(), 1)
    url = f"{office.running.base}/s/{code}"
    http = office.running.http
    assert (await http.post(url, data={"comment": "x" * 70_000})).status_code == 413
    assert (await http.post(url, data={"comment": "x" * 1_020_000})).status_code == 413
    assert (await http.post(url, data={f"f{n}": "1" for n in range(600)})).status_code == 413
    assert (await http.post(url, content=b"\xff\xfe%00=%00&phase=%ff")).status_code == 422
    assert (await http.post(url, json={"phase": 1})).status_code == 422
    assert await stored(office) == 0


@pytest.mark.parametrize("stored_before_the_cut", [False, True])
async def test_a_connection_cut_at_the_commit_loses_and_doubles_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, stored_before_the_cut: bool
) -> None:
    (code,) = await office.codes(await office.campaign("S2"), 1)
    page = (await office.open_form(code)).answer_all().answer(comment="saqlansin")
    commit = UnitOfWork.commit

    async def cut(uow: UnitOfWork) -> None:
        if stored_before_the_cut:
            await commit(uow)
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "commit", cut)
        answer = await office.submit(page)
    assert answer.status_code == 503
    assert "send them once more: they count only once" in answer.text
    again = Page.of(answer)
    assert again.fields == page.fields
    second = await office.submit(again)
    assert second.status_code == (200 if stored_before_the_cut else 303)
    assert await stored(office) == 1


async def test_an_unforeseen_error_gives_a_page_and_a_log_without_code_or_answer(
    office: Office, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (code,) = await office.codes(await office.campaign(), 1)
    page = (await office.open_form(code)).answer_all().answer(comment="juda maxfiy")

    def crash(*_: object) -> None:
        raise RuntimeError(f"{code}: juda maxfiy")

    with monkeypatch.context() as patched:
        patched.setattr("services.surveys.form.routes.check", crash)
        answer = await office.submit(page)
    assert answer.status_code == 500
    assert "Unexpected error" in answer.text
    printed = capfd.readouterr().out
    assert "form.crashed" in printed
    assert "maxfiy" not in printed
    assert code not in printed
    assert (await office.submit(page)).status_code == 303
