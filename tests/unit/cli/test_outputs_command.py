"""`hamkor report`, `dictionary`, `export dhis2`: what is said without a platform, and that nothing half is written."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.cli.outputs import export_group
from deploy.local.errors import StackError

SILENT = ["--url", "http://127.0.0.1:1", "--token", "nobody's"]


@pytest.mark.parametrize(
    "command",
    [
        ["report", "--period", "2026-Q3"],
        ["dictionary"],
        ["export", "dhis2", "metadata"],
        ["export", "dhis2", "values", "--period", "2026-Q3"],
    ],
)
def test_a_silent_platform_is_named_and_what_was_there_stays(command: list[str], tmp_path: Path) -> None:
    written = tmp_path / "file"
    written.write_text("of yesterday")
    result = CliRunner().invoke(app, [*command, *SILENT, "-o", str(written)])
    assert isinstance(result.exception, StackError)
    assert "http://127.0.0.1:1 does not answer" in str(result.exception)
    assert "hamkor up" in str(result.exception)
    assert written.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [written]


def test_a_pdf_of_the_dictionary_needs_a_file() -> None:
    result = CliRunner().invoke(app, ["dictionary", "--format", "pdf", *SILENT])
    assert "-o dictionary.pdf" in str(result.exception)


def test_the_group_of_exports_is_made_once() -> None:
    root = typer.Typer()
    assert export_group(root) is export_group(root)
    assert len(root.registered_groups) == 1
