"""An instrument as an XLSForm workbook: the convention's own tools accept it, and it imports as the same instrument."""

import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.styles import Font

from services.surveys.domain.expressions import Call, Expression, Literal, Own
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
    Section,
    SingleChoice,
    StirQuestion,
    Text,
)
from services.surveys.xlsform.convention import (
    CHOICES,
    CHOICES_OWN,
    DIGITS,
    DIMENSION,
    EXCLUSIVE,
    FORM_INTRO,
    GROUP,
    HINT,
    IDENTIFIED,
    INTRO,
    KIND,
    LANGUAGES,
    LIMITS,
    OWN,
    OWN_CHOICE,
    PROFESSIONS,
    REVERSE,
    SCALE,
    SCORE,
    SCORED,
    SCORES,
    SECTION_PREFIX,
    SETTINGS,
    STIR_CONSTRAINT,
    SURVEY,
    SURVEY_OWN,
    all_of,
    alone,
    limit,
    number_node,
)
from shared.contracts.codes import isco_unit_groups
from shared.i18n import Lang

Line = dict[str, Any]
Say = Callable[[str, Lang], str]
"""A text of the catalogue below `condition.`, in a language."""

Professions = Mapping[str, Text]
"""Titles of ISCO-08 unit groups by code."""

YES: Final = "yes"
DEFAULT: Final = Lang.UZ
_COMPONENTS: Final = ("type", "name", "label", HINT, "required", "relevant", "constraint", "constraint_message")
_TRANSLATED: Final = frozenset({"label", HINT, "constraint_message"})


def exported(instrument: Instrument, say: Say, professions: Professions) -> bytes:
    """The workbook as XLSX."""
    writer = _Writer(instrument, say, professions)
    survey = writer.survey()
    book = Workbook()
    for sheet in book.worksheets:
        book.remove(sheet)
    _sheet(book, SURVEY, _headers((*_COMPONENTS, "appearance"), SURVEY_OWN), survey)
    _sheet(book, CHOICES, _headers(("list_name", "name", "label"), CHOICES_OWN, OWN_CHOICE), writer.choices)
    settings = writer.settings()
    _sheet(book, SETTINGS, list(settings), [settings])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _headers(columns: Sequence[str], own: Sequence[str], prefix: str = OWN) -> list[str]:
    found: list[str] = []
    for column in columns:
        found += [f"{column}::{name}" for name in LANGUAGES.values()] if column in _TRANSLATED else [column]
    return found + [prefix + name for name in own]


def _sheet(book: Workbook, title: str, headers: list[str], lines: Sequence[Line]) -> None:
    sheet = book.create_sheet(title)
    used = [header for header in headers if any(line.get(header) not in (None, "") for line in lines)]
    sheet.append(used)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "A2"
    for row, line in enumerate(lines, 2):
        for place, header in enumerate(used, 1):
            if line.get(header) not in (None, ""):
                cell = sheet.cell(row, place, str(line[header]))
                # Text stays text: a spreadsheet must not calculate what begins with "=".
                cell.data_type = "s"


def _texts(column: str, text: Text | None) -> Line:
    return {} if text is None else {f"{column}::{name}": text[lang] for lang, name in LANGUAGES.items()}


def _own(prefix: str = OWN, /, **values: object) -> Line:
    shown = {
        name: YES if value is True else value
        for name, value in values.items()
        if value is not None and value is not False
    }
    return {prefix + name: str(value) for name, value in shown.items()}


