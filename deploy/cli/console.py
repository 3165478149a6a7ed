"""How the command line speaks: facts on standard output, problems and progress on standard error."""

import contextlib

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Say how it goes; whoever closed the terminal doesn't hear it, and nothing else happens."""
    with contextlib.suppress(OSError):
        err.print(text)


def problem(text: str) -> None:
    """Say what is wrong, and what to do."""
    first, *rest = text.split("\n")
    err.print(f"[bold red]✗[/] {first}")
    for line in rest:
        err.print(line, markup=False, style="dim")
