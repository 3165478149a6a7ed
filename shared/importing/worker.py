"""Works imports off, one batch a transaction, beside the service's other work."""

import asyncio
from dataclasses import dataclass

import structlog

from shared.importing.jobs import Target, work_off_batch
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

BATCH = 1_000
LOOK_S = 1.0


@dataclass
class ImportWorker:
    """Looks every second for imports; any number of its kind may run, each batch is one's."""

    database: Database
    progress: Progress
    targets: dict[str, Target]

    async def run(self) -> None:
        """Work until cancelled. A batch that fails is tried again: nothing of it has been done."""
        while True:
            self.progress.beat("imports", 300)
            try:
                worked = await self.work_off_one()
            except Exception as problem:
                log.warning("import.failed", error=repr(problem)[:300])
                worked = False
            if not worked:
                await asyncio.sleep(LOOK_S)

    async def work_off_one(self) -> bool:
        """Do one batch; False where nothing waits."""
        async with self.database.unit_of_work() as uow:
            return await work_off_batch(uow, self.targets, BATCH)
