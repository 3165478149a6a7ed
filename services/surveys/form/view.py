"""Questions as the form's template shows them, with what was answered so far and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.surveys.domain.answers import Sent, constraint_message, field_of
from services.surveys.domain.explaining import only_if
from services.surveys.domain.instruments import (
    UNSURE,
    CompetencePair,
    DateQuestion,
    DecimalQuestion,
    FreeText,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    ProfessionQuestion,
    Question,
    Scale,
    SingleChoice,
    StirQuestion,
)
from shared.errors import FieldError
from shared.i18n import Catalogue, Lang, day


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to tick: a radio button or a check box; `id` where a condition asks for it.

    `label_id` is the text that names a rating: it stands in the page once, not beside every rating of the scale.
    """

    id: str | None
    name: str
    value: str
    label: str
    checked: bool
    label_id: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    """One row of a scale with its end labels, or of options; `unsure` is the way out beside a scale."""

    name: str
    prompt: str | None
    choices: tuple[Choice, ...]
    unsure: Choice | None
    error: str | None
    scale: bool = True

    @property
    def id(self) -> str:
        """What ids in the page begin with."""
        return self.name.replace(".", "-")

    @property
    def ends(self) -> tuple[Choice, Choice]:
        """The lowest and the highest rating."""
        return self.choices[0], self.choices[-1]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the template shows it; `note` says what an answer must be like."""

    code: str
    kind: str
    text: str
    hint: str | None
    only_if: str | None
    required: bool
    demanded: bool
    error: str | None
    value: str = ""
    note: str | None = None
    length: int = 0
    earliest: str = ""
    latest: str = ""
    choices: tuple[Choice, ...] = ()
    ratings: tuple[Rating, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether anything in it must be mended."""
        return self.error is not None or any(rating.error for rating in self.ratings)

    @property
    def described_by(self) -> str:
        """The ids of what describes it, for assistive technology."""
        parts = {"c": self.only_if, "h": self.hint, "n": self.note, "e": self.error}
        return " ".join(f"{sign}-{self.code}" for sign, text in parts.items() if text)


@dataclass(frozen=True, slots=True)
class Step:
    """A section as the template shows it."""

    code: str
    title: str
    intro: str | None
    questions: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class RatingText:
    """What a rating of a scale is called, for those who don't see the ends of the scale."""

    id: str
    text: str


