"""Signing in and out: the portal as an OpenID Connect client (code flow with PKCE), and the session's tokens."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.issuer.tokens import challenge_of, equal
from services.portal.problems import Problems
from services.portal.sessions import (
    SESSION_SECONDS,
    Bearer,
    Box,
    Session,
    TokenMemory,
    Tokens,
    cookie_header,
    read_cookie,
)
from services.portal.settings import PortalSettings

log = structlog.get_logger(__name__)

LOGIN_COOKIE: Final = "hamkor_sign_in"
LOGIN_SECONDS: Final = 600
IDENTITY_COOKIE: Final = "hamkor_identity"
MOST_OF_COOKIE: Final = 3_800
"""Characters of a cookie's value: browsers keep no cookie of more than 4,096 bytes."""
SIGN_OUT: Final = "/sign-out"
CALLBACK: Final = "/sign-in/callback"
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]


class ProviderUnavailable(Exception):
    """The identity provider does not answer or answers nonsense."""


class SessionEnded(Exception):
    """The provider no longer knows the session: the person has to sign in again."""


class Refused(Exception):
    """The provider's answer does not prove who signed in."""


class Provider:
    """The identity provider at AUTH_ISSUER; its documents are fetched when first needed."""

    def __init__(self, settings: PortalSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._document: dict[str, Any] | None = None
        self._keys: dict[str, jwt.PyJWK] = {}

    async def document(self) -> dict[str, Any]:
        """The provider's discovery document, with the addresses that the settings give instead."""
        if self._document is None:
            issuer = self._settings.auth_issuer
            found = await self._json(self._settings.auth_discovery_url or f"{issuer}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise ProviderUnavailable(f"the document names the issuer {found.get('issuer')}, expected {issuer}")
            found["token_endpoint"] = self._settings.auth_token_url or found["token_endpoint"]
            found["jwks_uri"] = self._settings.auth_jwks_url or found["jwks_uri"]
            self._document = found
        return self._document

    async def grant(self, **form: str) -> dict[str, Any]:
        """The token endpoint's answer to a grant; raises Refused with the provider's word, or ProviderUnavailable."""
        document = await self.document()
        try:
            answer = await self._client.post(document["token_endpoint"], data=form | self._proof)
            body: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as problem:
            raise ProviderUnavailable(repr(problem)) from problem
        if answer.status_code >= 500:
            raise ProviderUnavailable(f"the token endpoint answered {answer.status_code}")
        if answer.status_code != 200:
            raise Refused(f"{body.get('error')}: {body.get('error_description')}")
        return body

    async def revoke(self, refresh_token: str) -> None:
        """Make a refresh token worthless where the provider can (RFC 7009); raises ProviderUnavailable."""
        endpoint = (await self.document()).get("revocation_endpoint")
        if not endpoint or not refresh_token:
            return
        form = {"token": refresh_token, "token_type_hint": "refresh_token"} | self._proof
        try:
            (await self._client.post(endpoint, data=form)).raise_for_status()
        except httpx.HTTPError as problem:
            raise ProviderUnavailable(repr(problem)) from problem

    @property
    def _proof(self) -> dict[str, str]:
        """Who asks."""
        secret = self._settings.client_secret
        return {"client_id": self._settings.client_id} | ({"client_secret": secret} if secret else {})

    async def claims(self, token: str, audience: str) -> dict[str, Any]:
        """The verified claims of a token of this provider; raises Refused."""
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            claims: dict[str, Any] = jwt.decode(
                token,
                (await self._key(key_id)).key,
                algorithms=ALGORITHMS,
                audience=audience,
                issuer=self._settings.auth_issuer,
                leeway=10,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.InvalidTokenError as problem:
            raise Refused(repr(problem)) from problem
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if key_id not in self._keys:
            found = await self._json((await self.document())["jwks_uri"])
            self._keys = {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(found).keys}
        if key_id not in self._keys:
            raise jwt.InvalidKeyError(f"the provider has no key {key_id}")
        return self._keys[key_id]

    async def _json(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.get(url)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as problem:
            raise ProviderUnavailable(repr(problem)) from problem
        return body


class SignIn:
    """The flow from "who are you" to a session, and a session's access tokens."""

    def __init__(self, settings: PortalSettings, provider: Provider) -> None:
        self._settings = settings
        self._provider = provider
        self._box = Box(settings.session_secret, "sign-in")
        self._identities = Box(settings.session_secret, "identity")
        self._tokens = TokenMemory()
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to."""
        return self._settings.url + CALLBACK

    async def start(self, target: str) -> Response:
        """Send the browser to the provider; `target` is the local path to come back to."""
        document = await self._provider.document()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = document["authorization_endpoint"]
        answer = RedirectResponse(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", 303)
        sealed = self._box.seal({"state": state, "nonce": nonce, "verifier": verifier, "target": local_path(target)})
        answer.headers.append("set-cookie", self._login_cookie(sealed))
        return answer

    async def finish(self, request: Request) -> Response:
        """Take the provider's answer, check it and open the session; raises Refused or ProviderUnavailable."""
        sealed = read_cookie(request.headers, LOGIN_COOKIE)
        begun = self._box.open(sealed, LOGIN_SECONDS) if sealed else None
        query = request.query_params
        if begun is None or not equal(query.get("state", ""), begun["state"]):
            raise Refused("no sign-in was begun in this browser, or it took more than ten minutes")
        if "code" not in query:
            raise Refused(f"{query.get('error')}: {query.get('error_description')}")
        answer = await self._provider.grant(
            grant_type="authorization_code",
            code=query["code"],
            redirect_uri=self.redirect_uri,
            code_verifier=begun["verifier"],
        )
        identity = await self._provider.claims(str(answer.get("id_token", "")), self._settings.client_id)
        if identity.get("nonce") != begun["nonce"]:
            raise Refused("the identity token answers another request")
        claims = await self._provider.claims(str(answer.get("access_token", "")), self._settings.auth_audience)
        try:
            bearer = Bearer.of_claims({**identity, **claims})
        except (KeyError, ValueError) as problem:
            raise Refused(f"the access token has no role of ours: {problem}") from problem
        session = Session(
            secrets.token_urlsafe(16),
            bearer.subject,
            bearer.role,
            bearer.org,
            bearer.name,
            answer.get("refresh_token", ""),
            time.time(),
        )
        self._keep(session.id, answer, session.refresh_token)
        request.state.new_session = session
        log.info("sign_in.done", role=session.role)
        back = RedirectResponse(local_path(begun["target"]), 303)
        back.headers.append("set-cookie", self._login_cookie(""))
        if not self._settings.embedded_issuer:
            back.headers.append("set-cookie", self._identity_cookie(session.id, str(answer["id_token"])))
        return back

    async def access_token(self, request: Request) -> str:
        """The access token of the request's session, renewed where needed; raises SessionEnded."""
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        lock = self._locks.setdefault(session.id, asyncio.Lock())
        try:
            async with lock:
                tokens = self._tokens.get(session.id)
                if tokens is None or tokens.expires - 30 < time.time():
                    tokens = await self._renew(request, session, tokens)
        finally:
            if not lock.locked():
                self._locks.pop(session.id, None)
        if tokens.refresh != session.refresh_token:
            # a provider may hand out a new one each time: the browser gets it until it shows that it has it
            request.state.new_session = replace(session, refresh_token=tokens.refresh)
        return tokens.access

    async def end(self, request: Request) -> Response:
        """Close the session here and at the provider."""
        session: Session | None = request.state.session
        if session is not None:
            await self._revoke(session)
        request.state.new_session = None
        target = self._settings.url + "/signed-out"
        try:
            endpoint = (await self._provider.document()).get("end_session_endpoint")
        except ProviderUnavailable:
            endpoint = None
        if endpoint and not self._settings.embedded_issuer:
            query = {"client_id": self._settings.client_id, "post_logout_redirect_uri": target}
            back = RedirectResponse(f"{endpoint}?{urlencode(query | self._hint(request, session))}", 303)
            back.headers.append("set-cookie", self._identity_cookie("", ""))
            return back
        return RedirectResponse(target, 303)

    def _hint(self, request: Request, session: Session | None) -> dict[str, str]:
        """Which session it is, proven, so that the provider needs not ask the person (RP-Initiated Logout 1.0, 2)."""
        sealed = read_cookie(request.headers, IDENTITY_COOKIE)
        kept = self._identities.open(sealed, SESSION_SECONDS) if sealed else None
        if kept is None or session is None or kept["session"] != session.id:
            return {}
        return {"id_token_hint": kept["token"]}

    def _identity_cookie(self, session_id: str, token: str) -> str:
        """The identity token for the provider's logout, in a cookie of its own that no other page is sent.

        One too large for a cookie is not kept: then the provider is told the client alone, and may ask the person.
        """
        value = self._identities.seal({"session": session_id, "token": token}) if token else ""
        if len(value) > MOST_OF_COOKIE:
            value = ""
        max_age_s = SESSION_SECONDS if value else 0
        return cookie_header(IDENTITY_COOKIE, value, max_age_s=max_age_s, secure=self._settings.secure, path=SIGN_OUT)

    async def _revoke(self, session: Session) -> None:
        """Whoever has a copy of the cookie obtains no more tokens by it, from no process."""
        known = self._tokens.get(session.id)
        self._tokens.forget(session.id)
        try:
            await self._provider.revoke(known.refresh if known is not None else session.refresh_token)
        except ProviderUnavailable as problem:
            # The person is signed out here all the same.
            log.warning("provider.not_revoked", reason=str(problem))

    async def _renew(self, request: Request, session: Session, known: Tokens | None) -> Tokens:
        refresh = known.refresh if known is not None else session.refresh_token
        if not refresh:
            raise SessionEnded
        try:
            answer = await self._provider.grant(grant_type="refresh_token", refresh_token=refresh)
        except Refused as problem:
            self._tokens.forget(session.id)
            request.state.new_session = None
            log.info("session.ended", reason=str(problem))
            raise SessionEnded from problem
        return self._keep(session.id, answer, refresh)

    def _keep(self, session_id: str, answer: dict[str, Any], refresh: str) -> Tokens:
        expires = time.time() + float(answer.get("expires_in", 60))
        tokens = Tokens(str(answer["access_token"]), expires, str(answer.get("refresh_token", refresh)))
        self._tokens.put(session_id, tokens)
        return tokens

    def _login_cookie(self, value: str) -> str:
        max_age_s = LOGIN_SECONDS if value else 0
        return cookie_header(LOGIN_COOKIE, value, max_age_s=max_age_s, secure=self._settings.secure, path="/sign-in")


class ServiceToken:
    """The portal's own token of role service (client credentials), for the operators' page."""

    def __init__(self, settings: PortalSettings, provider: Provider, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._provider = provider
        self._client = client
        self._token = ""
        self._expires = 0.0

    async def __call__(self) -> str:
        """A token good for at least 30 seconds; raises ProviderUnavailable."""
        if self._expires - 30 < time.time():
            document = await self._provider.document()
            try:
                answer = await self._client.post(
                    document["token_endpoint"],
                    data={"grant_type": "client_credentials"},
                    auth=(self._settings.service_client_id, self._settings.service_client_secret),
                )
                answer.raise_for_status()
                body = answer.json()
            except (httpx.HTTPError, ValueError) as problem:
                raise ProviderUnavailable(repr(problem)) from problem
            self._token, self._expires = str(body["access_token"]), time.time() + float(body["expires_in"])
        return self._token


def local_path(target: str) -> str:
    """`target` if it is a path on this site, else "/": nobody is sent elsewhere after signing in."""
    parts = urlsplit(target)
    outside = parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\"))
    return "/" if outside or any(ord(char) < 32 for char in target) else target


def sign_in_routes(
    settings: PortalSettings, sign_in: SignIn, problems: Problems, signed_out: Callable[[Request], Response]
) -> APIRouter:
    """The routes of signing in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def start(request: Request, next: str = "/", moved: bool = False) -> Response:  # noqa: A002 - as in the URL
        if request.headers.get("host") != urlsplit(settings.url).netloc and not moved:
            # cookies belong to one host: go on where the provider will send people back to
            query = urlencode({"next": local_path(next), "moved": 1})
            return RedirectResponse(f"{settings.url}/sign-in?{query}", 303)
        try:
            return await sign_in.start(next)
        except ProviderUnavailable as problem:
            log.warning("provider.unavailable", reason=str(problem))
            return problems.response(request.scope, 503, "sign-in-unavailable", headers={"retry-after": "5"})

    @router.get(CALLBACK)
    async def finish(request: Request) -> Response:
        try:
            return await sign_in.finish(request)
        except ProviderUnavailable as problem:
            log.warning("provider.unavailable", reason=str(problem))
            return problems.response(request.scope, 503, "sign-in-unavailable", headers={"retry-after": "5"})
        except Refused as problem:
            log.warning("sign_in.refused", reason=str(problem))
            return problems.response(request.scope, 403, "sign-in-refused")

    @router.post(SIGN_OUT)
    async def end(request: Request) -> Response:
        return await sign_in.end(request)

    @router.get("/signed-out")
    async def ended(request: Request) -> Response:
        return signed_out(request)

    return router
