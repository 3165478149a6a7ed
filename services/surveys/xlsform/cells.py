"""What reading a form's cells has in common: texts, flags, conditions, choices – and where each fault belongs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.surveys.domain.expressions import Expression, ExpressionError, parse
from services.surveys.domain.instruments import WRITTEN
from services.surveys.xlsform.columns import Columns, columns_of
from services.surveys.xlsform.convention import CHOICES, EXCLUSIVE, OWN, SCALE, SCORE, SETTINGS, language_of
from services.surveys.xlsform.sheets import Book, Line, SheetFault
from services.surveys.xlsform.vocabulary import COLUMN_OF, NO, SETTING_OF, YES
from shared.errors import FieldError
from shared.i18n import Lang

Words = Mapping[str, Mapping[Lang, str]]
"""Texts of our own that a form may lack: "broken", "other", "specify"."""

_PLACE: Final = re.compile(r"(\w+)\[([^\]]*)\]")


class Cells:
    """A workbook's sheets by meaning; faults and warnings gather in it, each at its cell."""

    def __init__(self, book: Book, words: Words, language: Lang) -> None:
        self._book, self._words = book, words
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
        self._places: dict[tuple[str, ...], tuple[Columns, Line]] = {}
        self._missing: set[Lang] = set()

    def _fault(self, columns: Columns, line: Line, column: str, rule: str, **params: str | float) -> None:
        self.faults.append(columns.sheet.fault(line, columns.header(column), rule, **params))

    def _warn(self, line: Line, column: str, rule: str, **params: str | float) -> None:
        self.warnings.append(self._book.survey.fault(line, self._survey.header(column), rule, **params))

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

    def _list(self, line: Line, name: str) -> list[Line]:
        found = self._lists.get(name, [])
        if not found:
            self._fault(self._survey, line, "type", "xlsform-list-missing", value=name[:60])
        return found

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
