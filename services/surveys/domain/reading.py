"""Reading an instrument from a file or a JSON document: every fault is named with its place, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from services.surveys.domain.expressions import (
    Expression,
    ExpressionError,
    Known,
    chosen,
    faults_of,
    fields_in,
    parse,
)
from services.surveys.domain.instruments import (
    MAX_SCORE,
    WRITTEN,
    Competence,
    CompetencePair,
    Constraint,
    DateQuestion,
    DecimalQuestion,
    Dimension,
    FreeText,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    PairTerms,
    ProfessionQuestion,
    Question,
    Row,
    Scale,
    Section,
    SharedParts,
    SingleChoice,
    StirQuestion,
    Text,
)
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import FieldError
from shared.i18n import Lang
from shared.transliteration import normalise, transliterate

T = TypeVar("T")

CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
OPTION_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
INSTRUMENT_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9_-]{0,19}")

MOST_SECTIONS: Final = 40
MOST_FIELDS: Final = 400
"""Form fields of one instrument: a public form takes no more than a little above that."""
MOST_OPTIONS: Final = 150
MOST_ROWS: Final = 40
MOST_LABELS: Final = 11
MOST_TEXT: Final = 2000
MOST_FAULTS: Final = 200
BILLION: Final = 1_000_000_000
DIGITS: Final = 6

KINDS: Final = (
    "single",
    "multiple",
    "likert",
    "pair",
    "matrix",
    "number",
    "decimal",
    "date",
    "text",
    "profession",
    "stir",
)
SCORED_KINDS: Final = ("single", "likert", "pair", "matrix")


class InstrumentError(ValueError):
    """An instrument that can't be used; each fault names its place as `sections[about].questions[size].text.ru`."""

    def __init__(self, faults: tuple[FieldError, ...]) -> None:
        super().__init__(*(f"{fault.field}: {fault.rule} {fault.params}" for fault in faults))
        self.faults = faults


class _WrongError(Exception):
    """A fault that was noted: what hangs on the value can't be read."""


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "kind-flag"
        case str():
            return "kind-text"
        case int() | float():
            return "kind-number"
        case list():
            return "kind-list"
        case Mapping():
            return "kind-table"
    return "kind-date" if isinstance(value, date) else "kind-nothing"


_KIND_NAMES: Final = {str: "kind-text", int: "kind-number", bool: "kind-flag", list: "kind-list"}


class _Reading:
    """What one reading gathers: faults, what was asked so far, and whether every language must be there."""

    def __init__(self, *, complete: bool) -> None:
        self.complete = complete
        self.faults: list[FieldError] = []
        self.asked: dict[str, Question] = {}
        self.known: dict[str, Known] = {}
        self.codes: frozenset[str] = frozenset()
        self.begun: set[str] = set()
        self.current = ""

    def faulty(self, code: str) -> bool:
        """Whether it is an earlier question that could not be read: what asks for it adds no fault of its own."""
        return code in self.begun and code not in self.asked and code != self.current

    def fault(self, place: str, rule: str, **params: str | float) -> _WrongError:
        """Note a fault."""
        self.faults.append(FieldError(place, rule, params))
        return _WrongError()

    def finish(self) -> None:
        """Raise what was noted."""
        if self.faults:
            raise InstrumentError(tuple(self.faults[:MOST_FAULTS]))