class _Writer:
    def __init__(self, instrument: Instrument, say: Say, professions: Professions) -> None:
        self._instrument, self._say, self._professions = instrument, say, professions
        self.choices: list[Line] = []
        self._lists: dict[tuple[Any, ...], str] = {}

    def settings(self) -> Line:
        """The one line of the sheet settings."""
        instrument = self._instrument
        others = {f"{OWN}title::{name}": instrument.title[lang] for lang, name in LANGUAGES.items()}
        return {
            "form_title": instrument.title[DEFAULT],
            "form_id": instrument.code,
            "version": str(instrument.version),
            "default_language": LANGUAGES[DEFAULT],
            f"{OWN}{GROUP}": instrument.group.value,
            **_own(**{IDENTIFIED: instrument.identified}),
            **others,
        }

    def survey(self) -> list[Line]:
        """The lines of the sheet survey; fills `choices`."""
        lines = [self._note(FORM_INTRO, self._instrument.intro, INTRO)]
        for section in self._instrument.sections:
            lines += self._section(section)
        return lines

    def _note(self, name: str, text: Text, kind: str) -> Line:
        return {"type": "note", "name": name, **_texts("label", text), **_own(kind=kind)}

    def _section(self, section: Section) -> list[Line]:
        name = f"{SECTION_PREFIX}{section.code}"
        lines: list[Line] = [
            {"type": "begin_group", "name": name, "appearance": "field-list", **_texts("label", section.title)}
        ]
        if section.intro is not None:
            lines.append(self._note(f"{name}.intro", section.intro, INTRO))
        for question in section.questions:
            lines += self._question(question)
        return [*lines, {"type": "end_group", "name": name}]

    def _question(self, question: Question) -> list[Line]:
        if isinstance(question, CompetencePair | Matrix):
            return self._group(question)
        line: Line = {
            "name": question.code,
            **_texts("label", question.text),
            **_texts(HINT, question.hint),
            "required": YES if question.required else None,
            "relevant": question.relevant.written() if question.relevant else None,
            **_own(**{DIMENSION: question.dimension, SCORED: question.scored}),
        }
        limits: list[Expression] = []
        match question:
            case SingleChoice():
                line["type"] = f"select_one {self._options(question.code, question.options)}"
            case MultipleChoice():
                line["type"] = f"select_multiple {self._options(question.code, question.options)}"
                limits = _choice_limits(question)
            case Likert():
                line["type"] = f"select_one {self._scale(question.scale, unsure=question.unsure)}"
                line["appearance"] = "likert"
                line |= _own(**{KIND: "likert", SCALE: question.scale.code, REVERSE: question.reverse})
            case NumberQuestion():
                line["type"] = "integer"
                limits = _number_limits(question.minimum, question.maximum)
            case DecimalQuestion():
                line["type"] = "decimal"
                limits = _number_limits(question.minimum, question.maximum)
                line |= _own(**{DIGITS: question.digits})
            case DateQuestion():
                line["type"] = "date"
                days = ((">=", question.earliest), ("<=", question.latest))
                limits = [limit(sign, Own(), _day(day.isoformat())) for sign, day in days if day is not None]
            case ProfessionQuestion():
                line["type"] = f"select_one {self._isco()}"
                line["appearance"] = "minimal autocomplete"
                line |= _own(**{KIND: "profession"})
            case StirQuestion():
                line["type"] = "text"
                line["appearance"] = "numbers"
                line |= _own(**{KIND: "stir"})
            case FreeText():
                line["type"] = "text"
                line["appearance"] = "multiline"
                limits = [limit("<=", Call("string-length", (Own(),)), number_node(question.max_length))]
        return [{**line, **self._constraint(question, limits)}]

    def _constraint(self, question: Question, limits: list[Expression]) -> Line:
        own = question.constraint
        whole = all_of([*limits, *([own.expression] if own else [])])
        written = whole.written() if whole else ""
        if isinstance(question, StirQuestion):
            written = f"{STIR_CONSTRAINT} and ({written})" if written else STIR_CONSTRAINT
        if not written:
            return {}
        generic = {lang: self._say("broken", lang) for lang in Lang}
        return {
            "constraint": written,
            **_texts("constraint_message", own.message if own else generic),
            **_own(**{LIMITS: len(limits)}),
        }

    def _group(self, question: CompetencePair | Matrix) -> list[Line]:
        kind = "pair" if isinstance(question, CompetencePair) else "matrix"
        head: Line = {
            "type": "begin_group",
            "name": question.code,
            **_texts("label", question.text),
            "relevant": question.relevant.written() if question.relevant else None,
            "appearance": "field-list",
            **_own(**{KIND: kind, DIMENSION: question.dimension, SCORED: question.scored}),
        }
        lines = [head]
        if question.hint is not None:
            lines.append(self._note(f"{question.code}..{HINT}", question.hint, HINT))
        rows: list[Line] = []
        if isinstance(question, CompetencePair):
            head |= _own(**{SCORES: question.terms.scores})
            for part in PairPart:
                scale = question.terms.scales[part]
                rows.append(
                    {
                        "type": f"select_one {self._scale(scale, unsure=True)}",
                        "name": f"{question.code}.{part}",
                        **_texts("label", question.terms.prompts[part]),
                        **_own(**{SCALE: scale.code}),
                    }
                )
        else:
            rows = self._matrix_rows(question)
        constraint = self._constraint(question, [])
        required = {"required": YES if question.required else None, "appearance": "likert"}
        lines += [{**row, **required, **constraint} for row in rows]
        return [*lines, {"type": "end_group", "name": question.code}]

    def _matrix_rows(self, question: Matrix) -> list[Line]:
        if question.scale is None:
            name = self._options(question.code, question.options)
        else:
            name = self._scale(question.scale, unsure=question.unsure)
        return [
            {
                "type": f"select_one {name}",
                "name": f"{question.code}.{row.code}",
                **_texts("label", row.text),
                **_own(
                    **{
                        DIMENSION: row.dimension,
                        REVERSE: row.reverse,
                        SCALE: question.scale.code if question.scale else None,
                    }
                ),
            }
            for row in question.rows
        ]

    # -- lists

    def _list(self, wanted: str, key: tuple[Any, ...], choices: Sequence[Line]) -> str:
        """The name of a list of choices, written once however often it is used."""
        if key not in self._lists:
            taken = set(self._lists.values())
            name, number = wanted, 1
            while name in taken:
                number += 1
                name = f"{wanted}_{number}"
            self._lists[key] = name
            self.choices += [{"list_name": name, **choice} for choice in choices]
        return self._lists[key]

    def _options(self, code: str, options: Sequence[Option]) -> str:
        choices = [
            {
                "name": option.code,
                **_texts("label", option.text),
                **_own(OWN_CHOICE, **{SCORE: option.score, EXCLUSIVE: option.exclusive}),
            }
            for option in options
        ]
        return self._list(code, ("options", *map(str, options)), choices)

    def _scale(self, scale: Scale, *, unsure: bool) -> str:
        choices = [{"name": str(rating), **_texts("label", label)} for rating, label in enumerate(scale.labels, 1)]
        if unsure:
            words = {lang: self._say(UNSURE, lang) for lang in Lang}
            choices.append({"name": UNSURE, **_texts("label", words)})
        return self._list(f"scale_{scale.code}", ("scale", unsure, scale.code, str(scale.labels)), choices)

    def _isco(self) -> str:
        choices = [
            {"name": code, **_texts("label", {lang: f"{code} {self._professions[code][lang]}" for lang in Lang})}
            for code in sorted(isco_unit_groups())
        ]
        return self._list(PROFESSIONS, (PROFESSIONS,), choices)


def _choice_limits(question: MultipleChoice) -> list[Expression]:
    found: list[Expression] = []
    if question.max_choices < len(question.options):
        found.append(limit("<=", Call("count-selected", (Own(),)), number_node(question.max_choices)))
    return found + [alone(option.code) for option in question.options if option.exclusive]


def _number_limits(low: Decimal | int, high: Decimal | int) -> list[Expression]:
    return [limit(">=", Own(), number_node(low)), limit("<=", Own(), number_node(high))]


def _day(text: str) -> Expression:
    return Call("date", (Literal(text),))
