"""Composition root of partners."""

from pathlib import Path

from fastapi import FastAPI

from services.partners.api import PERMISSIONS, ROUTERS
from services.partners.api.imports import LARGE_BODIES, TARGETS
from services.partners.commands.visits import ACTIONS
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
    chassis.jobs["imports"] = ImportWorker(chassis.database, chassis.progress, TARGETS).run
    return create_app(chassis, routers=ROUTERS, permissions=PERMISSIONS, spooled_bodies=LARGE_BODIES)
