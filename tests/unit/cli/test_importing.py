"""Files of people: whatever is wrong is named with its row, its column and what to do."""

import csv
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from deploy.cli.importing.columns import understand, write_template
from deploy.cli.importing.enterprises import EnterpriseRegister
from deploy.cli.importing.files import FileProblem, cell_text, open_rows
from deploy.cli.importing.institutions import InstitutionRegister
from deploy.cli.importing.registers import Known, Register
from deploy.cli.importing.report import write_report
from deploy.cli.importing.rows import MESSAGES, Fault, Texts
from deploy.cli.importing.run import Checked, check_file
from deploy.cli.importing.territory import TerritoryRegister
from deploy.local.environment import ROOT
from shared.i18n import Lang, faults

INSTITUTION = "code;name;kind;district;sector;opened_on"
GOOD = "JZ-1;Jizzax texnikumi;technikum;1708401;C;2005-09-01"
PROGRAMMES = INSTITUTION + ";programme_code;programme_title;isced_level;isced_field;occupations"
ENTERPRISE = "stir;name;size;isic_section;district"


def a_file(folder: Path, text: str, name: str = "file.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def check(folder: Path, register: Register[Any], *lines: str, **options: Any) -> Checked[Any]:
    return check_file(a_file(folder, "\n".join(lines), **options), register, Known.reference())


def test_official_territory_has_no_faults() -> None:
    path = ROOT / "shared" / "reference" / "territory.csv"
    checked = check_file(path, TerritoryRegister(), Known.reference())
    assert (checked.rows, len(checked.entries), checked.faults) == (221, 221, [])
    assert [entry.wave for entry in checked.entries] == sorted(entry.wave for entry in checked.entries)


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        (";A;technikum;1708401;C;2005-09-01", "code", "missing"),
        ("J 1;A;technikum;1708401;C;2005-09-01", "code", "string_pattern_mismatch"),
        ("J1;;technikum;1708401;C;2005-09-01", "name", "missing"),
        ("J1;A;academy;1708401;C;2005-09-01", "kind", "enum"),
        ("J1;A;technikum;170840;C;2005-09-01", "district", "district_code"),
        ("J1;A;technikum;1708999;C;2005-09-01", "district", "unknown_territory"),
        ("J1;A;technikum;1708401;Z;2005-09-01", "sector", "isic_section"),
        ("J1;A;technikum;1708401;C;autumn", "opened_on", "day"),
        ("J1;A;technikum;1708401;C;31.02.2005", "opened_on", "day"),
        ("J1;A;technikum;1708401;C;2999-01-01", "opened_on", "in_future"),
        ("J1;#N/A;technikum;1708401;C;2005-09-01", "name", "spreadsheet_error"),
        (f"J1;{'a' * 301};technikum;1708401;C;2005-09-01", "name", "string_too_long"),
        ("J1;A;technikum;1708401;C;2005-09-01;more", "", "too_many_cells"),
    ],
)
def test_wrong_institution_names_row_column_and_remedy(tmp_path: Path, line: str, column: str, rule: str) -> None:
    checked = check(tmp_path, InstitutionRegister(), INSTITUTION, GOOD, line)
    assert [(fault.row, fault.column, fault.rule) for fault in checked.faults] == [(3, column, rule)]
    assert [entry.key for entry in checked.entries] == ["JZ-1"]
    for lang in Lang:
        message, remedy = Texts(lang).of(checked.faults[0])
        assert message
        assert remedy
        assert "{" not in message + remedy


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        ("103;A;small;C;1708401", "stir", "stir"),
        ("101234567;A;small;C;1708401", "stir", "stir"),
        ("30123456X;A;small;C;1708401", "stir", "stir"),
        ("301234567;A;tiny;C;1708401", "size", "enum"),
        ("301234567;A;small;12;1708401", "isic_section", "isic_section"),
        ("301234567;A;small;C;17", "district", "district_code"),
    ],
)
def test_wrong_enterprise_names_row_column_and_remedy(tmp_path: Path, line: str, column: str, rule: str) -> None:
    checked = check(tmp_path, EnterpriseRegister(), ENTERPRISE, line)
    assert [(fault.row, fault.column, fault.rule) for fault in checked.faults] == [(2, column, rule)]
    assert checked.entries == []


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        ("170;;;a;a;a;a", "soato", "soato"),
        ("1708;district;17;a;a;a;a", "level", "level"),
        ("1708;region;18;a;a;a;a", "parent", "parent"),
        ("1799201;district;1799;a;a;a;a", "soato", "no_parent"),
        ("1708;region;17;a;;a;a", "name_uz_cyrl", "missing"),
    ],
)
def test_wrong_territory_names_row_column_and_remedy(tmp_path: Path, line: str, column: str, rule: str) -> None:
    header = "soato;level;parent;name_uz_latn;name_uz_cyrl;name_ru;name_en"
    checked = check(tmp_path, TerritoryRegister(), header, line)
    assert [(fault.row, fault.column, fault.rule) for fault in checked.faults] == [(2, column, rule)]


def test_second_row_of_a_key_is_named_with_the_first(tmp_path: Path) -> None:
    row = "301234567;A;small;C;1708401"
    checked = check(tmp_path, EnterpriseRegister(), ENTERPRISE, row, "", row)
    (fault,) = checked.faults
    assert (fault.row, fault.column, fault.rule, fault.params["first"]) == (4, "stir", "duplicate", 2)
    assert len(checked.entries) == 1


