"""The environment of the stack's processes: every variable the services read, in one table."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.folder import Folder
from deploy.local.ports import HOST

SERVICES: tuple[str, ...] = ("partners", "agreements", "surveys", "monitoring")
PROCESSES: tuple[str, ...] = (*SERVICES, "portal")
ROOT = Path(__file__).resolve().parents[2]
OURS = (*(f"{name.upper()}_" for name in PROCESSES), "AUTH_", "KAFKA_", "LOG_", "PRIVACY_", "SERVICE_")


def url(port: int) -> str:
    """How a process of this machine reaches another."""
    return f"http://{HOST}:{port}"


def compose(folder: Folder, ports: Mapping[str, int], outer: Mapping[str, str]) -> dict[str, str]:
    """The variables common to all processes, engines apart. What the outer environment already says, stays."""
    portal = outer.get("PORTAL_URL") or url(ports["portal"])
    own: dict[str, str] = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), outer.get("PATH", os.defpath))),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # threads would each take an arena of their own: 5 processes, 100 MB
        "AUTH_AUDIENCE": "hamkor",
        "AUTH_ISSUER": f"{portal}/oidc",
        "AUTH_JWKS_URL": f"{url(ports['portal'])}/oidc/jwks",
        "AUTH_TOKEN_URL": f"{url(ports['portal'])}/oidc/token",
        "SERVICE_CLIENT_ID": "hamkor-services",
        "SERVICE_CLIENT_SECRET_FILE": str(folder.secret("service_client")),
        "PORTAL_EMBEDDED_ISSUER": "true",
        "PORTAL_ISSUER_KEY_FILE": str(folder.signing_key()),
        "PORTAL_SESSION_SECRET_FILE": str(folder.secret("portal_session")),
        "PORTAL_CLIENT_ID": "hamkor-portal",
        "PORTAL_CLIENT_SECRET_FILE": str(folder.secret("portal_client")),
        "SURVEYS_CODE_PEPPER_FILE": str(folder.secret("surveys_code_pepper")),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "info",
    }
    for name in PROCESSES:
        own[f"{name.upper()}_HOST"] = HOST
        own[f"{name.upper()}_URL"] = url(ports[name])
    # Either form of a secret that is set outside wins over ours.
    for name in [each for each in own if each.endswith("_FILE")]:
        if outer.get(name.removesuffix("_FILE")):
            del own[name]
    chosen = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    return {**own, **{name: value for name, value in outer.items() if value and name != "PATH"}, **chosen}


def ours(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that Hamkor reads, to be kept in a file: whatever else the caller's shell holds is nobody's business."""
    return {name: value for name, value in variables.items() if name.startswith(OURS)}