@dataclass
class View:
    """Turns an instrument's questions into what the template shows; `offered` are options found for typed words."""

    catalogue: Catalogue
    instrument: Instrument
    lang: Lang
    sent: Sent
    faults: Sequence[FieldError]
    offered: Mapping[str, Sequence[tuple[str, str]]]

    def __post_init__(self) -> None:
        self._scales: dict[tuple[str, ...], str] = {}
        self._asked_for = {tick for each in self.instrument.questions for tick in _ticks(self.instrument, each)}

    def rating_texts(self) -> list[RatingText]:
        """The names of all ratings that `steps` showed, once for each scale."""
        return [
            RatingText(f"{scale}-{number}", f"{number} – {label}")
            for labels, scale in self._scales.items()
            for number, label in enumerate(labels, 1)
        ]

    def steps(self) -> list[Step]:
        """All sections."""
        return [
            Step(
                section.code,
                section.title[self.lang],
                section.intro[self.lang] if section.intro else None,
                tuple(self._question(question) for question in section.questions),
            )
            for section in self.instrument.sections
        ]

    def _question(self, question: Question) -> Asked:
        particulars = self._particulars(question)
        return Asked(
            code=question.code,
            text=question.text[self.lang],
            hint=question.hint[self.lang] if question.hint else None,
            only_if=only_if(self.instrument, question, self.lang, self._say_condition),
            required=question.required,
            # The browser must not demand what it may not be showing.
            demanded=question.required and question.relevant is None,
            error=None if "ratings" in particulars else self._error(question.code),
            **particulars,
        )

    def _particulars(self, question: Question) -> dict[str, Any]:
        match question:
            case SingleChoice():
                return {"kind": "single", "choices": self._choices(question.code, question.options)}
            case MultipleChoice():
                return {"kind": "multiple", "choices": self._choices(question.code, question.options)}
            case Likert():
                return {"kind": "likert", "ratings": (self._rating(question, None, None, question.scale),)}
            case CompetencePair():
                terms = question.terms
                ratings = [
                    self._rating(question, part, terms.prompts[part][self.lang], terms.scales[part])
                    for part in PairPart
                ]
                return {"kind": "rows", "ratings": tuple(ratings)}
            case Matrix():
                return {"kind": "rows", "ratings": tuple(self._rows(question))}
            case FreeText():
                return {"kind": "text", "value": self._value(question.code), "length": question.max_length}
            case _:
                return self._typed(question)

    def _typed(self, question: Question) -> dict[str, Any]:
        found: dict[str, Any] = {"value": self._value(question.code)}
        match question:
            case NumberQuestion():
                note = self._say("number_from_to", low=question.minimum, high=question.maximum)
                return {**found, "kind": "number", "note": note}
            case DecimalQuestion():
                low, high = format(question.minimum, "f"), format(question.maximum, "f")
                note = self._say("decimal_from_to", low=low, high=high, digits=question.digits)
                return {**found, "kind": "decimal", "note": note}
            case DateQuestion():
                limits = {
                    "earliest": question.earliest.isoformat() if question.earliest else "",
                    "latest": question.latest.isoformat() if question.latest else "",
                }
                return {**found, **limits, "kind": "date", "note": self._date_note(question)}
            case ProfessionQuestion():
                offered = tuple(
                    self._choice(question.code, code, f"{code} – {title}")
                    for code, title in self.offered.get(question.code, ())
                )
                return {**found, "kind": "profession", "note": self._say("profession_note"), "choices": offered}
            case StirQuestion():
                return {**found, "kind": "stir", "note": self._say("stir_note")}
        raise TypeError(f"no way to show {type(question).__name__}")

    def _date_note(self, question: DateQuestion) -> str | None:
        match question.earliest, question.latest:
            case None, None:
                return None
            case first, None if first is not None:
                return self._say("date_from", first=day(first, self.lang))
            case None, last if last is not None:
                return self._say("date_to", last=day(last, self.lang))
            case first, last:
                assert first is not None
                assert last is not None
                return self._say("date_from_to", first=day(first, self.lang), last=day(last, self.lang))

    def _choices(self, name: str, options: Sequence[Option]) -> tuple[Choice, ...]:
        return tuple(self._choice(name, option.code, option.text[self.lang]) for option in options)

    def _choice(self, name: str, value: str, label: str, label_id: str = "") -> Choice:
        own = id_of(name, value) if (name, value) in self._asked_for else None
        return Choice(own, name, value, label, value in self.sent.get(name, ()), label_id)

    def _rows(self, question: Matrix) -> list[Rating]:
        if question.scale is not None:
            return [self._rating(question, row.code, row.text[self.lang], question.scale) for row in question.rows]
        rows = []
        for row in question.rows:
            name = field_of(question, row.code)
            choices = self._choices(name, question.options)
            rows.append(Rating(name, row.text[self.lang], choices, None, self._error(name), scale=False))
        return rows

    def _rating(self, question: Question, part: str | None, prompt: str | None, scale: Scale) -> Rating:
        name = field_of(question, part)
        known = question.fields()[name]
        labels = tuple(label[self.lang] for label in scale.labels)
        shared = self._scales.setdefault(labels, f"k{len(self._scales)}")
        choices = tuple(
            self._choice(name, str(number), label, f"{shared}-{number}") for number, label in enumerate(labels, 1)
        )
        way_out = self._choice(name, UNSURE, self._say("unsure")) if UNSURE in known.options else None
        return Rating(name, prompt, choices, way_out, self._error(name))

    def _value(self, name: str) -> str:
        return "\n".join(self.sent.get(name, ()))

    def _error(self, name: str) -> str | None:
        for fault in self.faults:
            if fault.field == name:
                own = constraint_message(self.instrument, fault, self.lang)
                if own is not None:
                    return own
                parts = (f"rule.{fault.rule}.message", f"rule.{fault.rule}.remedy")
                return " ".join(self.catalogue.text(key, self.lang, field=name, **fault.params) for key in parts)
        return None

    def _say(self, key: str, **params: object) -> str:
        return self.catalogue.text(f"form.{key}", self.lang, **params)

    def _say_condition(self, key: str, **params: object) -> str:
        return self.catalogue.text(f"condition.{key}", self.lang, **params)


def id_of(name: str, value: str) -> str:
    """The id of what is ticked: `value` of the field `name`."""
    return f"{name.replace('.', '-')}-{value}"


def _ticks(instrument: Instrument, question: Question) -> Iterator[tuple[str, str]]:
    for alternative in instrument.shown_when(question) or ():
        yield from alternative


def relevance_rules(instrument: Instrument) -> list[str]:
    """CSS that shows a question once its condition is ticked: browsers do it themselves, without a script."""
    rules = []
    for question in instrument.questions:
        # What ticks can't say is shown always, with its explanation; the answer is judged here.
        alternatives = instrument.shown_when(question)
        if alternatives is not None:
            ticked = ",".join(
                f"form{''.join(f':has(#{id_of(*tick)}:checked)' for tick in each)} #q-{question.code}"
                for each in alternatives
            )
            shown = f"{ticked}{{display:block}}" if ticked else ""
            rules.append(f"#q-{question.code},#q-{question.code} .only{{display:none}}{shown}")
    return rules
