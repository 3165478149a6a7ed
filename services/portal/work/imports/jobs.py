"""Watched imports: how far the service has come with a large file, and what it found wrong in it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.portal.work.api import Services, segment
from services.portal.work.imports.report import Fault, fault_of
from services.portal.work.words import Words

FAULTS_SHOWN: Final = 50
FAULTS_READ: Final = 500
"""At a time, for the file of faults."""


@dataclass(frozen=True, slots=True)
class Job:
    """An import as its service tells of it."""

    id: str
    commit: bool
    over: bool
    rows: int
    done: int
    new: int
    changed: int
    unchanged: int
    wrong: int

    @property
    def good(self) -> int:
        """Rows that do something, or did."""
        return self.new + self.changed


async def job_of(services: Services, service: str, id_: str) -> Job:
    """A job of the reader's; raises NotFound, Forbidden, Unavailable."""
    said: Mapping[str, Any] = await services.get(service, f"/v1/imports/{segment(id_)}")
    counts = {name: int(said.get(name) or 0) for name in ("rows", "done", "new", "changed", "unchanged", "wrong")}
    return Job(str(said["id"]), bool(said.get("commit")), said.get("status") == "done", **counts)


async def faults_page(
    services: Services, words: Words, service: str, register: str, id_: str, after: str, limit: int = FAULTS_SHOWN
) -> tuple[list[Fault], str]:
    """A page of a job's faults and the cursor of the next, "" at the end."""
    params = {"limit": str(limit)} | ({"after": after} if after else {})
    items, following = await services.page(service, f"/v1/imports/{segment(id_)}/faults", params)
    return [fault_of(words, register, each) for each in items], following or ""


async def all_faults(
    services: Services, words: Words, service: str, register: str, id_: str
) -> AsyncIterator[list[Fault]]:
    """All faults of a job, page by page: there may be as many as rows."""
    after = ""
    while True:
        found, after = await faults_page(services, words, service, register, id_, after, FAULTS_READ)
        yield found
        if not after:
            return
