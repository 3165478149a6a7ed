"""What fills a fresh stack: the reference territory, and demo activity through the public API."""

import importlib.util

from deploy.local.environment import ROOT
from deploy.local.stack import Stack
from services.portal.issuer.users import DEMO_USERS

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


def sign_in_lines() -> list[str]:
    """How to sign in at the demonstration: the users by role, in two lines."""
    by_role: dict[str, list[str]] = {}
    for user in DEMO_USERS:
        by_role.setdefault(user.role, []).append(user.username)
    named = " · ".join(f"{role}: {', '.join(users)}" for role, users in by_role.items())
    return [
        f"Sign in     {named}",
        "            (no password on the sign-in page; schools and enterprises are found there)",
    ]
