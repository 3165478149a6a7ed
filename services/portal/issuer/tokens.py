"""Authorization codes and tokens of the embedded issuer: what is granted to whom, without any web framework."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt

from services.portal.issuer.keys import SigningKey
from services.portal.issuer.revoked import Revoked
from services.portal.issuer.users import DemoUser, find_user
from shared.scope import Role

ACCESS_SECONDS: Final = 15 * 60
REFRESH_SECONDS: Final = 12 * 3600
CODE_SECONDS: Final = 60
CLI_CLIENT: Final = "hamkor-cli"
"""The public client of the command line: may use the password grant."""


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients the issuer knows: the portal, the services, the command line."""

    portal_id: str
    portal_secret: str | None
    redirect_uri: str
    service_id: str
    service_secret: str


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request to sign somebody in for a client."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str


@dataclass(frozen=True, slots=True)
class _Code:
    request: AuthorizationRequest
    user: DemoUser
    expires: float


class Tokens:
    """Grants codes and tokens; codes live in memory for a minute and work once."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        key: SigningKey,
        clients: Clients,
        password: str,
        revoked: Revoked,
        now: Callable[[], datetime],
    ) -> None:
        self._issuer, self._audience, self._key, self._clients = issuer, audience, key, clients
        self._password = password
        self._revoked = revoked
        self._now = now
        self._codes: dict[str, _Code] = {}

    def check_request(self, parameters: dict[str, str]) -> AuthorizationRequest:
        """The authorization request in the query; raises OAuthError, on which nobody may be redirected."""
        get = parameters.get
        if get("client_id") != self._clients.portal_id:
            raise OAuthError("invalid_client", "unknown client_id")
        if get("redirect_uri") != self._clients.redirect_uri:
            raise OAuthError("invalid_request", f"redirect_uri must be {self._clients.redirect_uri}")
        if get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        if get("code_challenge_method") != "S256" or not re.fullmatch(r"[\w-]{43}", get("code_challenge", "")):
            raise OAuthError("invalid_request", "code_challenge with code_challenge_method=S256 is required")
        return AuthorizationRequest(
            self._clients.portal_id,
            self._clients.redirect_uri,
            get("state", ""),
            get("nonce", ""),
            get("code_challenge", ""),
        )

    def grant_code(self, request: AuthorizationRequest, user: DemoUser) -> str:
        """A code for `user` that the client exchanges once within a minute."""
        moment = self._now().timestamp()
        self._codes = {code: grant for code, grant in self._codes.items() if grant.expires > moment}
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(request, user, moment + CODE_SECONDS)
        return code

    def check_password(self, username: str, password: str) -> DemoUser:
        """The demo user with that name and password; raises OAuthError."""
        user = find_user(username)
        if user is None or not equal(password, self._password):
            raise OAuthError("invalid_grant", "unknown user or wrong password")
        return user

    def exchange(self, form: dict[str, str], client_id: str, client_secret: str | None) -> dict[str, Any]:
        """The answer of the token endpoint; raises OAuthError."""
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form, client_id, client_secret)
            case "refresh_token":
                return self._by_refresh_token(form, client_id, client_secret)
            case "client_credentials":
                return self._for_service(client_id, client_secret)
            case "password":
                if client_id not in ("", CLI_CLIENT):
                    raise OAuthError("unauthorized_client", f"the password grant is for client_id {CLI_CLIENT}")
                user = self.check_password(form.get("username", ""), form.get("password", ""))
                return self._answer(user, client_id=CLI_CLIENT)
            case _:
                raise OAuthError(
                    "unsupported_grant_type", "one of authorization_code, refresh_token, client_credentials, password"
                )

    def revoke(self, form: dict[str, str], client_id: str, client_secret: str | None) -> None:
        """Take a refresh token back, as RFC 7009 has it: one that counts no longer is none; raises OAuthError."""
        if client_id != CLI_CLIENT:
            self._check_portal(client_id, client_secret)
        token = form.get("token", "")
        if not token:
            raise OAuthError("invalid_request", "token is required")
        try:
            claims = self._key.verify(token, issuer=self._issuer, audience=self._issuer)
        except jwt.InvalidAudienceError:
            # Services take an access token by its signature alone: nobody could tell them.
            raise OAuthError("unsupported_token_type", "only refresh tokens are revoked") from None
        except jwt.InvalidTokenError:
            return
        if claims.get("azp") != client_id:
            raise OAuthError("invalid_grant", "the refresh token belongs to another client")
        self._revoked.add(str(claims["jti"]), float(claims["exp"]), self._now().timestamp())

    def service_token(self) -> str:
        """An access token of role service, for the issuer's own look-ups."""
        claims = {"sub": f"service:{self._clients.service_id}", "role": Role.SERVICE, "azp": self._clients.service_id}
        return self._sign(claims, self._audience, ACCESS_SECONDS, "at+jwt")

    def _by_code(self, form: dict[str, str], client_id: str, client_secret: str | None) -> dict[str, Any]:
        self._check_portal(client_id, client_secret)
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.expires <= self._now().timestamp():
            raise OAuthError("invalid_grant", "the code is unknown, used or older than a minute")
        if form.get("redirect_uri") != grant.request.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri differs from the authorization request")
        if not equal(challenge_of(form.get("code_verifier", "")), grant.request.code_challenge):
            raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge")
        return self._answer(grant.user, client_id=client_id, nonce=grant.request.nonce)

    def _by_refresh_token(self, form: dict[str, str], client_id: str, client_secret: str | None) -> dict[str, Any]:
        if client_id != CLI_CLIENT:
            self._check_portal(client_id, client_secret)
        try:
            claims = self._key.verify(form.get("refresh_token", ""), issuer=self._issuer, audience=self._issuer)
        except jwt.InvalidTokenError:
            raise OAuthError("invalid_grant", "the refresh token is invalid or has expired") from None
        if str(claims.get("jti")) in self._revoked:
            raise OAuthError("invalid_grant", "the refresh token was revoked")
        user = find_user(claims["sub"], claims.get("note", ""))
        if user is None or claims.get("azp") != client_id:
            raise OAuthError("invalid_grant", "the refresh token belongs to another client")
        return self._answer(user, client_id=client_id, refresh_token=form["refresh_token"])

    def _for_service(self, client_id: str, client_secret: str | None) -> dict[str, Any]:
        if client_id != self._clients.service_id or not equal(client_secret or "", self._clients.service_secret):
            raise OAuthError("invalid_client", "unknown client or wrong secret", status=401)
        return {"access_token": self.service_token(), "token_type": "Bearer", "expires_in": ACCESS_SECONDS}

    def _check_portal(self, client_id: str, client_secret: str | None) -> None:
        expected = self._clients.portal_secret
        if client_id != self._clients.portal_id or (expected and not equal(client_secret or "", expected)):
            raise OAuthError("invalid_client", "unknown client or wrong secret", status=401)

    def _answer(
        self, user: DemoUser, *, client_id: str, nonce: str = "", refresh_token: str | None = None
    ) -> dict[str, Any]:
        claims = user.claims() | {"azp": client_id}
        identity = user.claims() | ({"nonce": nonce} if nonce else {})
        again = {"sub": user.username, "azp": client_id} | ({"note": user.note} if user.note else {})
        return {
            "access_token": self._sign(claims, self._audience, ACCESS_SECONDS, "at+jwt"),
            "id_token": self._sign(identity, client_id, ACCESS_SECONDS, "JWT"),
            "refresh_token": refresh_token or self._sign(again, self._issuer, REFRESH_SECONDS, "rt+jwt"),
            "token_type": "Bearer",
            "expires_in": ACCESS_SECONDS,
        }

    def _sign(self, claims: dict[str, Any], audience: str, seconds: int, kind: str) -> str:
        moment = int(self._now().timestamp())
        stamped = {"iss": self._issuer, "aud": audience, "iat": moment, "exp": moment + seconds}
        return self._key.sign({**stamped, "jti": secrets.token_urlsafe(12), **claims}, kind)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def equal(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing of where they differ; any text may be asked about."""
    return hmac.compare_digest(given.encode(), expected.encode())
