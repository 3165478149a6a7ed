"""Filling a template: every value checked, every missing one named, and the content that comes of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from babel.dates import format_date

from services.agreements.domain.documents.content import (
    Blocks,
    Content,
    FilledTable,
    Heading,
    NumberedClause,
    Paragraph,
    Signatures,
    SignedSide,
)
from services.agreements.domain.documents.templates import Clause, FieldType, Section, Table, Template
from shared.contracts.vocabulary import PartyCategory
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang, day, number

Rows = tuple[tuple[str, ...], ...]
BLANK = "____________________"
BLANK_ROWS = 3
DAY_PATTERNS = {Lang.UZ: "y-'yil' d-MMMM", Lang.UZ_CYRL: "y-'йил' d-MMMM"}
_PLACE = re.compile(r"\{(\w+)\}(\.?)")
_WHOLE = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Filling:
    """What a template is filled with, as given: field values as text, days as ISO 8601, and tables.

    `known` comes from the agreement or board and needs no check. What is given beside it may be other days, `within`
    its own unless that is false, and nothing else. `more_sides` are signatories the template has no side for:
    (category, name).
    """

    values: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)
    known: Mapping[str, str | date] = field(default_factory=dict)
    known_tables: Mapping[str, Rows] = field(default_factory=dict)
    more_sides: Sequence[tuple[str, str]] = ()
    within: bool = True


def check(template: Template, filling: Filling) -> None:
    """Raise InvalidInput with every field that is missing, unknown or of another kind, and every such table."""
    faults = [*_field_faults(template, filling), *_table_faults(template, filling)]
    if faults:
        raise InvalidInput(*faults)


def fill(template: Template, language: Lang, filling: Filling, document_number: str, issued_on: date) -> Content:
    """The content of a document; raises InvalidInput as `check` does."""
    check(template, filling)
    written = {name: _as_written(value, language) for name, value in filling.known.items()}
    types = {each.name: each.type for each in template.fields}
    written |= {name: _written(value, types[name], language) for name, value in filling.values.items()}
    tables = {**filling.known_tables, **filling.tables}
    return _Page(template, language, written, tables, filling.more_sides, blank=False).content(
        document_number, issued_on
    )


def blank(template: Template, language: Lang, today: date) -> Content:
    """The empty sample: lines to fill in by hand where values stand."""
    tables = {table.name: ((BLANK[:8],) * len(table.columns),) * BLANK_ROWS for table in template.tables}
    return _Page(template, language, {}, tables, (), blank=True).content("____/________", today)


def _field_faults(template: Template, filling: Filling) -> Iterator[FieldError]:
    known = {each.name for each in template.fields}
    for each in template.fields:
        value = filling.values.get(each.name)
        if value is None:
            if each.required and each.name not in filling.known:
                yield FieldError(f"fields.{each.name}", "missing")
        elif each.type is FieldType.DATE and not _is_day(value):
            yield FieldError(f"fields.{each.name}", "date_parsing")
        elif each.type in (FieldType.NUMBER, FieldType.SUM) and not _WHOLE.fullmatch(value):
            yield FieldError(f"fields.{each.name}", "int_parsing")
        else:
            yield from _contradiction(each.name, value, filling)
    first, last = (_day_of(name, filling) for name in SPAN)
    if first and last and last < first:
        yield FieldError(f"fields.{SPAN[1]}", "earlier_than", {"limit": first.isoformat()})
    for name in sorted(filling.values.keys() - known):
        yield FieldError(f"fields.{name}", "extra_forbidden")


SPAN = ("starts_on", "ends_on")
"""The days of a document's own work."""


def _contradiction(name: str, value: str, filling: Filling) -> Iterator[FieldError]:
    """What is given against what the agreement or board says."""
    known = filling.known
    if name not in known:
        return
    days = [day for each in SPAN if isinstance(day := known.get(each), date)]
    if name in SPAN and days:
        if filling.within and not min(days) <= date.fromisoformat(value) <= max(days):
            limits = {"since": min(days).isoformat(), "until": max(days).isoformat()}
            yield FieldError(f"fields.{name}", "outside_validity", {"value": value, **limits})
    elif value != str(known[name]):
        yield FieldError(f"fields.{name}", "known_otherwise", {"value": str(known[name])})


def _day_of(name: str, filling: Filling) -> date | None:
    """The day that stands in a field, given or known; None where none does."""
    value = filling.values.get(name) or filling.known.get(name)
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if value and _is_day(value) else None


