"""Which language a request is answered in: the one chosen in the header of every page, else the browser's."""

from starlette.datastructures import Headers
from starlette.types import Scope

from services.portal.sessions import read_cookie
from shared.i18n import Lang, negotiate

LANGUAGE_COOKIE = "hamkor_lang"
LANGUAGE_SECONDS = 365 * 24 * 3600


def chosen_language(headers: Headers) -> Lang | None:
    """The language chosen on a page, or None where nobody chose."""
    return Lang.parse(read_cookie(headers, LANGUAGE_COOKIE))


def language_of(scope: Scope) -> Lang:
    """The language of a request: the chosen one, else what the browser accepts."""
    headers = Headers(scope=scope)
    return chosen_language(headers) or negotiate(headers.get("accept-language"))
