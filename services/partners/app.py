"""Composition root of partners."""

from pathlib import Path

from fastapi import FastAPI

from services.partners.api import PERMISSIONS, ROUTERS, api_keys
from services.partners.api.imports import LARGE_BODIES
from services.partners.commands.api_keys import OwnApiKeys
from services.partners.commands.imports import TARGETS
from services.partners.commands.visits import ACTIONS
from services.partners.webhooks.addresses import Reachable
from services.partners.webhooks.collecting import LISTENS_TO, Collecting
from services.partners.webhooks.delivering import Deliverer, Sender
from shared.importing.process import ImportProcess
from shared.importing.worker import ImportWorker
from shared.persistence.scheduler import Passage, Scheduler
from shared.settings import load_settings
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis

PASSAGES: tuple[Passage, ...] = (ACTIONS,)
"""What passing time does here."""


def build() -> FastAPI:
    """The application, from the environment's settings."""
    settings = load_settings("partners")
    configure_logs(settings.service, settings.log_level, settings.log_format)
    chassis = make_chassis(settings, Path(__file__).parent)
    chassis.jobs["scheduler"] = Scheduler(chassis.database, chassis.progress, PASSAGES).run
    large = ImportProcess(chassis.database, "services.partners.commands.imports:TARGETS")
    chassis.jobs["imports"] = ImportWorker(chassis.database, chassis.progress, TARGETS, large).run
    sender = Sender(Reachable(loopback=settings.webhooks_loopback))
    chassis.jobs["webhooks"] = Deliverer(chassis.database, chassis.progress, sender).run
    return create_app(
        chassis,
        routers=[*ROUTERS, api_keys.internal],
        permissions=PERMISSIONS,
        projection=Collecting(),
        listens_to=LISTENS_TO,
        api_keys=OwnApiKeys(chassis.database),
        spooled_bodies=LARGE_BODIES,
    )
