"""Composition root of monitoring."""

import gc
from pathlib import Path

from fastapi import FastAPI

from services.monitoring import LISTENS_TO
from services.monitoring.api import PERMISSIONS, ROUTERS
from services.monitoring.api.ground import Ground
from services.monitoring.changes import Changes
from services.monitoring.commands import Applier
from services.monitoring.directory import Directory
from services.monitoring.subscribers import Indicators
from shared.messaging.consumer import ConsumerSettings
from shared.settings import load_settings
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis


def build() -> FastAPI:
    """The application, from the environment's settings."""
    settings = load_settings("monitoring")
    # A batch makes very many small objects that live as long as it does: looking for garbage there costs a quarter.
    gc.set_threshold(100_000, 50, 100)
    configure_logs(settings.service, settings.log_level, settings.log_format)
    chassis = make_chassis(settings, Path(__file__).parent)
    directory = Directory(chassis.database)
    changes = Changes(chassis.database, settings.database_url, directory, chassis.progress)
    chassis.jobs["changes"] = changes.run
    app = create_app(
        chassis,
        routers=ROUTERS,
        permissions=PERMISSIONS,
        projection=Indicators(Applier(settings.privacy_k)),
        listens_to=LISTENS_TO,
        consumer_settings=ConsumerSettings(max_records=5_000),
    )
    app.state.ground = Ground(directory, changes, chassis.catalogue, chassis.database.clock, settings.privacy_k)
    return app