def _table_faults(template: Template, filling: Filling) -> Iterator[FieldError]:
    for table in template.given_tables:
        rows = filling.tables.get(table.name, ())
        if table.required and not rows:
            yield FieldError(f"tables.{table.name}", "missing")
        for index, row in enumerate(rows):
            if len(row) != len(table.columns):
                yield FieldError(f"tables.{table.name}.{index}", "columns", {"columns": ", ".join(table.columns)})
    for name in sorted(filling.tables.keys() - {table.name for table in template.given_tables}):
        yield FieldError(f"tables.{name}", "extra_forbidden")


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _written(value: str, type_: FieldType, language: Lang) -> str:
    match type_:
        case FieldType.DATE:
            return written_day(date.fromisoformat(value), language)
        case FieldType.SUM | FieldType.NUMBER:
            return number(int(value), language, 0)
    return value


def written_day(value: date, language: Lang) -> str:
    """A day as documents have it; in Uzbek the year comes first: "2026-yil 24-noyabr"."""
    pattern = DAY_PATTERNS.get(language)
    return format_date(value, pattern, locale=language.locale) if pattern else day(value, language)


def _as_written(value: str | date, language: Lang) -> str:
    return written_day(value, language) if isinstance(value, date) else value


@dataclass(frozen=True, slots=True)
class _Page:
    """One document being put together."""

    template: Template
    language: Lang
    values: Mapping[str, str]
    tables: Mapping[str, Rows]
    more_sides: Sequence[tuple[str, str]]
    blank: bool

    def content(self, document_number: str, issued_on: date) -> Content:
        wording, words = self.template.wordings[self.language], self.template.words[self.language]
        return Content(
            kind=self.template.kind,
            template_version=self.template.version,
            language=self.language,
            number=document_number,
            number_line=words.number.replace("{number}", document_number),
            issued_on=issued_on,
            place=self._said("{city}"),
            day=BLANK if self.blank else written_day(issued_on, self.language),
            title=wording.title,
            blocks=tuple(self._blocks(wording.preamble, wording.sections)),
            footer=words.footer,
            page=words.page,
        )

    def _blocks(self, preamble: str, sections: Sequence[Section]) -> Iterator[Blocks]:
        if preamble:
            yield Paragraph(text=self._said(preamble))
        standing = [section for section in sections if self._stands(section.when)]
        for place, section in enumerate(standing, start=1):
            yield Heading(number=f"{place}.", text=self._said(section.heading))
            clauses = [clause for clause in section.clauses if self._is_said(clause)]
            for index, clause in enumerate(clauses, start=1):
                yield NumberedClause(number=f"{place}.{index}.", text=self._said(clause.text))
            if section.table is not None and self._stands(section.table):
                yield self._table(self.template.table(section.table))
        yield self._signatures()

    def _table(self, table: Table) -> FilledTable:
        columns = self.template.words[self.language].columns
        return FilledTable(
            head=("№", *(columns[name] for name in table.columns)),
            rows=tuple((str(index), *row) for index, row in enumerate(self.tables[table.name], start=1)),
            widths=(4, *table.widths),
        )

    def _signatures(self) -> Signatures:
        words = self.template.words[self.language]
        sides = [words.sides[name] for name in self.template.signatures if self._stands(_side_field(name))]
        signed = [
            SignedSide(
                title=side.title,
                lines=tuple(self._said(line) for line in side.lines if self._all_given(line)),
                stamp=not side.person,
            )
            for side in sides
        ]
        signed += [
            SignedSide(title=words.categories[category], lines=(name,), stamp=category != PartyCategory.STUDENT)
            for category, name in self.more_sides
        ]
        return Signatures(sides=tuple(signed), signature=words.signature, stamp=words.stamp)

    def _is_said(self, clause: Clause) -> bool:
        if clause.unless is not None and (self.blank or self._stands(clause.unless)):
            return False
        return self._stands(clause.when)

    def _stands(self, name: str | None) -> bool:
        return self.blank or name is None or bool(self.values.get(name)) or bool(self.tables.get(name))

    def _all_given(self, line: str) -> bool:
        return self.blank or all(name in self.values for name, _ in _PLACE.findall(line))

    def _said(self, text: str) -> str:
        """The text with its values; what a value holds is never read as a place for another."""

        def said(place: re.Match[str]) -> str:
            value = self.values.get(place[1], BLANK)
            # "2026 г." at the end of a sentence brings the full stop along.
            return value if value.endswith(".") else value + place[2]

        return _PLACE.sub(said, text)


def _side_field(side: str) -> str | None:
    """The value that must be there for a side to sign: the guardian only where there is one."""
    return "guardian_name" if side == "guardian" else None
