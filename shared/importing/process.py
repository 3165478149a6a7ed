"""Large imports in a process of their own: a batch's work never holds up what the service answers meanwhile."""

import asyncio
import gc
import importlib
import os
import sys
from dataclasses import dataclass

import structlog

from shared.child import standard_input, until_one_ends
from shared.importing.jobs import Target, work_off_batch
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.telemetry.logs import configure_logs
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LANES = 2
BEAT_S = 5.0
ADDRESS = "HAMKOR_IMPORT_DATABASE_URL"


@dataclass(frozen=True)
class ImportProcess:
    """Starts the process that works off what waits, and waits for its end.

    `targets` names the registers as `module:NAME`: the process is a fresh interpreter.
    """

    database: Database
    targets: str

    async def run(self, progress: Progress) -> bool:
        """Until nothing waits any more; False where the process failed. It ends with this one, however that ends."""
        address = self.database.engine.url.render_as_string(hide_password=False)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.importing.process", self.database.service, self.targets),
            stdin=asyncio.subprocess.PIPE,  # closes when this process dies, even by kill -9
            env={**os.environ, ADDRESS: address},
        )
        try:
            while process.returncode is None:
                progress.beat("imports", 300)
                try:
                    async with asyncio.timeout(BEAT_S):
                        await process.wait()
                except TimeoutError:
                    continue
        finally:
            if process.returncode is None:
                process.kill()  # a batch is one transaction: nothing of it is done
                await process.wait()
        if process.returncode:
            log.warning("import.process_failed", code=process.returncode)
        return process.returncode == 0


async def work_off(database: Database, targets: dict[str, Target]) -> None:
    """Batch after batch, in lanes: while one's waits for PostgreSQL another's is computed. Until nothing waits."""

    async def lane() -> None:
        while True:
            async with database.unit_of_work() as uow:
                if not await work_off_batch(uow, targets):
                    return
            gc.collect()

    await asyncio.gather(*(lane() for _ in range(LANES)))


async def _while_wanted(database: Database, targets: dict[str, Target]) -> None:
    """Work, but not longer than the process that asked for it lives."""
    await until_one_ends((await standard_input()).read(), work_off(database, targets))


def main(arguments: list[str]) -> None:
    """`python -m shared.importing.process SERVICE MODULE:NAME`, started by the service alone."""
    service, place = arguments
    module, _, name = place.partition(":")
    configure_logs(service, os.environ.get("LOG_LEVEL", "info"), os.environ.get("LOG_FORMAT", "json"))
    targets: dict[str, Target] = getattr(importlib.import_module(module), name)
    # A batch makes tens of thousands of objects that live as long as it: looked through once behind it, not meanwhile.
    gc.freeze()
    gc.disable()
    engine = make_engine(os.environ.pop(ADDRESS), application=f"hamkor-{service}-import", pool_size=LANES)
    asyncio.run(_while_wanted(Database(service, engine), targets))


if __name__ == "__main__":
    main(sys.argv[1:])
