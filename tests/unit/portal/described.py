"""What the services say of themselves, made from their routes: no database is needed for that."""

from functools import cache
from typing import Any

from fastapi import FastAPI

import services.agreements.api
import services.partners.api
from services.portal.work.declaration import Declared, declaration
from services.portal.work.schema import Description, Reader

PACKAGES: dict[str, Any] = {"partners": services.partners.api, "agreements": services.agreements.api}
ROUTERS = {"partners": services.partners.api.ROUTERS, "agreements": services.agreements.api.ROUTERS}


@cache
def document(service: str) -> dict[str, Any]:
    """A service's OpenAPI document."""
    app = FastAPI()
    for router in ROUTERS[service]:
        app.include_router(router)
    return app.openapi()


@cache
def described(name: str) -> tuple[Declared, Description]:
    """A declared register with what its service says of it."""
    register = declaration().register_of(name)
    assert register is not None
    return register, Reader(document(register.service), declaration()).describe(name)
