"""`hamkor token`: a bearer token to try the API with."""

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from deploy.cli.console import out
from deploy.local.errors import StackError
from deploy.local.folder import Folder
from shared.scope import Role

CLIENT = "hamkor-cli"


NEEDS_ORG = {
    Role.REGION: "a SOATO code such as 1708",
    Role.DISTRICT: "a SOATO code such as 1708401",
    Role.INSTITUTION: "an institution's id",
    Role.ENTERPRISE: "an enterprise's id",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("token", help=token.__doc__)(token)


def token(
    role: Annotated[Role, typer.Option(help="Who the token speaks for.")],
    org: Annotated[
        str, typer.Option(help="Region or district: SOATO code. Institution or enterprise: its id. Others: none.")
    ] = "",
    folder: Annotated[Path, typer.Option(help="The running stack's folder.")] = Path(".hamkor"),
) -> None:
    """Print an access token of the running stack's built-in issuer, to call the API as anybody.

    Example: curl -H "Authorization: Bearer $(hamkor token --role ministry)" http://127.0.0.1:8100/api/partners/v1/territory
    """
    if role in NEEDS_ORG and not org:
        raise StackError(f"--role {role} needs --org: {NEEDS_ORG[role]}.")
    out.print(fetch(environment_of(folder), role, org), markup=False)


def environment_of(folder: Path) -> dict[str, str]:
    """The variables of the stack that runs on a folder. Raises StackError when none does."""
    place = Folder(folder)
    if not place.is_held() or not place.environment.exists():
        raise StackError(f"Nothing runs on {place.path}. Start it with `make up` first.")
    variables: dict[str, str] = json.loads(place.environment.read_text())
    return variables


def fetch(environment: dict[str, str], role: Role, org: str = "") -> str:
    """An access token for a role and organisation from the stack's issuer. Raises StackError when it gives none."""
    form: dict[str, str]
    if role is Role.SERVICE:
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["SERVICE_CLIENT_ID"],
            "client_secret": secret(environment, "SERVICE_CLIENT_SECRET"),
        }
    else:
        form = {
            "grant_type": "password",
            "client_id": CLIENT,
            "username": f"{role}:{org}" if role in NEEDS_ORG else role,
            "password": environment.get("PORTAL_DEMO_PASSWORD", "hamkor"),
        }
    try:
        response = httpx.post(environment["AUTH_TOKEN_URL"], data=form, timeout=10, trust_env=False)
        answer: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StackError(f"The issuer at {environment['AUTH_TOKEN_URL']} gave no answer: {error}.") from error
    if "access_token" not in answer:
        raise StackError(f"The issuer gave no token: {answer.get('error_description', answer)}.")
    return str(answer["access_token"])


def secret(environment: dict[str, str], name: str) -> str:
    """A secret's value, whether it stands in the environment or in a file that is named there."""
    if name in environment:
        return environment[name]
    return Path(environment[f"{name}_FILE"]).read_text().strip()
