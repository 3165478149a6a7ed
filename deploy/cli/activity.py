"""What fills a fresh stack: the reference territory, and demo activity through the public API."""

import importlib.util

from deploy.local.environment import ROOT
from deploy.local.stack import Stack

TERRITORY = ROOT / "shared" / "reference" / "territory.csv"


def present(command: str) -> bool:
    """Whether a command's module is there."""
    return importlib.util.find_spec(f"deploy.cli.{command}") is not None


async def load_reference(stack: Stack) -> None:
    """Load the territory at the first start; the folder remembers that it was done."""
    done = stack.folder.path / "loaded"
    if done.exists() or not present("importer"):
        return
    process = await stack.run(
        "import", "deploy.cli.main", "import", "territory", str(TERRITORY), "--yes", ends_by_itself=True
    )
    await process.ended()
    await process.until_ready()
    done.touch()


async def start(stack: Stack) -> None:
    """Let the demo's schools and enterprises work until the stack ends."""
    if present("demo"):
        await stack.run("demo", "deploy.cli.main", "demo")


def demo_users() -> list[str]:
    """Lines that tell a person how to sign in."""
    return []
