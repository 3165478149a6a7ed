"""`python -m deploy.compose.secrets`: makes the secret files that docker-compose.yml mounts; what is there, stays.

Uses the standard library alone, so that a machine with Docker needs no virtual environment.
"""

import secrets
import sys
from pathlib import Path

PLACE = Path(__file__).with_name("secrets")
DATABASES = ("partners", "agreements", "surveys", "monitoring")
PASSWORDS = (
    "postgres_admin",
    "hamkor_owner",
    "hamkor_app",
    "service_client",
    "portal_client",
    "portal_session",
    "surveys_code_pepper",
    "keycloak_admin",
    "demo_users",
    "grafana_admin",
)
ROLES = {"database_url": "hamkor_app", "migration_url": "hamkor_owner"}


def ensure(place: Path = PLACE) -> list[str]:
    """Make the files that are missing; answers their names."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    made = [name for name in PASSWORDS if _write(place / name, secrets.token_urlsafe(24))]
    for database in DATABASES:
        for kind, role in ROLES.items():
            password = (place / role).read_text()
            url = f"postgresql+asyncpg://{role}:{password}@postgres:5432/{database}"
            if _write(place / f"{database}_{kind}", url):
                made.append(f"{database}_{kind}")
    return made


def _write(file: Path, text: str) -> bool:
    if file.exists():
        return False
    file.write_text(text)
    # Containers read them as another user; other users of this machine are kept out by the folder.
    file.chmod(0o644)
    return True


if __name__ == "__main__":
    names = ensure()
    sys.stdout.write(f"{PLACE}: {f'made {len(names)} secrets' if names else 'all secrets are there'}\n")
