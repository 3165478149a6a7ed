"""A member of a consumer group as a process of its own, to be killed and frozen; arguments: settings file, source."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from shared.settings import Settings
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis
from tests.integration.messaging.world import Recording


async def dawdle(_: Sequence[int]) -> None:
    """Long enough for a signal to arrive in the middle of a transaction."""
    await asyncio.sleep(0.02)


def main(settings_file: str, source: str) -> None:
    """Serve until killed."""
    settings = Settings.model_validate_json(Path(settings_file).read_text())
    configure_logs(settings.service)
    app = create_app(
        make_chassis(settings, Path("nowhere")),
        routers=[],
        permissions={},
        projection=Recording(before_commit=dawdle),
        listens_to=[source],
    )
    uvicorn.run(app, port=settings.port, log_config=None, access_log=False, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
