"""How the command line speaks: facts on standard output, problems and progress on standard error."""

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def problem(text: str) -> None:
    """Say what is wrong, and what to do."""
    first, *rest = text.split("\n")
    err.print(f"[bold red]✗[/] {first}")
    for line in rest:
        err.print(line, markup=False, style="dim")
