"""An XLSForm workbook as the document of an instrument: what can't be taken over is named by sheet, row and column."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.surveys.domain.expressions import (
    Call,
    Expression,
    ExpressionError,
    Literal,
    parse,
)
from services.surveys.domain.instruments import WRITTEN, Instrument, PairPart, SharedParts
from services.surveys.domain.reading import BILLION, MOST_LABELS, InstrumentError, parse_instrument
from services.surveys.domain.reading import DIGITS as MOST_DIGITS
from services.surveys.xlsform.columns import Columns, columns_of
from services.surveys.xlsform.convention import (
    CHOICES,
    DIGITS,
    DIMENSION,
    EXCLUSIVE,
    FORM_INTRO,
    GROUP,
    HINT,
    IDENTIFIED,
    INTRO,
    KIND,
    LIMITS,
    OWN,
    REVERSE,
    SCALE,
    SCORE,
    SCORED,
    SCORES,
    SECTION_PREFIX,
    SETTINGS,
    STIR_CONSTRAINT,
    SURVEY,
    all_of,
    conjunction,
    language_of,
)
from services.surveys.xlsform.limits import DEFAULT_TEXT, fill_limits, take_limit
from services.surveys.xlsform.sheets import Book, Line, SheetFault, WorkbookError, read_book
from services.surveys.xlsform.vocabulary import ALIASES, CHANGING, COLUMN_OF, METADATA, NO, REFUSED, SETTING_OF, YES
from shared.errors import FieldError
from shared.i18n import Lang

Words = Mapping[str, Mapping[Lang, str]]
"""Texts of our own that a form may lack: "broken", "other", "specify"."""

MOST_FAULTS: Final = 200
UNNAMED: Final = "main"

_SELECT: Final = re.compile(
    r"(select_one|select one(?: from)?|select1|select_multiple|select multiple(?: from)?|"
    r"select all that apply(?: from)?) (\S+)( or_other| or specify other)?",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(r"(\w+)\s*=\s*([^\s;,]+)")
_PLACE: Final = re.compile(r"(\w+)\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a workbook gave: a document and the instrument it makes, or faults; and what was left out or changed."""

    document: dict[str, Any]
    instrument: Instrument | None
    faults: tuple[SheetFault, ...]
    warnings: tuple[SheetFault, ...]


def imported(
    content: bytes,
    catalogues: Mapping[int, SharedParts],
    words: Words,
    *,
    group: str | None = None,
    language: Lang = Lang.EN,
) -> Imported:
    """Read a workbook. `group` and `language` (of columns that name none) hold where the form itself says nothing."""
    try:
        book = read_book(content)
    except WorkbookError as wrong:
        return Imported({}, None, (wrong.fault,), ())
    form = _Form(book, words, group, language)
    document = form.document()
    instrument: Instrument | None = None
    try:
        instrument = parse_instrument(document, catalogues, complete=False)
    except InstrumentError as wrong:
        # What is wrong with a cell already is the cause: what the reading of it says is not.
        cells = {(each.sheet, each.row, each.column) for each in form.faults}
        located = (form.located(each) for each in wrong.faults)
        form.faults += [each for each in located if (each.sheet, each.row, each.column) not in cells]
    faults = tuple(dict.fromkeys(_hashable(each) for each in form.faults))
    by_key = {_hashable(each): each for each in form.faults}
    ordered = sorted(
        (by_key[key] for key in faults), key=lambda each: (each.sheet != SURVEY, each.sheet, each.row or 0)
    )
    return Imported(document, None if ordered else instrument, tuple(ordered[:MOST_FAULTS]), tuple(form.warnings))


def _hashable(fault: SheetFault) -> tuple[object, ...]:
    return fault.sheet, fault.row, fault.column, fault.rule, str(sorted(fault.params.items()))


@dataclass(slots=True)
class _Level:
    """An open group: its line, its condition with those around it, and whether it is one of our pairs or matrices."""

    line: Line
    relevant: Expression | None
    shaped: "_Shaped | None" = None


@dataclass(slots=True)
class _Shaped:
    """A pair or matrix on its way."""

    kind: str
    question: dict[str, Any]
    line: Line
    rows: list[Line] = field(default_factory=list)


