"""The form's pages: an instrument and what was answered so far, as HTML."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from services.surveys.domain.answers import Sent, field_of
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import AccessCode, shown
from services.surveys.domain.explaining import only_if
from services.surveys.domain.instruments import (
    UNSURE,
    CompetencePair,
    FreeText,
    Instrument,
    Likert,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    Question,
    Scale,
    SingleChoice,
)
from shared.errors import FieldError
from shared.i18n import Catalogue, Lang, day

POLICY: Final = (
    "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to tick: a radio button or a check box."""

    id: str
    name: str
    value: str
    label: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """One row of a scale with its end labels; `unsure` is the way out beside it."""

    name: str
    prompt: str | None
    choices: tuple[Choice, ...]
    unsure: Choice | None
    error: str | None

    @property
    def ends(self) -> tuple[str, str]:
        """The labels of the lowest and the highest rating."""
        return self.choices[0].label, self.choices[-1].label


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the template shows it."""

    code: str
    kind: str
    text: str
    hint: str | None
    only_if: str | None
    required: bool
    demanded: bool
    error: str | None
    value: str = ""
    choices: tuple[Choice, ...] = ()
    ratings: tuple[Rating, ...] = ()
    bounds: tuple[int, int] = (0, 0)

    @property
    def wrong(self) -> bool:
        """Whether anything in it must be mended."""
        return self.error is not None or any(rating.error for rating in self.ratings)


@dataclass(frozen=True, slots=True)
class Step:
    """A section as the template shows it."""

    code: str
    title: str
    intro: str | None
    questions: tuple[Asked, ...]


class Pages:
    """Renders the public pages in a language; `catalogue` holds the texts around the instruments' own."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
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
        sent: Sent | None = None,
        faults: Sequence[FieldError] = (),
        notice: str | None = None,
        status: int = 200,
    ) -> Response:
        """The questionnaire with what was sent so far; `faults` stand beside their questions, `notice` on top."""
        view = _View(self._catalogue, lang, sent or {}, faults)
        sections = [
            Step(
                section.code,
                section.title[lang],
                section.intro[lang] if section.intro else None,
                tuple(view.question(question, instrument) for question in section.questions),
            )
            for section in instrument.sections
        ]
        return self._page(
            "form.html",
            lang,
            status,
            title=instrument.title[lang],
            intro=instrument.intro[lang],
            campaign_title=campaign.title,
            institution=institution_name,
            until=day(campaign.period.last, lang),
            sections=sections,
            rules=Markup("\n").join(_relevance_rules(instrument)),
            notice=notice,
            wrong=[asked for section in sections for asked in section.questions if asked.wrong],
            languages=_languages(lang),
        )

    def message(self, lang: Lang, kind: str, status: int, *, ask_code: bool = False, **params: object) -> Response:
        """A page that says one thing: the texts of `form.<kind>`."""
        texts = {part: self._catalogue.text(f"form.{kind}.{part}", lang, **params) for part in ("title", "text")}
        headers = {"Retry-After": "60"} if status in (429, 503) else {}
        return self._page(
            "message.html", lang, status, headers, **texts, kind=kind, ask_code=ask_code, languages=_languages(lang)
        )

    def text(self, key: str, lang: Lang) -> str:
        """A text around the form."""
        return self._catalogue.text(f"form.{key}", lang)

    def slips(
        self, lang: Lang, instrument: Instrument, campaign: Campaign, links: Iterable[tuple[str, str]]
    ) -> Response:
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

    def _page(
        self, template: str, lang: Lang, status: int, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Response:
        nonce = secrets.token_urlsafe(12)

        def say(key: str, **params: object) -> str:
            return self._catalogue.text(f"form.{key}", lang, **params)

        html = self._templates.get_template(template).render(
            **context, say=say, lang=lang.value, nonce=nonce, unsure=UNSURE
        )
        return Response(
            html,
            status,
            {**HEADERS, **(headers or {}), "Content-Security-Policy": POLICY.format(nonce=nonce)},
            media_type="text/html; charset=utf-8",
        )


def link_of(base_url: str, code: AccessCode) -> str:
    """The public address of a code's form."""
    return f"{base_url}/s/{shown(code)}"


def _languages(present: Lang) -> list[dict[str, Any]]:
    return [{"code": lang.value, "name": lang.own_name, "present": lang is present} for lang in Lang]


def _relevance_rules(instrument: Instrument) -> Iterable[str]:
    """CSS that shows a question once its condition is ticked: browsers do it themselves, without a script."""
    for question in instrument.questions:
        # What ticks can't say is shown always, with its explanation; the answer is judged here.
        alternatives = instrument.shown_when(question)
        if alternatives is not None:
            ticked = ", ".join(
                "form" + "".join(f":has(#{_id(name, value)}:checked)" for name, value in each) + f" #q-{question.code}"
                for each in alternatives
            )
            shown = f" {ticked} {{display: block}}" if ticked else ""
            yield f"#q-{question.code}, #q-{question.code} .only {{display: none}}{shown}"


def _id(name: str, value: str) -> str:
    return f"{name.replace('.', '-')}-{value}"


@dataclass(frozen=True)
class _View:
    """Turns questions into what the template shows."""

    catalogue: Catalogue
    lang: Lang
    sent: Sent
    faults: Sequence[FieldError]

    def question(self, question: Question, instrument: Instrument) -> Asked:
        """One question with its answers and fault."""
        particulars: dict[str, Any]
        match question:
            case SingleChoice():
                particulars = {"kind": "single", "choices": self._choices(question, question.options)}
            case MultipleChoice():
                particulars = {"kind": "multiple", "choices": self._choices(question, question.options)}
            case Likert():
                rating = self._rating(question, None, question.scale, unsure=question.unsure)
                particulars = {"kind": "likert", "ratings": (rating,)}
            case CompetencePair():
                ratings = tuple(
                    self._rating(question, part, question.terms.scales[part], unsure=True) for part in PairPart
                )
                particulars = {"kind": "pair", "ratings": ratings}
            case NumberQuestion():
                bounds = (question.minimum, question.maximum)
                particulars = {"kind": "number", "value": self._value(question), "bounds": bounds}
            case FreeText():
                particulars = {"kind": "text", "value": self._value(question), "bounds": (0, question.max_length)}
            case _:
                raise TypeError(f"no way to show {type(question).__name__}")
        return Asked(
            code=question.code,
            text=question.text[self.lang],
            hint=question.hint[self.lang] if question.hint else None,
            only_if=self._only_if(question, instrument),
            required=question.required,
            # The browser must not demand what it may not be showing.
            demanded=question.required and question.relevant is None,
            error=None if "ratings" in particulars else self._error(question.code),
            **particulars,
        )

    def _choices(self, question: Question, options: Sequence[Option]) -> tuple[Choice, ...]:
        return tuple(self._choice(question.code, option.code, option.text[self.lang]) for option in options)

    def _choice(self, name: str, value: str, label: str) -> Choice:
        return Choice(_id(name, value), name, value, label, value in self.sent.get(name, ()))

    def _rating(self, question: Question, part: PairPart | None, scale: Scale, *, unsure: bool) -> Rating:
        name = field_of(question, part)
        prompt = question.terms.prompts[part][self.lang] if part and isinstance(question, CompetencePair) else None
        choices = tuple(
            self._choice(name, str(number), label[self.lang]) for number, label in enumerate(scale.labels, 1)
        )
        way_out = self._choice(name, UNSURE, self.catalogue.text("form.unsure", self.lang)) if unsure else None
        return Rating(name, prompt, choices, way_out, self._error(name))

    def _value(self, question: Question) -> str:
        return "\n".join(self.sent.get(question.code, ()))

    def _error(self, name: str) -> str | None:
        for fault in self.faults:
            if fault.field == name:
                parts = (f"rule.{fault.rule}.message", f"rule.{fault.rule}.remedy")
                return " ".join(self.catalogue.text(key, self.lang, field=name, **fault.params) for key in parts)
        return None

    def _only_if(self, question: Question, instrument: Instrument) -> str | None:
        def say(key: str, **params: object) -> str:
            return self.catalogue.text(f"condition.{key}", self.lang, **params)

        return only_if(instrument, question, self.lang, say)
