"""`hamkor import`: the territory, institutions and enterprises from CSV and XLSX files, through the public API."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.api_client import DEMO_PASSWORD, Api, Patience, Problem, Unreachable, api_client, fixed_token
from deploy.cli.console import err, out, problem
from deploy.cli.importing.columns import write_template
from deploy.cli.importing.enterprises import EnterpriseRegister
from deploy.cli.importing.files import FileProblem
from deploy.cli.importing.institutions import InstitutionRegister
from deploy.cli.importing.registers import Known, Outcome, Register
from deploy.cli.importing.report import show_faults
from deploy.cli.importing.rows import Texts
from deploy.cli.importing.run import Checked, Import, Result, check_file
from deploy.cli.importing.territory import TerritoryRegister
from deploy.local.folder import Folder
from shared.i18n import Lang

REGISTERS: tuple[Register[Any], ...] = (TerritoryRegister(), InstitutionRegister(), EnterpriseRegister())
EXIT_FAULTS, EXIT_FILE, EXIT_PLATFORM, EXIT_INTERRUPTED = 1, 2, 3, 130
DEFAULT_URL = "http://127.0.0.1:8100"
FIRST_CONTACT = Patience(total_s=5)

Source = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="A .csv (UTF-8; comma, semicolon or tab) or .xlsx file.")
]
Commit = Annotated[bool, typer.Option("--commit", "--yes", help="Import the good rows. Without it nothing is changed.")]
Url = Annotated[
    str, typer.Option(envvar="PORTAL_URL", help="The portal's address; without it, the stack running here.")
]
User = Annotated[str, typer.Option(help="Whom to act for: ministry, region:1708, district:1708401, …")]
Password = Annotated[str, typer.Option(envvar="HAMKOR_PASSWORD", help="The user's password.", show_default=False)]
Token = Annotated[
    str, typer.Option(envvar="HAMKOR_TOKEN", help="An access token instead of user and password.", show_default=False)
]
Report = Annotated[Path | None, typer.Option(metavar="ERRORS.CSV", help="Write every fault to this CSV file.")]
Template = Annotated[
    Path | None, typer.Option(metavar="NEW.XLSX", help="Write an example file (.xlsx or .csv) and stop.")
]
Language = Annotated[Lang, typer.Option("--lang", help="Language of faults, and of a template's header.")]
AtOnce = Annotated[int, typer.Option(min=1, max=64, help="Rows under way at the same time.")]

COLUMNS = (
    "Columns, named in the header in English as here, or in Uzbek or Russian as in an example of --template (* needed):"
)
COMMON = (
    "Without --commit every row is checked and compared with the platform, and nothing is changed. With it the good "
    "rows are imported: new ones registered, changed ones updated, unchanged ones skipped. Faults are named with row, "
    "column and what to do. After Ctrl-C or a failure run the same import again: it goes on where it stopped.\n\n"
    "Ends with 0 when all rows are good, 1 when some have faults (the good ones are imported all the same), 2 when the "
    "file can't be used, 3 when the platform doesn't answer or doesn't let you in."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    imports = typer.Typer(
        name="import",
        help="Bring territory, institutions or enterprises in from a file, row by row through the API.",
        no_args_is_help=True,
    )
    for each in REGISTERS:
        columns = "\n".join(
            f"- {column.code}{' *' if column.required else ''}: {column.help}" for column in each.columns
        )
        help_ = f"Import {each.about}.\n\n{COLUMNS}\n\n{columns}\n\n{COMMON}"
        imports.command(each.name, help=help_)(_command(each))
    app.add_typer(imports)


@dataclass(frozen=True)
class _Options:
    """What the command line said."""

    url: str
    user: str
    password: str
    token: str
    commit: bool
    lang: Lang
    report: Path | None
    at_once: int


def _command(chosen: Register[Any]) -> Callable[..., None]:
    def command(
        file: Source = None,
        commit: Commit = False,
        url: Url = "",
        user: User = "ministry",
        password: Password = DEMO_PASSWORD,
        token: Token = "",
        report: Report = None,
        template: Template = None,
        lang: Language = Lang.EN,
        at_once: AtOnce = 16,
    ) -> None:
        try:
            if template is not None:
                write_template(template, chosen.columns, lang)
                out.print(f"{template} is an example; fill it and run: hamkor import {chosen.name} {template}")
                return
            options = _Options(url or running_url(), user, password, token, commit, lang, report, at_once)
            code = asyncio.run(_import(chosen, _given(file, chosen), options))
        except FileProblem as error:
            problem(str(error))
            code = EXIT_FILE
        raise typer.Exit(code)

    return command


def _given(file: Path | None, chosen: Register[Any]) -> Path:
    if file is None:
        raise FileProblem(
            f"Which file? hamkor import {chosen.name} FILE (--template {chosen.name}.xlsx writes an example)."
        )
    return file


def running_url() -> str:
    """The portal of the stack that runs here, else where it usually is."""
    place = Folder(Path(".hamkor"))
    if place.is_held() and place.environment.exists():
        return str(json.loads(place.environment.read_text()).get("PORTAL_URL", DEFAULT_URL))
    return os.environ.get("PORTAL_URL", DEFAULT_URL)


async def _import(register_: Register[Any], file: Path, options: _Options) -> int:
    tokens = fixed_token(options.token) if options.token else None
    async with api_client(
        options.url, tokens=tokens, password=options.password, connections=options.at_once + 4, lang=options.lang
    ) as api:
        waiting, api.patience = api.patience, FIRST_CONTACT
        try:
            known: Known | None = await Known.of_platform(api, options.user)
        except (Problem, Unreachable) as error:
            if options.commit or isinstance(error, Problem):
                problem(f"{options.url} can't be used: {error}")
                return EXIT_PLATFORM
            err.print(
                f"[yellow]{options.url} does not answer: rows are checked, but not compared with the platform.[/]"
            )
            known = None
        api.patience = waiting
        return await _checked_import(register_, file, options, api, known)


async def _checked_import(
    register_: Register[Any], file: Path, options: _Options, api: Api, known: Known | None
) -> int:
    with err.status(f"Checking {file.name} …"):
        checked = check_file(file, register_, known or Known.reference())
    for title in checked.unknown_titles:
        err.print(f"[yellow]The column “{title}” is not known and was left out.[/]")
    texts = Texts(options.lang)
    if known is None:
        show_faults(out, checked.faults, texts, options.report)
        out.print(f"{checked.rows} rows: {len(checked.entries)} good entries, {len(checked.faults)} faults.")
        return EXIT_FAULTS if checked.faults else 0
    run = Import(register_, known, api, options.user, options.commit, options.at_once)
    failure = ""
    try:
        await _with_progress(run, checked)
    except* (Unreachable, Problem) as errors:
        failure = str(errors.exceptions[0])
    faults = [*checked.faults, *run.result.faults]
    show_faults(out, faults, texts, options.report)
    _summarise(checked, run.result, commit=options.commit)
    if failure:
        problem(f"Stopped: {failure}\nRun the same import again: what is done is skipped.")
        return EXIT_PLATFORM
    if run.result.interrupted:
        err.print("Interrupted. Run the same import again: it goes on from here.")
        return EXIT_INTERRUPTED
    return EXIT_FAULTS if faults else 0


async def _with_progress(run: Import[Any], checked: Checked[Any]) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, run.stop.set)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = loop.time()
    try:
        with Progress(*columns, console=err, transient=True) as progress:
            title = "Importing" if run.commit else "Comparing"
            bar = progress.add_task(title, total=len(checked.entries), rate="")

            def advance() -> None:
                rate = run.result.looked_at / max(loop.time() - began, 0.001)
                progress.update(bar, advance=1, rate=f"{rate:,.0f}/s")

            await run.run(checked.entries, advance)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _summarise(checked: Checked[Any], result: Result, *, commit: bool) -> None:
    counts = result.counts
    said = "imported" if commit else "would be imported"
    faults = len(checked.faults) + len(result.faults)
    out.print(
        f"{checked.rows} rows: [green]{counts[Outcome.NEW]} new[/] and {counts[Outcome.CHANGED]} changed {said}, "
        f"{counts[Outcome.UNCHANGED]} unchanged, "
        + (f"[red]{faults} faults[/]." if faults else "no faults.")
        + (
            ""
            if commit or not (counts[Outcome.NEW] or counts[Outcome.CHANGED])
            else " Nothing is changed yet: add --commit."
        )
    )
