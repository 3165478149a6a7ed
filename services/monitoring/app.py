"""Composition root of monitoring."""

import gc
from pathlib import Path

from fastapi import FastAPI

from services.monitoring import LISTENS_TO
from services.monitoring.advice.advisor import Advisor
from services.monitoring.advice.commands import Advice
from services.monitoring.advice.declarations import check_texts, rules
from services.monitoring.advice.evaluation import Evaluator
from services.monitoring.advice.trials import Trials
from services.monitoring.api import PERMISSIONS, ROUTERS
from services.monitoring.api.ground import Ground
from services.monitoring.changes import Changes
from services.monitoring.commands import Applier
from services.monitoring.comparison.effectiveness import composition
from services.monitoring.comparison.keeping import Tables
from services.monitoring.directory import Directory
from services.monitoring.generation import Watch
from services.monitoring.reporting import calendar
from services.monitoring.reporting.commands import Reports
from services.monitoring.reporting.opening import Opening
from services.monitoring.reporting.publishing import Publications
from services.monitoring.subscribers import Indicators
from services.monitoring.suppression.release import Releasing
from shared.messaging.consumer import ConsumerSettings
from shared.persistence.scheduler import Scheduler
from shared.settings import load_settings
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis


def build() -> FastAPI:
    """The application, from the environment's settings."""
    settings = load_settings("monitoring")
    # A batch makes very many small objects that live as long as it does: looking for garbage there costs a quarter.
    gc.set_threshold(100_000, 50, 100)
    configure_logs(settings.service, settings.log_level, settings.log_format)
    chassis = make_chassis(settings, Path(__file__).parent, planned_once=True)
    directory = Directory()
    changes = Changes(chassis.database, settings.database_url, directory, chassis.progress)
    chassis.jobs["changes"] = changes.run
    composition()  # what is wrong with the index stops the start
    tables = Tables(chassis.database, directory, settings.privacy_k, chassis.progress)
    chassis.jobs["comparison"] = tables.run
    releasing = Releasing(chassis.database, settings.privacy_k, chassis.progress)
    chassis.jobs["release"] = releasing.run
    chassis.jobs["rebuild"] = Watch(chassis.database, chassis.progress).run
    check_texts(rules(), chassis.catalogue)
    advice = Advice(directory, settings.privacy_k)
    advisor = Advisor(
        chassis.database,
        settings.database_url,
        directory,
        Evaluator(chassis.database, settings.privacy_k),
        Trials(chassis.database, directory, settings.privacy_k),
        chassis.progress,
    )
    chassis.jobs["advice"] = advisor.run
    chassis.jobs["trials"] = advisor.try_history
    dates = calendar.load()
    reports = Reports(dates)
    publications = Publications(
        chassis.database, directory, settings.privacy_k, lambda: chassis.progress.beat("scheduler")
    )
    chassis.jobs["opening"] = Opening(chassis.database, directory, reports, dates, chassis.progress).run
    passages = (reports.passage(), publications.passage(), advice.passage())
    chassis.jobs["scheduler"] = Scheduler(chassis.database, chassis.progress, passages).run
    app = create_app(
        chassis,
        routers=ROUTERS,
        permissions=PERMISSIONS,
        projection=_indicators(settings.privacy_k, releasing),
        beside=[_indicators(settings.privacy_k, releasing)],
        listens_to=LISTENS_TO,
        consumer_settings=ConsumerSettings(max_records=20_000),
    )
    app.state.ground = Ground(directory, changes, chassis.catalogue, chassis.database.clock, settings.privacy_k)
    app.state.reports, app.state.publications = reports, publications
    app.state.comparison, app.state.releasing = tables, releasing
    app.state.advice, app.state.advisor = advice, advisor
    return app


def _indicators(k: int, releasing: Releasing) -> Indicators:
    return Indicators(Applier(k, releasing.wake))
