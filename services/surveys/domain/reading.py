"""Reading an instrument from its file: every fault is named with file, place and cure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from services.surveys.domain.instruments import (
    MAX_SCORE,
    WRITTEN,
    Competence,
    CompetencePair,
    Dimension,
    FreeText,
    Instrument,
    InstrumentError,
    Likert,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    PairTerms,
    Question,
    Relevance,
    Scale,
    Section,
    SharedParts,
    SingleChoice,
    Text,
)
from shared.contracts.vocabulary import RespondentGroup
from shared.i18n import Lang
from shared.transliteration import normalise, transliterate

CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
INSTRUMENT_CODE = re.compile(r"[A-Z][A-Za-z0-9_-]{0,19}")


class _Table:
    """One table of the file: every key is taken once; what is missing, of a wrong kind or left over is a fault."""

    def __init__(self, values: Any, source: str, place: str) -> None:
        self.source, self.place = source, place
        if not isinstance(values, Mapping):
            raise self.fault("", f"expected a table, found {_kind_of(values)}")
        self.values = values
        self._taken: set[str] = set()

    def fault(self, key: str, what: str) -> InstrumentError:
        """The fault of `key` in this table."""
        place = ".".join(part for part in (self.place, key) if part)
        return InstrumentError(f"{self.source}: {place or 'the file'}: {what}")

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        return key in self.values

    def _take(self, key: str, wanted: type, called: str) -> Any:
        self._taken.add(key)
        if key not in self.values:
            raise self.fault(key, f"is missing; add {called}")
        value = self.values[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise self.fault(key, f"expected {called}, found {_kind_of(value)}")
        return value

    def string(self, key: str) -> str:
        """A text without languages."""
        return str(self._take(key, str, "text in quotes"))

    def code(self, pattern: re.Pattern[str] = CODE) -> str:
        """The table's own code."""
        value = self.string("code")
        if not pattern.fullmatch(value):
            raise self.fault("code", f"{value!r} does not fit {pattern.pattern}")
        return value

    def one_of(self, key: str, allowed: Mapping[str, Any]) -> Any:
        """What a name stands for."""
        value = self.string(key)
        if value not in allowed:
            raise self.fault(key, f"{value!r} is unknown; choose one of {', '.join(sorted(allowed))}")
        return allowed[value]

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number within bounds."""
        value: int = self._take(key, int, f"a whole number from {low} to {high}")
        if not low <= value <= high:
            raise self.fault(key, f"expected a whole number from {low} to {high}, found {value}")
        return value

    def flag(self, key: str) -> bool:
        """A switch that is off unless given."""
        return bool(self._take(key, bool, "true or false")) if self.has(key) else False

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of names without repetition."""
        values = self._take(key, list, "a list of names")
        for position, value in enumerate(values):
            if not isinstance(value, str):
                raise self.fault(f"{key}.{position}", f"expected text in quotes, found {_kind_of(value)}")
        if len(set(values)) < len(values):
            raise self.fault(key, "names one thing twice; leave it once")
        return tuple(values)

    def text(self, key: str) -> Text:
        """A text in all languages; Uzbek Cyrillic is derived from Latin unless given."""
        table = self.table(key)
        written = {lang: table.string(lang).strip() for lang in WRITTEN}
        for lang, value in written.items():
            if not value:
                raise table.fault(lang, "is empty; write the text")
        written[Lang.UZ] = normalise(written[Lang.UZ])
        cyrillic = table.string(Lang.UZ_CYRL) if table.has(Lang.UZ_CYRL) else transliterate(written[Lang.UZ])
        table.done()
        return {**written, Lang.UZ_CYRL: cyrillic}

    def maybe_text(self, key: str) -> Text | None:
        """A text in all languages, or nothing."""
        return self.text(key) if self.has(key) else None

    def table(self, key: str) -> _Table:
        """A table within."""
        self._taken.add(key)
        if not self.has(key):
            raise self.fault(key, "is missing; add the table")
        return _Table(self.values[key], self.source, ".".join(part for part in (self.place, key) if part))

    def tables(self, key: str) -> Iterator[_Table]:
        """A list of tables; a place in it is shown by the table's code where it has one."""
        for position, values in enumerate(self._take(key, list, "a list of tables")):
            name = values.get("code", position) if isinstance(values, Mapping) else position
            place = f"{self.place}.{key}[{name}]" if self.place else f"{key}[{name}]"
            yield _Table(values, self.source, place)

    def named(self, key: str) -> Iterator[tuple[str, _Table]]:
        """Tables by their names."""
        outer = self.table(key)
        for name in outer.values:
            if not CODE.fullmatch(name):
                raise outer.fault(name, f"the name does not fit {CODE.pattern}")
            yield name, outer.table(name)

    def done(self) -> None:
        """Faults what nobody took: a misspelt key must not be silently without effect."""
        if left := sorted(self.values.keys() - self._taken):
            raise self.fault(left[0], "is unknown here; remove it or correct its spelling")


