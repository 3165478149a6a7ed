"""The issuer's endpoints under /oidc: discovery, keys, the sign-in page of the demonstration, tokens."""

import base64
import binascii
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.portal.issuer.keys import SigningKey
from services.portal.issuer.people import People
from services.portal.issuer.tokens import AuthorizationRequest, OAuthError, Tokens
from services.portal.issuer.users import DEMO_USERS, DemoUser, find_user
from services.portal.language import language_of
from services.portal.rendering import Pages

NO_STORE: Final = {"cache-control": "no-store", "pragma": "no-cache"}
REQUEST_FIELDS: Final = (
    "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
)  # fmt: skip


def discovery_document(issuer: str) -> dict[str, Any]:
    """What OpenID Connect Discovery 1.0 says about this issuer."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "end_session_endpoint": f"{issuer}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "password"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "hamkor"],
        "claims_supported": ["sub", "role", "org", "name", "preferred_username"],
    }


def issuer_routes(  # noqa: C901 - a list of routes
    issuer: str, key: SigningKey, tokens: Tokens, people: People, pages: Pages, after_logout: str
) -> APIRouter:
    """The routes of the embedded issuer."""
    router = APIRouter(prefix="/oidc", include_in_schema=False)

    @router.get("/.well-known/openid-configuration")
    async def discovery() -> Response:
        return JSONResponse(discovery_document(issuer), headers={"cache-control": "max-age=300"})

    @router.get("/jwks")
    async def jwks() -> Response:
        return JSONResponse({"keys": [key.jwk]}, headers={"cache-control": "max-age=300"})

    @router.get("/authorize")
    async def authorize(request: Request) -> Response:
        parameters = dict(request.query_params)
        try:
            tokens.check_request(parameters)
        except OAuthError as refusal:
            return _refusal(refusal)
        return await chooser(request, parameters)

    @router.post("/authorize")
    async def choose(request: Request) -> Response:
        form = await _form(request)
        try:
            asked = tokens.check_request(form)
        except OAuthError as refusal:
            return _refusal(refusal)
        username = form.get("username", "").strip()
        if "chosen" in form:  # a button of the page: the demonstration asks for no password
            user = find_user(form["chosen"], form.get(f"note.{form['chosen']}", ""))
        else:
            try:
                user = tokens.check_password(username, form.get("password", ""))
            except OAuthError:
                user = None
        if user is None:
            return await chooser(request, form, failed=True)
        return RedirectResponse(_callback(asked, tokens.grant_code(asked, user)), 303, headers=NO_STORE)

    @router.get("/people")
    async def found(request: Request, q: str = "") -> Response:
        result = await people.search(q[:100], language_of(request.scope))
        return pages.fragment(request, "issuer/people.html", people=result)

    @router.post("/token")
    async def token(request: Request) -> Response:
        form = await _form(request)
        try:
            client_id, secret = _client(request, form)
            answer = tokens.exchange(form, client_id, secret)
        except OAuthError as refusal:
            return _refusal(refusal)
        return JSONResponse(answer, headers=NO_STORE)

    @router.post("/revoke")
    async def revoke(request: Request) -> Response:
        form = await _form(request)
        try:
            client_id, secret = _client(request, form)
            tokens.revoke(form, client_id, secret)
        except OAuthError as refusal:
            return _refusal(refusal)
        return Response(headers=NO_STORE)

    @router.get("/logout")
    async def logout() -> Response:
        # the issuer keeps no session of its own: there is nothing to end here
        return RedirectResponse(after_logout, 303)

    async def chooser(request: Request, parameters: dict[str, str], *, failed: bool = False) -> Response:
        query = parameters.get("q", "").strip()[:100]
        result = await people.search(query, language_of(request.scope))
        users: dict[str, list[DemoUser]] = {}
        for user in DEMO_USERS:
            users.setdefault(user.role, []).append(user)
        return pages.page(
            request,
            "issuer/authorize.html",
            status=401 if failed else 200,
            users=users,
            people=result,
            query=query,
            failed=failed,
            username=parameters.get("username", ""),
            fields={name: parameters[name] for name in REQUEST_FIELDS if name in parameters},
        )

    return router


def _callback(request: AuthorizationRequest, code: str) -> str:
    return f"{request.redirect_uri}?{urlencode({'code': code, 'state': request.state})}"


def _refusal(refusal: OAuthError) -> Response:
    body = {"error": refusal.error, "error_description": refusal.description}
    headers = NO_STORE | ({"www-authenticate": "Basic"} if refusal.status == 401 else {})
    return JSONResponse(body, refusal.status, headers=headers)


async def _form(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=50) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def _client(request: Request, form: dict[str, str]) -> tuple[str, str | None]:
    """The client's id and secret from the Authorization header (RFC 6749, 2.3.1) or the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_client", "the Authorization header cannot be read", status=401) from None
    return unquote_plus(name), unquote_plus(secret)
