"""The entry of `hamkor`: gathers the commands."""

import importlib
import importlib.util
import sys

import typer

from deploy.cli.console import problem
from deploy.local.errors import StackError

COMMANDS = ("up", "status", "token", "importer", "demo", "verify", "rebuild", "archive", "outputs")

app = typer.Typer(
    name="hamkor",
    help="Hamkor follows the partnership of vocational schools and enterprises, from a school's command to the "
    "nation's indicators. Start with [bold]hamkor up[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _name in COMMANDS:
    if importlib.util.find_spec(f"deploy.cli.{_name}") is not None:
        importlib.import_module(f"deploy.cli.{_name}").register(app)


def main() -> None:
    """Run; what a person can mend is said in one sentence, without a traceback."""
    try:
        app()
    except StackError as error:
        problem(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
