"""Which environment variables a process reads: what deploys it may set these and no others."""

from services.portal.settings import VARIABLES as PORTAL_VARIABLES
from services.surveys.app import OwnSettings as SurveysSettings
from shared.settings import COMMON, OWN, PORTS, variable_of


def read_by(process: str) -> set[str]:
    """The variables of a service or of the portal; each of them may also come as a file's path, in …_FILE."""
    urls = {f"{name.upper()}_URL" for name in PORTS}
    if process == "portal":
        return urls | set(PORTAL_VARIABLES.values())
    own = SurveysSettings.model_fields if process == "surveys" else {}
    return urls | {variable_of(process, setting) for setting in (*COMMON, *OWN, *own)}
