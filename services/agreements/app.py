"""Composition root of agreements."""

from pathlib import Path

from fastapi import FastAPI

from services.agreements.api import PERMISSIONS, ROUTERS
from services.agreements.commands.boards import BOARDS
from services.agreements.commands.passage import AGREEMENTS
from services.agreements.commands.work_plans import WORK_PLANS
from services.agreements.subscribers import LISTENS_TO, Register
from shared.persistence.scheduler import Passage, Scheduler
from shared.settings import load_settings
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis

PASSAGES: tuple[Passage, ...] = (AGREEMENTS, BOARDS, WORK_PLANS)
"""What passing time does here."""


def build() -> FastAPI:
    """The application, from the environment's settings."""
    settings = load_settings("agreements")
    configure_logs(settings.service, settings.log_level, settings.log_format)
    chassis = make_chassis(settings, Path(__file__).parent)
    chassis.jobs["scheduler"] = Scheduler(chassis.database, chassis.progress, PASSAGES).run
    return create_app(chassis, routers=ROUTERS, permissions=PERMISSIONS, projection=Register(), listens_to=LISTENS_TO)