def test_rows_of_one_institution_are_its_programmes(tmp_path: Path) -> None:
    checked = check(
        tmp_path,
        InstitutionRegister(),
        PROGRAMMES,
        GOOD + ";P1;Payvandchi;3;0715;7212",
        GOOD + ";P2;Dasturchi;4;0613;2512, 2514",
    )
    assert checked.faults == []
    (entry,) = checked.entries
    assert [each.line.programme["code"] for each in entry.lines] == ["P1", "P2"]
    assert entry.lines[1].line.programme["occupations"] == ["2512", "2514"]


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        (GOOD + ";P1;B;3;0715;7212", "programme_code", "duplicate"),
        (GOOD.replace("texnikumi", "kolleji") + ";P2;B;3;0715;7212", "name", "contradiction"),
        (GOOD + ";P2;B;9;0715;7212", "isced_level", "less_than_equal"),
        (GOOD + ";P2;B;third;0715;7212", "isced_level", "int_parsing"),
        (GOOD + ";P2;B;3;7;7212", "isced_field", "isced_field"),
        (GOOD + ";P2;B;3;0715;7212 9999", "occupations", "isco"),
        (GOOD + ";P2;;3;0715;7212", "programme_title", "programme_incomplete"),
    ],
)
def test_wrong_programme_names_row_column_and_remedy(tmp_path: Path, line: str, column: str, rule: str) -> None:
    checked = check(tmp_path, InstitutionRegister(), PROGRAMMES, GOOD + ";P1;A;3;0715;7212", line)
    assert [(fault.row, fault.column, fault.rule) for fault in checked.faults] == [(3, column, rule)]
    message, remedy = Texts(Lang.EN).of(checked.faults[0])
    assert message
    assert remedy
    assert "{" not in message + remedy


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_encoding_and_delimiter_are_found_out(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = f"{ENTERPRISE}\n301234567;Жиззах;small;C;1708401\n".replace(";", delimiter)
    checked = check(tmp_path, EnterpriseRegister(), text, encoding=encoding)
    assert (checked.faults, checked.entries[0].lines[0].line.name) == ([], "Жиззах")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"stir;name\n301234567;A\n", "lacks size, isic_section, district"),
        (b"stir;name;size;isic_section;distrikt\n", "Did you mean district"),
        (b"stir;inn;name;size;isic_section;district\n", "Two columns mean stir"),
        (
            "stir;name;size;isic_section;district\n301234567;Жиззах;small;C;1708401".encode("cp1251"),
            "not UTF-8 (line 2)",
        ),
        (b'stir;name;size;isic_section;district\n301234567;"A;small;C;1708401\n', "quotation mark"),
        (b"PK\x03\x04 and so on", "file.xlsx"),
        (b"\0\1\2", "not a text file"),
    ],
)
def test_unusable_file_says_why_and_what_to_do(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match=re.escape(says)):
        check_file(path, EnterpriseRegister(), Known.reference())


def test_missing_old_and_broken_spreadsheets_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf")
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04")
    for name in ("none.csv", "old.xls", "broken.xlsx"):
        with pytest.raises(FileProblem), open_rows(tmp_path / name):
            pass


def test_spreadsheet_numbers_and_days_are_read_as_a_person_sees_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Код", "Наименование", "Вид", "Район", "Дата открытия"])
    sheet.append(
        [5.0, "A", "Technikum", 1708401, datetime(2005, 9, 1)]  # noqa: DTZ001 - spreadsheets know no zones
    )
    sheet.append([])
    sheet.append(["6", "B", "school", "1708401", date(2006, 9, 1)])
    book.save(tmp_path / "file.xlsx")
    checked = check_file(tmp_path / "file.xlsx", InstitutionRegister(), Known.reference())
    assert checked.faults == []
    assert [(entry.key, entry.row) for entry in checked.entries] == [("5", 2), ("6", 4)]
    assert checked.entries[0].lines[0].line.opened_on == date(2005, 9, 1)
    assert cell_text(1.5) == "1.5"


@pytest.mark.parametrize("register", [TerritoryRegister(), InstitutionRegister(), EnterpriseRegister()])
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("lang", list(Lang))
def test_template_is_importable_in_every_language(
    tmp_path: Path, register: Register[Any], ending: str, lang: Lang
) -> None:
    path = tmp_path / f"template.{ending}"
    write_template(path, register.columns, lang)
    checked = check_file(path, register, Known.reference())
    assert (checked.faults, checked.unknown_titles, len(checked.entries)) == ([], (), 1)
    with pytest.raises(FileProblem):
        write_template(path, register.columns, lang)


def test_unknown_column_is_left_out_and_said(tmp_path: Path) -> None:
    checked = check(tmp_path, EnterpriseRegister(), ENTERPRISE + ";remark", "301234567;A;small;C;1708401;x")
    assert (checked.unknown_titles, checked.faults) == (("remark",), [])
    assert understand(("STIR", "name", "Size", "isic section", "district"), EnterpriseRegister.columns).unknown == ()


def test_choices_are_listed_without_words_of_another_language(tmp_path: Path) -> None:
    (fault,) = check(tmp_path, EnterpriseRegister(), ENTERPRISE, "301234567;A;huge;C;1708401").faults
    assert "micro, small, medium, large" in Texts(Lang.RU).of(fault)[1]


def test_report_cannot_be_taken_for_formulas(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    write_report(path, [Fault(2, "stir", "=1+1", "stir")], Texts(Lang.EN))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert rows[1][2] == "'=1+1"
    assert not [cell for row in rows for cell in row if cell.startswith("=")]


def test_catalogues_agree() -> None:
    assert faults(MESSAGES) == []
