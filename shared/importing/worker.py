"""Works imports off, one batch a transaction, beside the service's other work."""

import asyncio
from dataclasses import dataclass

import structlog

from shared.importing.jobs import Target, rows_left, work_off_batch
from shared.importing.process import ImportProcess
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 1.0
LARGE = 20_000
"""Rows from which on an import is worth a process of its own, which takes a second or two to start."""


@dataclass
class ImportWorker:
    """Looks every second for imports; any number of its kind may run, each batch is one's.

    With `process` large ones are worked off there; where it fails, a batch is done here before it is tried again.
    """

    database: Database
    progress: Progress
    targets: dict[str, Target]
    process: ImportProcess | None = None

    async def run(self) -> None:
        """Work until cancelled. A batch that fails is tried again: nothing of it has been done."""
        while True:
            self.progress.beat("imports", 300)
            try:
                if self.process is not None and await self._large():
                    await self.process.run(self.progress)
                worked = await self.work_off_one()
            except Exception as problem:
                log.warning("import.failed", error=repr(problem)[:300])
                worked = False
            if not worked:
                await asyncio.sleep(LOOK_S)

    async def work_off_one(self) -> bool:
        """Do one batch; False where nothing waits."""
        async with self.database.unit_of_work() as uow:
            return await work_off_batch(uow, self.targets)

    async def _large(self) -> bool:
        async with self.database.reading(SYSTEM) as session:
            return await rows_left(session) >= LARGE