def _kind_of(value: Any) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true/false"),
        (str, "text"),
        (int, "a whole number"),
        (float, "a fraction"),
        (Mapping, "a table"),
        (list, "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


def parse_shared_parts(values: Any, source: str) -> SharedParts:
    """The catalogue in a parsed file called `source`; raises InstrumentError."""
    file = _Table(values, source, "")
    if file.string("code") != "catalogue":
        raise file.fault("code", "expected 'catalogue'")
    version = file.integer("version", 1, 9999)
    scales: dict[str, Scale] = {}
    for code, table in file.named("scales"):
        labels = tuple(_language_table(label) for label in table.tables("labels"))
        if len(labels) != 5:
            raise table.fault("labels", f"expected five labels from the lowest to the highest, found {len(labels)}")
        table.done()
        scales[code] = Scale(code, labels)
    dimensions = {str(dimension): dimension for dimension in Dimension}
    competences: dict[str, Competence] = {}
    for code, table in file.named("competences"):
        competences[code] = Competence(code, table.text("text"), table.one_of("dimension", dimensions))
        table.done()
    file.done()
    return SharedParts(version, scales, competences)


def _language_table(table: _Table) -> Text:
    wrapped = _Table({"text": table.values}, table.source, table.place)
    return wrapped.text("text")


def parse_instrument(values: Any, source: str, catalogues: Mapping[int, SharedParts]) -> Instrument:
    """The instrument in a parsed file called `source`; raises InstrumentError."""
    file = _Table(values, source, "")
    code = file.code(INSTRUMENT_CODE)
    version = file.integer("version", 1, 9999)
    wanted = file.integer("catalogue", 1, 9999)
    if wanted not in catalogues:
        raise file.fault("catalogue", f"there is no catalogue.v{wanted}.toml; name one of {sorted(catalogues)}")
    shared = catalogues[wanted]
    group = file.one_of("group", {str(group): group for group in RespondentGroup})
    title, intro = file.text("title"), file.text("intro")
    terms = _pair_terms(file.table("pair"), shared) if file.has("pair") else None
    asked: dict[str, Question] = {}
    sections: list[Section] = []
    for table in file.tables("sections"):
        sections.append(_section(table, shared, terms, asked))
        if [section.code for section in sections].count(sections[-1].code) > 1:
            raise table.fault("code", "another section has this code; choose another")
    file.done()
    if not asked:
        raise file.fault("sections", "there is no question; add one")
    return Instrument(code, version, group, title, intro, tuple(sections))


def _pair_terms(table: _Table, shared: SharedParts) -> PairTerms:
    terms = PairTerms(
        prompts={part: table.text(part) for part in PairPart},
        scales={part: table.one_of(f"{part}_scale", shared.scales) for part in PairPart},
        scores=table.one_of("scores", {str(part): part for part in PairPart}),
    )
    table.done()
    return terms


def _section(table: _Table, shared: SharedParts, terms: PairTerms | None, asked: dict[str, Question]) -> Section:
    code, title, intro = table.code(), table.text("title"), table.maybe_text("intro")
    questions: list[Question] = []
    if table.has("competences"):
        if terms is None:
            raise table.fault("competences", "the instrument has no [pair] table that says how to ask; add it")
        for name in table.strings("competences"):
            if name not in shared.competences:
                raise table.fault("competences", f"{name!r} is not in the catalogue; add it there or correct the name")
            competence = shared.competences[name]
            questions.append(
                CompetencePair(
                    code=name,
                    text=competence.text,
                    required=True,
                    dimension=competence.dimension,
                    scored=True,
                    terms=terms,
                )
            )
            _remember(questions[-1], asked, table)
    if table.has("questions"):
        for inner in table.tables("questions"):
            questions.append(_question(inner, shared, asked))
            _remember(questions[-1], asked, inner)
    if not questions:
        raise table.fault("questions", "the section asks nothing; add questions or competences")
    table.done()
    return Section(code, title, intro, tuple(questions))


def _remember(question: Question, asked: dict[str, Question], table: _Table) -> None:
    if question.code in asked:
        raise table.fault("code", f"{question.code!r} is asked already; every question needs a code of its own")
    asked[question.code] = question


def _question(table: _Table, shared: SharedParts, asked: Mapping[str, Question]) -> Question:
    kind = table.one_of("kind", {name: name for name in ("single", "multiple", "likert", "number", "text")})
    dimensions = {str(dimension): dimension for dimension in Dimension}
    common: dict[str, Any] = {
        "code": table.code(),
        "text": table.text("text"),
        "hint": table.maybe_text("hint"),
        "required": table.flag("required"),
        "relevant": _relevance(table.table("relevant"), asked) if table.has("relevant") else None,
        "dimension": table.one_of("dimension", dimensions) if table.has("dimension") else None,
        "scored": table.flag("scored"),
    }
    if common["scored"] and common["dimension"] is None:
        raise table.fault("dimension", "is missing; a scored question counts in a dimension")
    if common["scored"] and kind not in ("single", "likert"):
        raise table.fault("scored", f"a question of kind {kind} can't be scored; remove it")
    if common["required"] and kind == "text":
        raise table.fault("required", "free text is always optional; remove it")
    question: Question
    match kind:
        case "single":
            question = SingleChoice(**common, options=_options(table, scored=common["scored"]))
        case "multiple":
            options = _options(table, scored=False)
            most = table.integer("max_choices", 1, len(options)) if table.has("max_choices") else len(options)
            question = MultipleChoice(**common, options=options, max_choices=most)
        case "likert":
            question = Likert(**common, scale=table.one_of("scale", shared.scales), unsure=table.flag("unsure"))
        case "number":
            low = table.integer("min", -1_000_000_000, 1_000_000_000)
            question = NumberQuestion(**common, minimum=low, maximum=table.integer("max", low, 1_000_000_000))
        case _:
            question = FreeText(**common, max_length=table.integer("max_length", 1, 2000))
    table.done()
    return question


def _options(table: _Table, *, scored: bool) -> tuple[Option, ...]:
    options: list[Option] = []
    for inner in table.tables("options"):
        if inner.has("score") and not scored:
            raise inner.fault("score", "the question is not scored; remove it or set scored = true")
        option = Option(
            inner.code(),
            inner.text("text"),
            inner.integer("score", 0, MAX_SCORE) if inner.has("score") else None,
            inner.flag("exclusive"),
        )
        if option.code in {other.code for other in options}:
            raise inner.fault("code", "another option has this code; choose another")
        inner.done()
        options.append(option)
    if len(options) < 2:
        raise table.fault("options", f"a choice needs two options or more, found {len(options)}")
    if scored and all(option.score is None for option in options):
        raise table.fault("options", "no option has a score; give scores from 0 to 100")
    return tuple(options)


def _relevance(table: _Table, asked: Mapping[str, Question]) -> Relevance:
    earlier = {
        code: question for code, question in asked.items() if isinstance(question, SingleChoice | MultipleChoice)
    }
    question: SingleChoice | MultipleChoice = table.one_of("question", earlier)
    wanted = table.strings("any_of")
    known = {option.code for option in question.options}
    if unknown := [code for code in wanted if code not in known]:
        raise table.fault("any_of", f"{unknown[0]!r} is not an option of {question.code}; choose of {sorted(known)}")
    if not wanted:
        raise table.fault("any_of", "names no option; name one or more")
    table.done()
    return Relevance(question.code, frozenset(wanted))
