"""Pages from templates: texts, numbers and times in the reader's language, addresses of static files."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from services.portal.language import language_of
from services.portal.periods import Period
from services.portal.sessions import Session
from services.portal.territory import territory
from shared import i18n
from shared.i18n import Catalogue, Lang

HERE = Path(__file__).parent
STATIC = HERE / "static"
NODE_MODULES = HERE / "node_modules"
_CODE = re.compile(r"`([^`]+)`")
VENDOR = {"htmx": "htmx.org/dist", "echarts": "echarts/dist", "inter": "@fontsource-variable/inter"}
"""Name in the address → folder of the npm package that is served under it."""

_SEPARATORS = re.compile(r"[/|:.,]")
"""What separates the codes in the name of a part: "AF1/enterprise"."""

FOREVER = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Files whose address changes with their content: browsers may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path`."""
        answer = await super().get_response(path, scope)
        if answer.status_code == 200:
            answer.headers["cache-control"] = FOREVER
        return answer


def asset_mounts() -> tuple[list[Mount], Callable[[str], str]]:
    """The static routes, and the function that gives a file's address: "app.css", "echarts/echarts.common.min.js".

    Addresses carry the content's hash or the package's version. Without `node_modules` the pages work, without charts.
    """
    versions = {"own": _fingerprint(STATIC)}
    mounts = [Mount(f"/static/{versions['own']}", Assets(directory=STATIC))]
    for name, folder in VENDOR.items():
        directory = NODE_MODULES / folder
        if directory.is_dir():
            package = NODE_MODULES / folder.removesuffix("/dist") / "package.json"
            versions[name] = str(json.loads(package.read_text(encoding="utf-8"))["version"])
            mounts.append(Mount(f"/static/vendor/{name}/{versions[name]}", Assets(directory=directory)))

    def address(file: str) -> str:
        name, _, rest = file.partition("/")
        if name in VENDOR:
            return f"/static/vendor/{name}/{versions.get(name, 'missing')}/{rest}"
        return f"/static/{versions['own']}/{file}"

    return mounts, address


def _fingerprint(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


class Compress:
    """Compresses pages and static files; what the proxy passes on stays as the service sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, minimum_size=1024, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        passed_on = scope["type"] != "http" or scope["path"].startswith(("/api/", "/s/"))
        await (self._app if passed_on else self._compressed)(scope, receive, send)


class Pages:
    """Renders templates for a request."""

    def __init__(self, catalogue: Catalogue, asset: Callable[[str], str], globals_: Mapping[str, Any]) -> None:
        self._catalogue = catalogue
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=asset, languages=list(Lang), **globals_)
        self._templates.filters.update(data=_data, codes=_codes)

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """A whole page."""
        return self._answer(request, template, status, {"status": status, **context})

    def fragment(self, request: Request, template: str, **context: Any) -> Response:
        """A part of a page, for htmx."""
        return self._answer(request, template, 200, context)

    def _answer(self, request: Request, template: str, status: int, context: Mapping[str, Any]) -> Response:
        lang = language_of(request.scope)
        session: Session | None = request.scope.get("state", {}).get("session")
        html = self._templates.get_template(template).render(
            **bound_to(self._catalogue, lang),
            lang=lang,
            session=session,
            request=request,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **context,
        )
        headers = {"content-language": lang, "cache-control": "no-store", "vary": "Cookie, Accept-Language"}
        return HTMLResponse(html, status, headers)


def bound_to(catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
    """The functions that templates use, bound to one language."""

    def place_name(code: str, name: object = "") -> str:
        known = territory().get(code)
        if known is not None:
            return known.name(lang)
        if isinstance(name, Mapping):
            name = name.get(lang) or next(iter(name.values()), "")
        return str(name or code)

    def period_label(period: Period) -> str:
        return period.label(lang, catalogue)

    def word(section: str, code: str) -> str:
        return catalogue.text(f"{section}.{code}", lang) if catalogue.has(f"{section}.{code}") else code

    def part_name(part: str) -> str:
        codes = [code for code in _SEPARATORS.split(part) if code]
        return ", ".join(word("form" if catalogue.has(f"form.{code}") else "part", code) for code in codes)

    symbols = lang.locale.number_symbols["latn"]
    signs = {
        "group": symbols["group"],
        "decimal": symbols["decimal"],
        "percent": i18n.percent(1, lang, 0).removeprefix("100"),
    }
    return {
        "word": word,
        "signs": signs,
        "part_name": part_name,
        "t": lambda key, **params: catalogue.text(key, lang, **params),
        "section": partial(catalogue.section, lang=lang),
        "number": lambda value, digits=0: i18n.number(value, lang, digits),
        "percent": lambda value, digits=1: i18n.percent(value, lang, digits),
        "day": lambda value: i18n.day(value if isinstance(value, date) else date.fromisoformat(value), lang),
        "clock": lambda value: i18n.time_of_day(_moment(value), lang),
        "moment": lambda value: i18n.moment(_moment(value), lang),
        "place_name": place_name,
        "period_label": period_label,
    }


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _codes(text: str) -> Markup:
    """A text in which what has to be typed as it is, between backticks in the catalogues, looks like it."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def _data(value: Any) -> Markup:
    """`value` as JSON for a `<script type="application/json">`: data that no browser runs."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704 - escaped