class _Table:
    """One table: every key is taken once; what is missing, of a wrong kind or left over is a fault.

    `attempt` goes on behind a fault, so that the others of the table are found too; `done` ends it.
    """

    def __init__(self, values: Any, place: str, reading: _Reading) -> None:
        self.place, self.reading = place, reading
        self._taken: set[str] = set()
        self._broken = False
        if not isinstance(values, Mapping):
            raise reading.fault(place, "instrument-wrong-kind", wanted="kind-table", found=_kind_of(values))
        self.values = {key: value for key, value in values.items() if value is not None}

    def fault(self, key: str, rule: str, **params: str | float) -> _WrongError:
        """Note a fault of `key` in this table."""
        return self.reading.fault(self._at(key), rule, **params)

    def _at(self, key: str) -> str:
        return ".".join(part for part in (self.place, key) if part)

    def attempt(self, read: Callable[[], T]) -> T:
        """What `read` gives; behind a fault nothing, which is never used: `done` raises."""
        try:
            return read()
        except _WrongError:
            self._broken = True
            return None  # type: ignore[return-value]  # what is built of it is thrown away by done()

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        return key in self.values

    def _take(self, key: str, wanted: type, kind: str | None = None) -> Any:
        self._taken.add(key)
        called = kind or _KIND_NAMES[wanted]
        if key not in self.values:
            raise self.fault(key, "instrument-missing", wanted=called)
        value = self.values[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise self.fault(key, "instrument-wrong-kind", wanted=called, found=_kind_of(value))
        return value

    def ignore(self, *keys: str) -> None:
        """Keys that say nothing new."""
        self._taken |= set(keys)

    def string(self, key: str) -> str:
        """A text without languages."""
        return str(self._take(key, str))

    def code(self, pattern: re.Pattern[str] = CODE, key: str = "code") -> str:
        """The table's own code."""
        value = self.string(key)
        if not pattern.fullmatch(value):
            raise self.fault(key, "instrument-bad-code", value=value[:80])
        return value

    def one_of(self, key: str, allowed: Mapping[str, T]) -> T:
        """What a name stands for."""
        value = self.string(key)
        if value not in allowed:
            raise self.fault(key, "instrument-unknown-name", value=value[:80], known=", ".join(sorted(allowed)))
        return allowed[value]

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number within bounds."""
        value: int = self._take(key, int)
        if not low <= value <= high:
            raise self.fault(key, "instrument-out-of-range", min=low, max=high, given=value)
        return value

    def decimal(self, key: str, low: Decimal, high: Decimal) -> Decimal:
        """A number within bounds; JSON may give it as text."""
        self._taken.add(key)
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            self._take(key, int)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            raise self.fault(key, "instrument-wrong-kind", wanted="kind-number", found=_kind_of(value))
        if not low <= number <= high:
            raise self.fault(key, "instrument-out-of-range", min=str(low), max=str(high), given=str(value)[:40])
        return number

    def day(self, key: str) -> date | None:
        """A calendar day, if given."""
        if not self.has(key):
            return None
        self._taken.add(key)
        value = self.values[key]
        if type(value) is date:
            return value
        try:
            return date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            found = {"wanted": "kind-date", "found": _kind_of(value)}
            raise self.fault(key, "instrument-wrong-kind", **found) from None

    def flag(self, key: str) -> bool:
        """A switch that is off unless given."""
        return bool(self._take(key, bool)) if self.has(key) else False

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of names without repetition."""
        values = self._take(key, list)
        for position, value in enumerate(values):
            if not isinstance(value, str):
                place = f"{key}.{position}"
                raise self.fault(place, "instrument-wrong-kind", wanted="kind-text", found=_kind_of(value))
        for value in values:
            if values.count(value) > 1:
                raise self.fault(key, "instrument-twice", value=value[:80])
        return tuple(values)

    def text(self, key: str) -> Text:
        """A text in all languages; Uzbek Cyrillic is derived from Latin unless given.

        In a draft a language may be missing: another stands in.
        """
        table = self.table(key)
        return table.languages()

    def languages(self) -> Text:
        """The table itself as a text."""
        given = {lang: self._language(lang) for lang in Lang if self.has(lang)}
        if self.reading.complete or not given:
            for lang in WRITTEN:
                if not self.has(lang):
                    self.attempt(lambda lang=lang: self._take(lang, str))  # type: ignore[misc]  # bound at once
        self.done()
        if Lang.UZ in given:
            given[Lang.UZ] = normalise(given[Lang.UZ])
            given.setdefault(Lang.UZ_CYRL, transliterate(given[Lang.UZ]))
        stand_in = next(given[lang] for lang in (*WRITTEN, Lang.UZ_CYRL) if lang in given)
        return {lang: given.get(lang, stand_in) for lang in Lang}

    def _language(self, lang: Lang) -> str:
        def read() -> str:
            value = self.string(lang).strip()
            if not value:
                raise self.fault(lang, "instrument-empty-text")
            if len(value) > MOST_TEXT:
                raise self.fault(lang, "instrument-text-too-long", max=MOST_TEXT, given=len(value))
            if any(not sign.isprintable() and sign != "\n" for sign in value):
                raise self.fault(lang, "control_characters")
            return value

        return self.attempt(read)

    def maybe_text(self, key: str) -> Text | None:
        """A text in all languages, or nothing."""
        return self.text(key) if self.has(key) else None

    def table(self, key: str) -> _Table:
        """A table within."""
        self._taken.add(key)
        if not self.has(key):
            raise self.fault(key, "instrument-missing", wanted="kind-table")
        return _Table(self.values[key], self._at(key), self.reading)

    def each(self, key: str, most: int, read: Callable[[_Table], T]) -> tuple[T, ...]:
        """A list of tables, each read behind the faults of the others; its place shows its code where it has one."""
        values = self._take(key, list)
        if len(values) > most:
            raise self.fault(key, "instrument-too-many", max=most, given=len(values))
        found: list[T] = []
        sound = True
        for position, value in enumerate(values):
            name = value.get("code", position) if isinstance(value, Mapping) else position
            try:
                found.append(read(_Table(value, self._at(f"{key}[{str(name)[:80]}]"), self.reading)))
            except _WrongError:
                sound = False
        if not sound:
            raise _WrongError
        return tuple(found)

    def named(self, key: str) -> Iterator[tuple[str, _Table]]:
        """Tables by their names."""
        outer = self.table(key)
        for name in outer.values:
            yield name, outer.table(name)
        outer.done()

    def done(self) -> None:
        """A fault for every key that nothing asked for; raises if there was any fault in the table."""
        for key in self.values:
            if key not in self._taken:
                known = ", ".join(sorted(self._taken))
                self.fault(str(key)[:80], "instrument-unknown-key", known=known)
                self._broken = True
        if self._broken:
            raise _WrongError


# -- the catalogue


def parse_shared_parts(values: Any) -> SharedParts:
    """The scales and competences of a parsed catalogue file; raises InstrumentError."""
    reading = _Reading(complete=True)
    try:
        parts = _shared_parts(_Table(values, "", reading))
    except _WrongError:
        reading.finish()
        raise
    reading.finish()
    return parts


def _shared_parts(file: _Table) -> SharedParts:
    file.one_of("code", {"catalogue": None})
    version = file.integer("version", 1, 9999)
    scales = {code: _labels(table, code) for code, table in file.named("scales")}
    competences: dict[str, Competence] = {}
    for code, table in file.named("competences"):
        competences[code] = Competence(code, table.text("text"), table.one_of("dimension", _DIMENSIONS))
        table.done()
    file.done()
    return SharedParts(version, scales, competences)


_DIMENSIONS: Final = {str(dimension): dimension for dimension in Dimension}
_PARTS: Final = {str(part): part for part in PairPart}


def _labels(table: _Table, code: str) -> Scale:
    labels = table.attempt(lambda: _label_texts(table))
    table.done()
    return Scale(code, labels)


def _label_texts(table: _Table) -> tuple[Text, ...]:
    labels = table.each("labels", MOST_LABELS, lambda label: label.languages())
    if len(labels) < 2:
        raise table.fault("labels", "instrument-scale-size", min=2, max=MOST_LABELS, given=len(labels))
    return labels


# -- instruments


def parse_instrument(values: Any, catalogues: Mapping[int, SharedParts], *, complete: bool = True) -> Instrument:
    """The instrument in a parsed file or document (domain/documents.py); raises InstrumentError.

    `complete` demands every text in Uzbek, Russian and English, as a publication does; a draft may lack languages.
    """
    reading = _Reading(complete=complete)
    reading.codes = frozenset(_codes_in(values))
    try:
        instrument = _Instruments(_Table(values, "", reading), catalogues, reading).whole()
    except _WrongError:
        reading.finish()
        raise
    reading.finish()
    return instrument


def _codes_in(values: Any) -> Iterator[str]:
    """The codes of all questions, as far as they can be seen."""
    for section in _listed(values, "sections"):
        yield from (name for name in _listed(section, "competences") if isinstance(name, str))
        for question in _listed(section, "questions"):
            if isinstance(question, Mapping) and isinstance(question.get("code"), str):
                yield question["code"]


def _listed(values: Any, key: str) -> list[Any]:
    found = values.get(key) if isinstance(values, Mapping) else None
    return found if isinstance(found, list) else []


class _Instruments:
    def __init__(self, file: _Table, catalogues: Mapping[int, SharedParts], reading: _Reading) -> None:
        self._file, self._reading = file, reading
        self._shared = SharedParts(0, {}, {})
        self._terms: PairTerms | None = None
        self._sections: list[str] = []
        if file.has("catalogue"):
            version = file.integer("catalogue", 1, 9999)
            if version not in catalogues:
                known = ", ".join(map(str, sorted(catalogues)))
                raise file.fault("catalogue", "instrument-no-catalogue", known=known)
            self._shared = catalogues[version]

    def whole(self) -> Instrument:
        file = self._file
        file.ignore("questions", "dimensions")
        code = file.attempt(lambda: file.code(INSTRUMENT_CODE))
        version = file.attempt(lambda: file.integer("version", 1, 9999))
        group = file.attempt(lambda: file.one_of("group", {str(group): group for group in RespondentGroup}))
        title, intro = file.attempt(lambda: file.text("title")), file.attempt(lambda: file.text("intro"))
        identified = bool(file.attempt(lambda: file.flag("identified")))
        if file.has("pair"):
            self._terms = file.attempt(lambda: self._pair_terms(file.table("pair")))
        sections = file.attempt(lambda: file.each("sections", MOST_SECTIONS, self._section))
        if sections == ():
            file.fault("sections", "instrument-no-questions")
        if len(self._reading.known) > MOST_FIELDS:
            file.fault("sections", "instrument-too-many", max=MOST_FIELDS, given=len(self._reading.known))
        file.done()
        return Instrument(code, version, group, title, intro, sections, identified)

    def _pair_terms(self, table: _Table) -> PairTerms:
        terms = PairTerms(
            prompts={part: table.text(part) for part in PairPart},
            scales={part: self._scale(table, f"{part}_scale") for part in PairPart},
            scores=table.one_of("scores", _PARTS),
        )
        table.done()
        return terms

    def _section(self, table: _Table) -> Section:
        code = table.attempt(table.code)
        if code in self._sections:
            table.attempt(lambda: _raise(table.fault("code", "instrument-twice", value=code)))
        self._sections.append(code)
        title = table.attempt(lambda: table.text("title"))
        intro = table.attempt(lambda: table.maybe_text("intro"))
        questions: list[Question] = []
        if table.has("competences"):
            questions += table.attempt(lambda: self._competences(table)) or ()
        if table.has("questions"):
            questions += table.attempt(lambda: table.each("questions", MOST_FIELDS, self._question)) or ()
        table.done()
        if not questions:
            raise table.fault("questions", "instrument-no-questions")
        return Section(code, title, intro, tuple(questions))

    def _competences(self, table: _Table) -> list[Question]:
        if self._terms is None:
            raise table.fault("competences", "instrument-no-pair-terms")
        found: list[Question] = []
        for name in table.strings("competences"):
            if name not in self._shared.competences:
                known = ", ".join(sorted(self._shared.competences))
                raise table.fault("competences", "instrument-unknown-name", value=name[:80], known=known)
            competence = self._shared.competences[name]
            pair = CompetencePair(
                code=name,
                text=competence.text,
                required=True,
                dimension=competence.dimension,
                scored=True,
                terms=self._terms,
            )
            self._remember(pair, table)
            found.append(pair)
        return found

    def _remember(self, question: Question, table: _Table) -> None:
        self._reading.begun.add(question.code)
        if question.code in self._reading.asked:
            raise table.fault("code", "instrument-twice", value=question.code)
        self._reading.asked[question.code] = question
        self._reading.known.update(question.fields())

    def _question(self, table: _Table) -> Question:
        kind = table.one_of("kind", {name: name for name in KINDS})
        self._reading.current = str(table.values.get("code"))
        self._reading.begun.add(self._reading.current)
        table.ignore("shown_when")
        scored = bool(table.attempt(lambda: table.flag("scored")))
        required = bool(table.attempt(lambda: table.flag("required")))
        common: dict[str, Any] = {
            "code": table.attempt(table.code),
            "text": table.attempt(lambda: table.text("text")),
            "hint": table.attempt(lambda: table.maybe_text("hint")),
            "required": required,
            "relevant": table.attempt(lambda: self._relevant(table)) if table.has("relevant") else None,
            "dimension": table.attempt(lambda: table.one_of("dimension", _DIMENSIONS))
            if table.has("dimension")
            else None,
            "scored": scored,
        }
        for key, rule in _contradictions(kind, common, table):
            table.attempt(lambda key=key, rule=rule: _raise(table.fault(key, rule, kind=f"question-{kind}")))  # type: ignore[misc]  # bound at once
        particulars = table.attempt(lambda: self._particulars(kind, table, scored=scored))
        constraint = table.attempt(lambda: table.table("constraint")) if table.has("constraint") else None
        table.done()
        made, more = particulars
        question = made(**common, **more)
        if constraint is not None:
            question = made(**common, **more, constraint=self._constraint(constraint, question))
        self._remember(question, table)
        return question

    def _particulars(self, kind: str, table: _Table, *, scored: bool) -> tuple[Callable[..., Question], dict[str, Any]]:
        match kind:
            case "single":
                return SingleChoice, {"options": _options(table, scored=scored)}
            case "multiple":
                options = _options(table, scored=False)
                most = table.integer("max_choices", 1, len(options)) if table.has("max_choices") else len(options)
                return MultipleChoice, {"options": options, "max_choices": most}
            case "likert":
                rated = {"scale": self._scale(table, "scale"), "unsure": table.flag("unsure")}
                return Likert, {**rated, "reverse": table.flag("reverse")}
            case "pair":
                table.ignore("unsure")
                return CompetencePair, {"terms": self._own_terms(table)}
            case "matrix":
                return Matrix, self._matrix(table, scored=scored)
            case "number":
                low = table.integer("min", -BILLION, BILLION)
                return NumberQuestion, {"minimum": low, "maximum": table.integer("max", low, BILLION)}
            case "decimal":
                least = table.decimal("min", Decimal(-BILLION), Decimal(BILLION))
                bounds = {"minimum": least, "maximum": table.decimal("max", least, Decimal(BILLION))}
                return DecimalQuestion, {**bounds, "digits": table.integer("digits", 1, DIGITS)}
            case "date":
                return DateQuestion, {"earliest": table.day("earliest"), "latest": table.day("latest")}
            case "profession":
                return ProfessionQuestion, {}
            case "stir":
                return StirQuestion, {}
        return FreeText, {"max_length": table.integer("max_length", 1, 2000)}

    def _scale(self, table: _Table, key: str) -> Scale:
        if isinstance(table.values.get(key), str):
            return table.one_of(key, self._shared.scales)
        inner = table.table(key)
        return _labels(inner, inner.code())

    def _own_terms(self, table: _Table) -> PairTerms:
        if not any(table.has(part) for part in PairPart) and self._terms is not None:
            return self._terms
        prompts, scales = {}, {}
        for part in PairPart:
            inner = table.table(part)
            prompts[part], scales[part] = inner.text("prompt"), self._scale(inner, "scale")
            inner.done()
        return PairTerms(prompts=prompts, scales=scales, scores=table.one_of("scores", _PARTS))

    def _matrix(self, table: _Table, *, scored: bool) -> dict[str, Any]:
        if table.has("scale") == table.has("options"):
            raise table.fault("scale", "instrument-matrix-answers")
        rows = table.each("rows", MOST_ROWS, _row)
        _distinct([row.code for row in rows], table, "rows")
        if not rows:
            raise table.fault("rows", "instrument-no-rows")
        if table.has("options"):
            table.ignore("unsure")
            return {"rows": rows, "options": _options(table, scored=scored)}
        return {"rows": rows, "scale": self._scale(table, "scale"), "unsure": table.flag("unsure")}

    # -- conditions

    def _relevant(self, table: _Table) -> Expression:
        if not isinstance(table.values["relevant"], Mapping):
            return self._expression(table, "relevant", table.string("relevant"), None)
        inner = table.table("relevant")
        earlier = {
            code: question
            for code, question in self._reading.asked.items()
            if isinstance(question, SingleChoice | MultipleChoice)
        }
        if self._reading.faulty(str(inner.values.get("question"))):
            raise _WrongError
        question = inner.one_of("question", earlier)
        wanted = inner.strings("any_of")
        if not wanted:
            raise inner.fault("any_of", "instrument-no-option")
        condition = chosen(question.code, wanted, several=isinstance(question, MultipleChoice))
        self._judge(inner, "any_of", condition, None)
        inner.done()
        return condition

    def _constraint(self, table: _Table, question: Question) -> Constraint:
        fields = question.fields()
        written = table.attempt(lambda: table.string("expression"))
        message = table.attempt(lambda: table.text("message"))
        table.done()
        own = next(iter(fields.values()))
        return Constraint(self._expression(table, "expression", written, own), message)

    def _expression(self, table: _Table, key: str, written: str, own: Known | None) -> Expression:
        try:
            expression = parse(written)
        except ExpressionError as wrong:
            raise table.fault(key, wrong.rule, **wrong.params) from None
        self._judge(table, key, expression, own)
        return expression

    def _judge(self, table: _Table, key: str, expression: Expression, own: Known | None) -> None:
        ahead = self._reading.codes - self._reading.begun
        later = {name for name in fields_in(expression) if name.partition(".")[0] in ahead}
        faults = faults_of(expression, self._reading.known, later, own)
        for wrong in faults:
            name = str(wrong.params.get("name", "")).partition(".")[0]
            if name == self._reading.current:
                table.fault(key, "own-question", name=name)
            elif not self._reading.faulty(name):  # a question with faults of its own is not unknown
                table.fault(key, wrong.rule, **wrong.params)
        if faults:
            raise _WrongError


def _raise(wrong: _WrongError) -> None:
    raise wrong


def _contradictions(kind: str, common: Mapping[str, Any], table: _Table) -> Iterator[tuple[str, str]]:
    if common["scored"] and kind not in SCORED_KINDS:
        yield "scored", "instrument-not-scorable"
    elif common["scored"] and not table.has("dimension"):
        yield "dimension", "instrument-dimension-missing"
    if common["required"] and kind == "text":
        yield "required", "instrument-text-required"


def _row(table: _Table) -> Row:
    row = Row(
        table.code(OPTION_CODE),
        table.text("text"),
        table.one_of("dimension", _DIMENSIONS) if table.has("dimension") else None,
        table.flag("reverse"),
    )
    table.done()
    return row


def _options(table: _Table, *, scored: bool) -> tuple[Option, ...]:
    options = table.each("options", MOST_OPTIONS, lambda inner: _option(inner, scored=scored))
    _distinct([option.code for option in options], table, "options")
    if len(options) < 2:
        raise table.fault("options", "instrument-too-few-options", given=len(options))
    if scored and all(option.score is None for option in options):
        raise table.fault("options", "instrument-no-score")
    return options


def _option(table: _Table, *, scored: bool) -> Option:
    if table.has("score") and not scored:
        table.attempt(lambda: _raise(table.fault("score", "instrument-needless-score")))
    option = Option(
        table.attempt(lambda: table.code(OPTION_CODE)),
        table.attempt(lambda: table.text("text")),
        table.attempt(lambda: table.integer("score", 0, MAX_SCORE)) if table.has("score") else None,
        bool(table.attempt(lambda: table.flag("exclusive"))),
    )
    table.done()
    return option


def _distinct(codes: list[str], table: _Table, key: str) -> None:
    for code in codes:
        if codes.count(code) > 1:
            raise table.fault(f"{key}[{code}].code", "instrument-twice", value=code)
