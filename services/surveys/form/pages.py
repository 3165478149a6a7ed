"""The form's pages: an instrument and what was answered so far, as HTML."""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from services.surveys.domain.answers import Sent
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import AccessCode, shown
from services.surveys.domain.instruments import UNSURE, Instrument
from services.surveys.domain.tokens import PublicKey
from services.surveys.form.scripts import SCRIPTS
from services.surveys.form.view import View, relevance_rules
from shared.errors import FieldError
from shared.i18n import Catalogue, Lang, day

POLICY: Final = (
    "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SCRIPT_POLICY: Final = "; script-src 'self'; connect-src 'self'"
BLANK_PAGES: Final = 200
"""Pages kept rendered: a few dozen kilobytes each."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a form shows again: what was sent, its faults beside the questions, a notice on top.

    `offered`: by question, options that were found for words that were typed.
    """

    sent: Sent = field(default_factory=dict)
    faults: Sequence[FieldError] = ()
    notice: str | None = None
    offered: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


class Page(Response):
    """A page that needs nothing but itself and the scripts of `form/scripts`, and lets nothing else in."""

    def __init__(self, html: str, status: int, headers: Mapping[str, str], *, scripts: bool) -> None:
        # What the styles hash to instead of a nonce: a page of which nothing changes can be rendered once for all.
        style = b64encode(sha256(_STYLE.search(html)[1].encode()).digest()).decode()  # type: ignore[index]  # base.html
        policy = POLICY.format(style=style) + (SCRIPT_POLICY if scripts else "")
        super().__init__(
            html, status, {**HEADERS, **headers, "Content-Security-Policy": policy}, "text/html; charset=utf-8"
        )


def packed(answer: Response, request: Request) -> Response:
    """The same answer, compressed where the browser says that it understands that."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return answer
    return Response(
        _compressed(bytes(answer.body)),
        answer.status_code,
        {
            **{name: value for name, value in answer.headers.items() if name != "content-length"},
            "Content-Encoding": "gzip",
            "Vary": "Accept-Encoding",
        },
    )


@lru_cache(BLANK_PAGES)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)


_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Pages:
    """Renders the public pages in a language; `catalogue` holds the texts around the instruments' own."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._blank: dict[tuple[object, ...], Page] = {}
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def form(
        self,
        lang: Lang,
        campaign: Campaign,
        institution_name: str,
        instrument: Instrument,
        *,
        kept: Kept | None = None,
        status: int = 200,
        token: bool = False,
    ) -> Page:
        """The questionnaire with what was sent so far, if anything; `token`: one from the device opens it."""
        found = kept or Kept()
        view = View(self._catalogue, instrument, lang, found.sent, found.faults, found.offered)
        steps = view.steps()
        asked = [each for step in steps for each in step.questions]
        return self._page(
            "form.html",
            lang,
            status,
            title=instrument.title[lang],
            intro=instrument.intro[lang],
            campaign_title=campaign.title,
            institution=institution_name,
            until=day(campaign.period.last, lang),
            sections=steps,
            rating_texts=view.rating_texts(),
            rules=Markup("\n").join(relevance_rules(instrument)),
            notice=found.notice,
            kept=kept is not None,
            wrong=[each for each in asked if each.wrong],
            professions=any(each.kind == "profession" for each in asked),
            languages=_languages(lang),
            token=campaign.id if token else None,
            scripts=[SCRIPTS["form.js"]],
            told=json.dumps(self._catalogue.section("form.script", lang), ensure_ascii=False),
        )

    def status_form(
        self, lang: Lang, institution_name: str, instrument: Instrument, consent: str, kept: Kept, status: int = 200
    ) -> Page:
        """The questionnaire on the own status, by name: the text of consent first, and nothing left on the device."""
        view = View(self._catalogue, instrument, lang, kept.sent, kept.faults, kept.offered)
        steps = view.steps()
        return self._page(
            "status.html",
            lang,
            status,
            title=instrument.title[lang],
            intro=instrument.intro[lang],
            campaign_title=None,
            institution=institution_name,
            consent=consent,
            sections=steps,
            rating_texts=view.rating_texts(),
            rules=Markup("\n").join(relevance_rules(instrument)),
            notice=kept.notice,
            kept=True,
            wrong=[each for step in steps for each in step.questions if each.wrong],
            professions=False,
            languages=_languages(lang),
            token=None,
        )

    def blank(
        self, lang: Lang, campaign: Campaign, institution_name: str, instrument: Instrument, *, token: bool = False
    ) -> Page:
        """The questionnaire as everybody gets it first: rendered once for a campaign and language, then remembered."""
        key = (campaign.id, campaign.version, institution_name, lang, token)
        page = self._blank.pop(key, None) or self.form(lang, campaign, institution_name, instrument, token=token)
        self._blank[key] = page
        if len(self._blank) > BLANK_PAGES:
            del self._blank[next(iter(self._blank))]
        return page

    def invitation(
        self,
        lang: Lang,
        campaign: Campaign,
        institution_name: str,
        instrument: Instrument,
        key: PublicKey,
        *,
        status: str | None = None,
    ) -> Page:
        """The page that turns an invitation into a token on the device; `status`: where a graduate tells the own."""
        return self._page(
            "invitation.html",
            lang,
            200,
            title=instrument.title[lang],
            campaign_title=campaign.title,
            institution=institution_name,
            until=day(campaign.period.last, lang),
            languages=_languages(lang),
            scripts=[SCRIPTS["token.js"]],
            campaign=campaign.id,
            status_address=status,
            modulus=format(key.modulus, "x"),
            exponent=format(key.exponent, "x"),
            told=json.dumps(self._catalogue.section("form.script", lang), ensure_ascii=False),
        )

    def message(self, lang: Lang, kind: str, status: int, *, ask_code: bool = False, **params: object) -> Page:
        """A page that says one thing: the texts of `form.<kind>`."""
        texts = {part: self._catalogue.text(f"form.{kind}.{part}", lang, **params) for part in ("title", "text")}
        headers = {"Retry-After": "60"} if status in (429, 503) else {}
        return self._page(
            "message.html", lang, status, headers, **texts, kind=kind, ask_code=ask_code, languages=_languages(lang)
        )

    def text(self, key: str, lang: Lang) -> str:
        """A text around the form."""
        return self._catalogue.text(f"form.{key}", lang)

    def consent(self, version: int, lang: Lang) -> str:
        """A text of consent."""
        return self._catalogue.text(f"consent.v{version}", lang)

    def slips(self, lang: Lang, instrument: Instrument, campaign: Campaign, links: Iterable[tuple[str, str]]) -> Page:
        """Codes to print and cut apart, with their addresses."""
        return self._page(
            "slips.html",
            lang,
            200,
            title=instrument.title[lang],
            campaign_title=campaign.title,
            until=day(campaign.period.last, lang),
            links=list(links),
        )

    def invitation_slips(
        self, lang: Lang, instrument: Instrument, campaign: Campaign, links: Iterable[tuple[str, str, str]]
    ) -> Page:
        """Invitations to print and hand over to those whom the institution knows by their references."""
        return self._page(
            "invitation_slips.html",
            lang,
            200,
            title=instrument.title[lang],
            campaign_title=campaign.title,
            until=day(campaign.period.last, lang),
            links=list(links),
        )

    def _page(
        self, template: str, lang: Lang, status: int, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Page:
        def say(key: str, **params: object) -> str:
            return self._catalogue.text(f"form.{key}", lang, **params)

        html = self._templates.get_template(template).render(
            **{"scripts": [], "told": None, **context}, say=say, lang=lang.value, unsure=UNSURE
        )
        return Page(html, status, headers or {}, scripts=bool(context.get("scripts")))


def link_of(base_url: str, code: AccessCode) -> str:
    """The public address of a code's form."""
    return f"{base_url}/s/{shown(code)}"


def _languages(present: Lang) -> list[dict[str, Any]]:
    return [{"code": lang.value, "name": lang.own_name, "present": lang is present} for lang in Lang]
