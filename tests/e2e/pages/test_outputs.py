"""Documents and exports in a real browser on the whole platform, and by one command each."""

import asyncio
import csv
import io
import json
from pathlib import Path

import httpx
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from deploy.cli.main import app
from shared.scope import Role
from tests.e2e.pages.conftest import Browser
from tests.e2e.pages.test_advice import faults
from tests.support.dhis2 import faults as dhis2_faults
from tests.support.dhis2 import metadata_faults
from tests.support.platform import Platform
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def fetched(browser: Browser, form: str) -> httpx.Response:
    """What a form of the page downloads, by the browser's own session."""
    address = browser.run(
        "const form = document.querySelector(arguments[0]);"
        "return form.action + '?' + new URLSearchParams(new FormData(form)).toString()",
        form,
    )
    cookies = {each["name"]: each["value"] for each in browser.driver.get_cookies()}
    return httpx.get(address, cookies=cookies, timeout=60, trust_env=False)


def test_a_region_reads_the_dictionary_and_downloads_its_documents(on_platform: Browser) -> None:
    browser = on_platform
    browser.sign_in("region:1708", "/reporting")
    browser.follow("a[href='/outputs']", "/outputs")
    assert faults(browser) == []
    assert len(browser.all("#report-place option")) > 5

    report = fetched(browser, "form[action$='/report.pdf']")
    assert report.headers["content-type"] == "application/pdf"
    pdf = PdfReader(io.BytesIO(report.content))
    assert "Hamkorlik samaradorligi" in " ".join(page.extract_text() for page in pdf.pages)
    metadata = fetched(browser, "form[action$='/dhis2-metadata.json']").json()
    assert metadata_faults(metadata) == []
    assert {unit["code"][:4] for unit in metadata["organisationUnits"]} == {"17", "1708"}
    values = fetched(browser, "form[action$='/dhis2-values.json']")
    assert dhis2_faults("DataValueSet", values.json()) == []
    assert "attachment" in values.headers["content-disposition"]

    browser.follow("a.button[href='/outputs/dictionary']", "/outputs/dictionary")
    assert len(browser.all("article.entry")) > 35
    assert faults(browser) == []
    browser.click("nav.contents a[href='#F1']")
    assert browser.run("return location.hash") == "#F1"
    assert browser.complaints() == []


async def test_one_command_writes_each_of_them(platform: Platform, tmp_path: Path) -> None:
    region = await platform.user(Role.REGION, "1708")

    async def known() -> bool:
        return (await region.get("/api/monitoring/v1/places/1708201")).status_code == 200

    await eventually(known, "monitoring knows the territory", 60)
    common = ["--url", platform.stack.url("portal"), "--user", "region:1708"]

    async def run(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *common])
        return result.exit_code, f"{result.output}{result.exception}"

    written = tmp_path / "report.pdf"
    assert (await run("report", "--period", "2026-Q3", "--lang", "ru", "-o", str(written)))[0] == 0
    assert "Отчёт об эффективности" in PdfReader(written).pages[0].extract_text()
    table = tmp_path / "dictionary.csv"
    assert (await run("dictionary", "--format", "csv", "--lang", "uz-Cyrl", "-o", str(table)))[0] == 0
    assert len(list(csv.reader(io.StringIO(table.read_text("utf-8-sig"))))) > 35
    places, values = tmp_path / "metadata.json", tmp_path / "values.json"
    assert (await run("export", "dhis2", "metadata", "--depth", "1", "-o", str(places)))[0] == 0
    assert metadata_faults(json.loads(places.read_text())) == []
    assert (await run("export", "dhis2", "values", "--period", "2025-26", "-o", str(values)))[0] == 0
    assert dhis2_faults("DataValueSet", json.loads(values.read_text())) == []

    before = written.read_bytes()
    code, said = await run("report", "--period", "2026-Q3", "--place", "1703", "-o", str(written))
    assert code != 0
    assert "404" in said
    assert written.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "dictionary.csv",
        "metadata.json",
        "report.pdf",
        "values.json",
    ]
    code, said = await run("export", "dhis2", "values", "--period", "2026-08-R12")
    assert code != 0
    assert "2026-Q3" in said
