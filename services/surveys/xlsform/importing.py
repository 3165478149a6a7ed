"""An XLSForm workbook as the document of an instrument: what can't be taken over is named by sheet, row and column."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.surveys.domain.expressions import (
    Expression,
)
from services.surveys.domain.instruments import WRITTEN, Instrument, PairPart, SharedParts
from services.surveys.domain.reading import InstrumentError, parse_instrument
from services.surveys.xlsform.cells import Words
from services.surveys.xlsform.convention import (
    FORM_INTRO,
    GROUP,
    HINT,
    IDENTIFIED,
    INTRO,
    KIND,
    OWN,
    SCORES,
    SECTION_PREFIX,
    SETTINGS,
    SURVEY,
    all_of,
)
from services.surveys.xlsform.questions import SELECT, Questions, takes_one
from services.surveys.xlsform.sheets import Book, Line, SheetFault, WorkbookError, read_book
from services.surveys.xlsform.vocabulary import ALIASES, CHANGING, METADATA, NO, REFUSED, YES
from shared.i18n import Lang

MOST_FAULTS: Final = 200
UNNAMED: Final = "main"


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


class _Form(Questions):
    """The survey sheet, line by line, as sections and questions."""

    def __init__(self, book: Book, words: Words, group: str | None, language: Lang) -> None:
        super().__init__(book, words, language)
        self._group = group
        self._sections: list[dict[str, Any]] = []
        self._intro: dict[str, str] = {}
        self._levels: list[_Level] = []

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
        select = SELECT.fullmatch(" ".join(written.split()))
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

    def _finish(self, shaped: _Shaped) -> None:
        """Put a pair or matrix together from its rows."""
        question, kind = shaped.question, shaped.kind
        code = question["code"]
        parts: dict[str, Line] = {}
        lists: set[str] = set()
        for line in shaped.rows:
            prefix, _, part = self._survey.get(line, "name").partition(".")
            select = SELECT.fullmatch(" ".join(self._survey.get(line, "type").split()))
            if prefix != code or not part or part in parts or select is None or not takes_one(select):
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


def _instrument_code(wanted: str) -> str:
    """A code of ours that is as like the form's as can be."""
    code = re.sub(r"[^A-Za-z0-9_-]+", "_", wanted).strip("_")[:20] or "FORM"
    code = code[0].upper() + code[1:]
    return code if code[0].isalpha() else f"F{code[:19]}"


def _appended(before: Mapping[str, str], text: Mapping[str, str]) -> dict[str, str]:
    return {lang: "\n".join(each for each in (before.get(lang), text.get(lang)) if each) for lang in {**before, **text}}
