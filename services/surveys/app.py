"""Composition root of surveys."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.surveys.api import PERMISSIONS, ROUTERS
from services.surveys.api.parts import Surveys
from services.surveys.commands.passage import passages
from services.surveys.company import Company
from services.surveys.domain.campaigns import MAX_INTERVIEW_DAYS
from services.surveys.exports.making import Exports
from services.surveys.flusher import Flusher
from services.surveys.form.intake import Intake
from services.surveys.form.pages import Pages
from services.surveys.form.routes import PublicDoor, PublicForm
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.crossings import Crossings
from services.surveys.subscribers import LISTENS_TO, Surroundings
from services.surveys.vault import MIN_PEPPER, Vault
from shared.persistence.scheduler import Scheduler
from shared.settings import Settings, WrongSettings, load_settings, read_environment
from shared.telemetry.logs import configure_logs
from shared.web.app import create_app, make_chassis
from shared.web.guesses import WrongGuesses


class OwnSettings(BaseModel):
    """What surveys needs to know beyond the chassis."""

    model_config = ConfigDict(frozen=True)

    code_pepper: str = Field(min_length=MIN_PEPPER)  # SURVEYS_CODE_PEPPER: kept outside the database, never changed
    # SURVEYS_INTERVIEW_DAYS: after a campaign's end, for interviews made before it; of campaigns that name no other
    interview_days: int = Field(0, ge=0, le=MAX_INTERVIEW_DAYS)


def load_own_settings(settings: Settings, environment: Mapping[str, str]) -> OwnSettings:
    """The settings of surveys alone; raises WrongSettings.

    Without a pepper of its own one is derived from the services' secret: then a new services' secret voids the codes.
    """
    derived = hashlib.sha256(b"hamkor surveys pepper:" + settings.service_client_secret.encode()).hexdigest()
    if "SURVEYS_CODE_PEPPER_FILE" in environment and "SURVEYS_CODE_PEPPER" not in environment:
        # Going on with the derived pepper would void every code that is out.
        raise WrongSettings(
            f"SURVEYS_CODE_PEPPER_FILE names the file {environment['SURVEYS_CODE_PEPPER_FILE']}, which cannot be read."
        )
    given = {"code_pepper": environment.get("SURVEYS_CODE_PEPPER", derived)}
    if "SURVEYS_INTERVIEW_DAYS" in environment:
        given["interview_days"] = environment["SURVEYS_INTERVIEW_DAYS"]
    try:
        return OwnSettings.model_validate(given)
    except ValidationError as problem:
        name = f"SURVEYS_{problem.errors()[0]['loc'][0]}".upper()
        raise WrongSettings(f"{name} is wrong: {problem.errors()[0]['msg']}.") from None


def build() -> FastAPI:
    """The application, from the environment's settings."""
    settings = load_settings("surveys")
    configure_logs(settings.service, settings.log_level, settings.log_format)
    return assemble(settings, load_own_settings(settings, read_environment()))


def assemble(settings: Settings, own: OwnSettings) -> FastAPI:
    """The application, from settings."""
    chassis = make_chassis(settings, Path(__file__).parent)
    library = InstrumentLibrary.load()
    vault = Vault(own.code_pepper)
    pages = Pages(chassis.catalogue)
    flusher = Flusher(chassis.database, vault, library, chassis.progress, step=settings.privacy_k)
    chassis.jobs["flusher"] = flusher.run
    chassis.jobs["company"] = Company(chassis.database, vault, chassis.progress, settings.privacy_k).run
    passing = passages(library, settings.privacy_k, own.interview_days)
    chassis.jobs["scheduler"] = Scheduler(chassis.database, chassis.progress, passing).run
    form = PublicForm(vault, library, pages, WrongGuesses(), Intake(chassis.database, vault, library, flusher.staged))
    app = create_app(
        chassis,
        routers=ROUTERS,
        permissions=PERMISSIONS,
        projection=Surroundings(settings.privacy_k),
        listens_to=LISTENS_TO,
    )
    app.add_middleware(PublicDoor, form=form, service=settings.service)
    exports = Exports(chassis.database, chassis.catalogue, settings.privacy_k)
    app.state.surveys = Surveys(
        library,
        vault,
        pages,
        settings.urls["portal"],
        settings.privacy_k,
        flusher.wake,
        exports,
        Crossings(chassis.database, library, settings.privacy_k),
        own.interview_days,
    )
    return app
