"""`hamkor import` on the command line: exit codes, report, templates, and what is said without a platform."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.api_client import Patience
from deploy.cli import importer
from deploy.cli.main import app
from deploy.local.environment import ROOT

SILENT = "http://127.0.0.1:1"
TERRITORY = str(ROOT / "shared" / "reference" / "territory.csv")
BAD = "stir;name;size;isic_section;district\n7;A;small;C;1708401\n301234567;A;small;C;1708401\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "FIRST_CONTACT", Patience(total_s=0.1))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["import", *arguments])
    return result.exit_code, result.output


def test_good_file_is_checked_without_a_platform() -> None:
    code, said = run("territory", TERRITORY, "--url", SILENT)
    assert code == 0
    assert "221 rows: 221 good entries, 0 faults." in said
    assert "not compared" in said


def test_faults_end_with_1_and_stand_in_the_report(tmp_path: Path) -> None:
    path, report = tmp_path / "e.csv", tmp_path / "errors.csv"
    path.write_text(BAD)
    code, said = run("enterprises", str(path), "--url", SILENT, "--report", str(report))
    assert code == 1
    assert "7 is not a STIR" in said.replace("\n", " ")
    lines = report.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "row;column;value;problem;what to do;rule"
    assert lines[1].startswith("2;stir;7;")


def test_faults_are_told_in_the_language_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(BAD)
    assert "не ИНН" in run("enterprises", str(path), "--url", SILENT, "--lang", "ru")[1].replace("\n", " ")


def test_unusable_file_ends_with_2(tmp_path: Path) -> None:
    assert run("enterprises", str(tmp_path / "none.csv"), "--url", SILENT)[0] == 2
    assert run("enterprises", "--url", SILENT)[0] == 2


def test_import_without_platform_ends_with_3() -> None:
    code, said = run("territory", TERRITORY, "--commit", "--url", SILENT)
    assert code == 3
    assert SILENT in said


def test_template_is_written_and_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    assert run("institutions", "--template", str(path))[0] == 0
    assert run("institutions", str(path), "--url", SILENT)[0] == 0


@pytest.mark.parametrize("name", ["territory", "institutions", "enterprises"])
def test_help_names_every_column(name: str) -> None:
    said = run(name, "--help")[1]
    chosen = next(each for each in importer.REGISTERS if each.name == name)
    assert all(f"- {column.code}" in said for column in chosen.columns)