class _Form:
    def __init__(self, book: Book, words: Words, group: str | None, language: Lang) -> None:
        self._book, self._words, self._group = book, words, group
        self.faults: list[SheetFault] = [*book.survey.faults, *book.choices.faults, *book.settings.faults]
        self.warnings: list[SheetFault] = [
            SheetFault(name, None, None, "xlsform-ignored-sheet", {"sheet": name}) for name in book.others
        ]
        self._settings = columns_of(book.settings, language)
        self._setting = book.settings.lines[0] if book.settings.lines else Line(2, {})
        named = language_of(self._settings.get(self._setting, "default_language"))
        self._unnamed = named or language
        self._survey, self._choices = (columns_of(sheet, self._unnamed) for sheet in (book.survey, book.choices))
        for columns in (self._settings, self._survey, self._choices):
            self.faults += columns.faults
            self.warnings += columns.warnings
        self._lists: dict[str, list[Line]] = {}
        for line in book.choices.lines:
            self._lists.setdefault(self._choices.get(line, "list_name"), []).append(line)
        self._sections: list[dict[str, Any]] = []
        self._intro: dict[str, str] = {}
        self._levels: list[_Level] = []
        self._places: dict[tuple[str, ...], tuple[Columns, Line]] = {}
        self._missing: set[Lang] = set()

    def _fault(self, columns: Columns, line: Line, column: str, rule: str, **params: str | float) -> None:
        self.faults.append(columns.sheet.fault(line, columns.header(column), rule, **params))

    def _warn(self, line: Line, column: str, rule: str, **params: str | float) -> None:
        self.warnings.append(self._book.survey.fault(line, self._survey.header(column), rule, **params))

    # -- the whole

    def document(self) -> dict[str, Any]:
        """The document, as far as it could be read."""
        for line in self._book.survey.lines:
            self._line(line)
        for level in self._levels:
            self._fault(self._survey, level.line, "type", "xlsform-group-open")
        settings, line = self._settings, self._setting
        title = settings.text(line, "title")
        form_title = settings.get(line, "form_title")
        if form_title:
            title.setdefault(self._unnamed.value, form_title)
        code = settings.get(line, "form_id") or settings.get(line, "id_string") or form_title
        group = settings.own(line, GROUP) or self._group
        if not group:
            self.faults.append(SheetFault(SETTINGS, line.number, OWN + GROUP, "xlsform-group-unknown"))
        version = settings.get(line, "version")
        whole = title or {self._unnamed.value: code or "Form"}
        self._sections = [section for section in self._sections if section["questions"]]
        for section in self._sections:
            section.pop("loose", None)
        self._look_for_languages(whole, *(section["title"] for section in self._sections))
        if self._missing:
            names = ", ".join(lang.value for lang in WRITTEN if lang in self._missing)
            self.warnings.append(SheetFault(SURVEY, 1, None, "xlsform-untranslated", {"languages": names}))
        return {
            "code": _instrument_code(code),
            "version": int(version) if version.isascii() and version.isdigit() and len(version) < 5 else 1,
            "group": group or "S1",
            "identified": self._flag(line, IDENTIFIED, settings),
            "title": whole,
            "intro": self._intro or whole,
            "sections": self._sections,
        }

    def _look_for_languages(self, *texts: Mapping[str, str]) -> None:
        for text in texts:
            self._missing |= {lang for lang in WRITTEN if lang.value not in text}

    def _label(self, line: Line, column: str = "label", *, columns: Columns | None = None) -> dict[str, str]:
        """A text that must be there, in at least one language."""
        where = columns or self._survey
        text = where.text(line, column)
        if not text:
            self._fault(where, line, column, "xlsform-label-missing")
            return {self._unnamed.value: "–"}
        for lang, value in text.items():
            if "${" in value:
                header = where.header(column, Lang(lang))
                self.faults.append(where.sheet.fault(line, header, "xlsform-text-reference"))
        self._look_for_languages(text)
        return text

    # -- lines

    def _line(self, line: Line) -> None:
        written = self._survey.get(line, "type")
        kind = " ".join(written.split()).lower()
        kind = ALIASES.get(kind, kind)
        if not written:
            if self._survey.get(line, "name") or self._survey.text(line, "label"):
                self._fault(self._survey, line, "type", "xlsform-type-unknown", value="")
            return
        for column in CHANGING:
            cell = self._survey.get(line, column)
            if cell and kind != "calculate" and cell.lower() not in NO:
                self._fault(self._survey, line, column, "xlsform-column-unsupported", value=column)
        known: dict[str, Callable[[Line], None]] = {
            "begin_group": self._begin,
            "end_group": self._end,
            "note": self._note,
        }
        if kind in known:
            known[kind](line)
        elif kind in METADATA:
            self._warn(line, "type", "xlsform-dropped-metadata", value=kind)
        elif (rule := REFUSED.get(kind) or REFUSED.get(kind.split()[0])) is not None:
            self._fault(self._survey, line, "type", rule, value=kind[:60])
        else:
            self._asked(line, kind, written)

    def _begin(self, line: Line) -> None:
        above = self._levels[-1].relevant if self._levels else None
        here = self._expression(line, "relevant", self._survey.get(line, "relevant"))
        level = _Level(line, all_of([each for each in (above, here) if each is not None]))
        kind = self._survey.own(line, KIND).lower()
        if kind in ("pair", "matrix"):
            question = self._common(line, kind, level.relevant)
            level.shaped = _Shaped(kind, question, line)
        elif not self._levels:
            self._section(line)
        else:
            self._warn(line, "type", "xlsform-nested")
        self._levels.append(level)

    def _section(self, line: Line | None) -> dict[str, Any]:
        if line is None:
            title = self._settings.text(self._setting, "title") or {
                self._unnamed.value: self._settings.get(self._setting, "form_title") or "–"
            }
            code = UNNAMED
        else:
            code = self._survey.get(line, "name").removeprefix(SECTION_PREFIX)
            if not code:
                self._fault(self._survey, line, "name", "xlsform-name-missing")
            # A group without a label is a page without a heading: it bears the form's.
            title = self._survey.text(line, "label") or {self._unnamed.value: code or "–"}
        taken = {section["code"] for section in self._sections}
        if line is None:
            number = 1
            while code in taken:
                number += 1
                code = f"{UNNAMED}_{number}"
        section: dict[str, Any] = {"code": code, "title": title, "questions": []}
        self._sections.append(section)
        if line is not None:
            self._places["sections", code] = (self._survey, line)
        return section

    def _open_section(self) -> dict[str, Any]:
        """Where the next question belongs."""
        if self._levels and self._sections:
            return self._sections[-1]
        if self._sections and self._sections[-1].get("loose"):
            return self._sections[-1]
        section = self._section(None)
        section["loose"] = True
        return section

    def _end(self, line: Line) -> None:
        if not self._levels:
            self._fault(self._survey, line, "type", "xlsform-group-close")
            return
        level = self._levels.pop()
        if level.shaped is not None:
            self._finish(level.shaped)

    def _note(self, line: Line) -> None:
        kind = self._survey.own(line, KIND).lower()
        text = self._label(line)
        shaped = self._levels[-1].shaped if self._levels else None
        if shaped is not None and kind == HINT:
            shaped.question[HINT] = text
        elif kind == INTRO and self._survey.get(line, "name") == FORM_INTRO:
            self._intro = text
        elif not self._levels and not self._sections:
            self._intro = _appended(self._intro, text)
        else:
            section = self._sections[-1] if self._sections else self._open_section()
            if section["questions"] or self._survey.get(line, "relevant"):
                self._warn(line, "type", "xlsform-note-moved")
            section["intro"] = _appended(section.get("intro", {}), text)

    def _asked(self, line: Line, kind: str, written: str) -> None:
        shaped = self._levels[-1].shaped if self._levels else None
        if shaped is not None:
            shaped.rows.append(line)
            return
        above = self._levels[-1].relevant if self._levels else None
        here = self._expression(line, "relevant", self._survey.get(line, "relevant"))
        relevant = all_of([each for each in (above, here) if each is not None])
        own = self._survey.own(line, KIND).lower()
        select = _SELECT.fullmatch(" ".join(written.split()))
        question = self._common(line, kind, relevant)
        followed: dict[str, Any] | None = None
        if own in ("profession", "stir"):
            question["kind"] = own
        elif select is not None:
            followed = self._select(line, question, select, own)
        elif kind in ("integer", "decimal", "date", "text"):
            question["kind"] = "number" if kind == "integer" else kind
        elif kind == "range":
            self._range(line, question)
        else:
            self._fault(self._survey, line, "type", "xlsform-type-unknown", value=written[:60])
            return
        self._constrain(line, question)
        if question["kind"] == "text" and question.pop("required", False):
            self._warn(line, "required", "xlsform-text-not-required")
        self._add(question, line)
        if followed is not None:
            self._add(followed, line)

    def _add(self, question: dict[str, Any], line: Line) -> None:
        code = question["code"]
        if ("questions", code) in self._places:
            self._fault(self._survey, line, "name", "instrument-twice", value=code)
            return
        self._open_section()["questions"].append(question)
        self._places["questions", code] = (self._survey, line)

    def _common(self, line: Line, kind: str, relevant: Expression | None) -> dict[str, Any]:
        """What every question has; its own condition joined with those of the groups around it."""
        name = self._survey.get(line, "name")
        if not name:
            self._fault(self._survey, line, "name", "xlsform-name-missing")
        hint = self._survey.text(line, HINT)
        required = self._survey.get(line, "required").lower()
        if required not in YES | NO:
            self._fault(self._survey, line, "required", "xlsform-required")
        question: dict[str, Any] = {"code": name or f"row_{line.number}", "kind": kind, "text": self._label(line)}
        if hint:
            question[HINT] = self._label(line, HINT)
        if required in YES:
            question["required"] = True
        if relevant is not None:
            question["relevant"] = relevant.written()
        if dimension := self._survey.own(line, DIMENSION):
            question["dimension"] = dimension
        if self._flag(line, SCORED):
            question["scored"] = True
        return question

    def _flag(self, line: Line, column: str, columns: Columns | None = None) -> bool:
        where = columns or self._survey
        value = where.own(line, column).lower()
        if value not in YES | NO:
            self._fault(where, line, OWN + column, "xlsform-bad-value", value=value[:60], wanted="yes, no")
        return value in YES

    def _expression(self, line: Line, column: str, written: str) -> Expression | None:
        if not written:
            return None
        try:
            return parse(written)
        except ExpressionError as wrong:
            self._fault(self._survey, line, column, wrong.rule, **wrong.params)
            return None

    # -- choices

    def _list(self, line: Line, name: str) -> list[Line]:
        found = self._lists.get(name, [])
        if not found:
            self._fault(self._survey, line, "type", "xlsform-list-missing", value=name[:60])
        return found

    def _select(self, line: Line, question: dict[str, Any], select: re.Match[str], own: str) -> dict[str, Any] | None:
        """Fill in a choice or rating; returns the question that asks for what "other" is, where the form wants it."""
        choices = self._list(line, select[2])
        if own == "likert":
            question |= {"kind": "likert", **self._scale(line, choices), "reverse": self._flag(line, REVERSE)}
            return None
        one = _takes_one(select)
        scored = one and bool(question.get("scored"))
        question |= {
            "kind": "single" if one else "multiple",
            "options": self._options(choices, question["code"], scored=scored),
        }
        if not select[3]:
            return None
        code = question["code"]
        question["options"].append({"code": "other", "text": self._own_text("other")})
        chosen = Call("selected", (_asked_for(code), Literal("other")))
        return {
            "code": f"{code}_other",
            "kind": "text",
            "text": self._own_text("specify"),
            "relevant": chosen.written(),
            "max_length": DEFAULT_TEXT,
        }

    def _own_text(self, name: str) -> dict[str, str]:
        return {lang.value: text for lang, text in self._words[name].items()}

    def _options(self, choices: Sequence[Line], code: str, *, scored: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for line in choices:
            option: dict[str, Any] = {
                "code": self._choices.get(line, "name"),
                "text": self._label(line, columns=self._choices),
            }
            score = self._choices.own(line, SCORE)
            if score and scored:
                if score.isascii() and score.isdigit() and len(score) < 4:
                    option["score"] = int(score)
                else:
                    self._fault(self._choices, line, OWN + SCORE, "xlsform-bad-value", value=score[:60], wanted="0–100")
            if self._flag(line, EXCLUSIVE, self._choices):
                option["exclusive"] = True
            self._places["questions", code, option["code"]] = (self._choices, line)
            found.append(option)
        return found

    def _scale(self, line: Line, choices: Sequence[Line]) -> dict[str, Any]:
        rated = [each for each in choices if self._choices.get(each, "name") != "unsure"]
        for position, each in enumerate(rated, 1):
            name = self._choices.get(each, "name")
            if name != str(position):
                self._fault(self._choices, each, "name", "xlsform-bad-value", value=name[:60], wanted=str(position))
        code = self._survey.own(line, SCALE) or "scale"
        labels = [self._label(each, columns=self._choices) for each in rated]
        return {"scale": {"code": code, "labels": labels}, "unsure": len(rated) < len(choices)}

    def _finish(self, shaped: _Shaped) -> None:
        """Put a pair or matrix together from its rows."""
        question, kind = shaped.question, shaped.kind
        code = question["code"]
        parts: dict[str, Line] = {}
        lists: set[str] = set()
        for line in shaped.rows:
            prefix, _, part = self._survey.get(line, "name").partition(".")
            select = _SELECT.fullmatch(" ".join(self._survey.get(line, "type").split()))
            if prefix != code or not part or part in parts or select is None or not _takes_one(select):
                self._fault(self._survey, line, "name", "xlsform-group-shape", kind=kind, name=code)
                return
            parts[part] = line
            lists.add(select[2])
        if not parts or (kind == "pair" and set(parts) != set(PairPart)) or (kind == "matrix" and len(lists) != 1):
            self._fault(self._survey, shaped.line, "name", "xlsform-group-shape", kind=kind, name=code)
            return
        lines = list(parts.values())
        if all(self._survey.get(line, "required").lower() in YES for line in lines):
            question["required"] = True
        if kind == "pair":
            for part in PairPart:
                line = parts[part]
                choices = self._list(line, self._list_name(line))
                question[part.value] = {"prompt": self._label(line), "scale": self._scale(line, choices)["scale"]}
            question["scores"] = self._survey.own(shaped.line, SCORES)
        else:
            self._matrix(question, parts, lists.pop())
        self._constrain(lines[0], question)
        self._add(question, shaped.line)

    def _list_name(self, line: Line) -> str:
        return self._survey.get(line, "type").split()[-1]

    def _matrix(self, question: dict[str, Any], parts: Mapping[str, Line], name: str) -> None:
        rows = []
        for code, line in parts.items():
            row: dict[str, Any] = {"code": code, "text": self._label(line)}
            if dimension := self._survey.own(line, DIMENSION):
                row["dimension"] = dimension
            if self._flag(line, REVERSE):
                row["reverse"] = True
            self._places["rows", question["code"], code] = (self._survey, line)
            rows.append(row)
        question["rows"] = rows
        first = next(iter(parts.values()))
        choices = self._list(first, name)
        if self._survey.own(first, SCALE):
            question |= self._scale(first, choices)
        else:
            scored = bool(question.get("scored"))
            question["options"] = self._options(choices, question["code"], scored=scored)

    def _range(self, line: Line, question: dict[str, Any]) -> None:
        given = {name.lower(): value for name, value in _PARAMETER.findall(self._survey.get(line, "parameters"))}
        start, end, step = (_decimal(given.get(name, usual)) for name, usual in _USUAL_RANGE)
        if not (start < end and step > 0 and all(abs(each) <= BILLION for each in (start, end, step))):
            self._fault(self._survey, line, "parameters", "xlsform-range")
            question |= {"kind": "number", "min": 0, "max": 1}
        elif step == start == 1 and end == int(end) <= MOST_LABELS:
            labels = [{lang.value: str(number) for lang in Lang} for number in range(1, int(end) + 1)]
            question |= {"kind": "likert", "scale": {"code": f"range_{int(end)}", "labels": labels}}
        elif all(each == int(each) for each in (start, end, step)):
            question |= {"kind": "number", "min": int(start), "max": int(end)}
        else:
            digits = max(1, *(-int(each.as_tuple().exponent) for each in (start, end, step)))
            question |= {"kind": "decimal", "min": str(start), "max": str(end), "digits": min(digits, MOST_DIGITS)}

    # -- constraints

    def _constrain(self, line: Line, question: dict[str, Any]) -> None:
        """The constraint of a row, with the limits that are a matter of the question taken out of it."""
        written = self._survey.get(line, "constraint")
        if question["kind"] == "stir" and written.startswith(STIR_CONSTRAINT):
            written = written.removeprefix(STIR_CONSTRAINT).removeprefix(" and (").removesuffix(")")
        expression = self._expression(line, "constraint", written)
        parts = list(conjunction(expression))
        exact = self._survey.own(line, LIMITS)
        many = int(exact) if exact.isascii() and exact.isdigit() and len(exact) < 4 else None
        left: list[Expression] = []
        for position, part in enumerate(parts):
            may = many is None or position < many
            if not (may and take_limit(question, part)):
                left.append(part)
        fill_limits(question, self._survey.own(line, DIGITS))
        rest = left[0] if len(left) == 1 else all_of(left)
        if rest is not None:
            message = self._survey.text(line, "constraint_message")
            if message:
                message = self._label(line, "constraint_message")
            question["constraint"] = {
                "expression": rest.written(),
                "message": message or self._own_text("broken"),
            }

    # -- places

    def located(self, fault: FieldError) -> SheetFault:
        """A fault of the document at its cell."""
        names = dict(_PLACE.findall(fault.field))
        tail = fault.field.rpartition("]")[2].lstrip(".") if "]" in fault.field else fault.field
        columns, line = self._where(names)
        if columns is None or line is None:
            column = SETTING_OF.get(tail.partition(".")[0], tail)
            return SheetFault(SETTINGS, self._setting.number, column, fault.rule, fault.params)
        key, _, rest = tail.partition(".")
        # The last word of a place is the language, where it is a text's.
        lang = Lang.parse(rest.rpartition(".")[2]) or Lang.parse(key)
        header = columns.header(COLUMN_OF.get(key, key), lang)
        if columns.sheet.name == CHOICES and key not in ("code", "text", SCORE):
            header = columns.header("name")
        return SheetFault(columns.sheet.name, line.number, header, fault.rule, fault.params)

    def _where(self, names: Mapping[str, str]) -> tuple[Columns | None, Line | None]:
        question = names.get("questions", "")
        candidates: Iterator[tuple[str, ...]] = iter(
            (
                ("questions", question, names.get("options", "")),
                ("rows", question, names.get("rows", "")),
                ("questions", question),
                ("sections", names.get("sections", "")),
            )
        )
        return next((self._places[each] for each in candidates if each in self._places), (None, None))


_USUAL_RANGE: Final = (("start", "1"), ("end", "10"), ("step", "1"))


def _takes_one(select: re.Match[str]) -> bool:
    return ALIASES.get(select[1].lower(), select[1].lower()) == "select_one"


def _decimal(text: str) -> Decimal:
    """A number; for what is none, one that no range can begin, end or step with."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(0)
    return number if number.is_finite() else Decimal(0)


def _asked_for(code: str) -> Expression:
    return parse(f"${{{code}}}") if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", code) else Literal("")


def _instrument_code(wanted: str) -> str:
    """A code of ours that is as like the form's as can be."""
    code = re.sub(r"[^A-Za-z0-9_-]+", "_", wanted).strip("_")[:20] or "FORM"
    code = code[0].upper() + code[1:]
    return code if code[0].isalpha() else f"F{code[:19]}"


def _appended(before: Mapping[str, str], text: Mapping[str, str]) -> dict[str, str]:
    return {lang: "\n".join(each for each in (before.get(lang), text.get(lang)) if each) for lang in {**before, **text}}
