"""What went wrong, said once: as problem+json to programs, as a page to people."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from services.portal.language import language_of
from shared.i18n import Catalogue, Lang

NO_PAGE = ("/api/", "/oidc/token", "/oidc/revoke", "/oidc/jwks", "/fragments/", "/s/")
"""Paths whose caller is a program."""

ErrorPage = Callable[[Scope, int, dict[str, str]], Response]


class Problems:
    """Renders problems by code from the catalogue: `problem.<code>.title|detail|remedy`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.page: ErrorPage | None = None

    def texts(self, code: str, lang: Lang, params: Mapping[str, object]) -> dict[str, str]:
        """Title, detail and remedy of a problem."""
        return {
            part: self._catalogue.text(f"problem.{code}.{part}", lang, **params)
            for part in ("title", "detail", "remedy")
        }

    def response(
        self,
        scope: Scope,
        status: int,
        code: str,
        params: Mapping[str, object] = MappingProxyType({}),
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """The answer for a problem, as the caller of this request can read it."""
        lang = language_of(scope)
        texts = self.texts(code, lang, params)
        if self.page is not None and wants_page(scope):
            answer = self.page(scope, status, texts)
        else:
            body = {"type": f"urn:hamkor:problem:{code}", "status": status, **texts, "instance": scope["path"]}
            answer = JSONResponse(body, status, media_type="application/problem+json")
            answer.headers["content-language"] = lang
        answer.headers["cache-control"] = "no-store"
        answer.headers.update(headers)
        return answer


def wants_page(scope: Scope) -> bool:
    """True if the request comes from a person's address bar or link, not from a program."""
    accept = Headers(scope=scope).get("accept", "")
    return "text/html" in accept and not scope["path"].startswith(NO_PAGE)


CODES = {
    HTTPStatus.BAD_REQUEST: "bad-request",
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid-input",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.BAD_GATEWAY: "bad-gateway",
    HTTPStatus.GATEWAY_TIMEOUT: "gateway-timeout",
}
"""HTTP status → code of the problem, for errors that frameworks raise."""


def code_of(status: int) -> str:
    """The problem's code for a status nobody gave a code for."""
    return CODES.get(HTTPStatus(status), "internal" if status >= 500 else "bad-request")
