"""What a document template is: its fields and tables, and its text in each language, as readable data."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from shared.contracts.final_stage import DocumentKind
from shared.contracts.vocabulary import Form
from shared.i18n import Lang


class Part(BaseModel):
    """Base of the parts of a template: immutable, nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldType(StrEnum):
    """What a field holds; it decides how the value is checked and written."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    SUM = "sum"  # whole soʻm


class Subject(StrEnum):
    """What a document is filled from besides what is given with the request."""

    NOTHING = "nothing"
    AGREEMENT = "agreement"
    BOARD = "board"


class Field(Part):
    """A value that whoever issues the document gives."""

    name: str
    type: FieldType = FieldType.TEXT
    required: bool = True


class Table(Part):
    """Rows that are given with the request, or (`given = false`) come from what the document is filled from."""

    name: str
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    given: bool = True
    required: bool = True


def _clause(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


class Clause(Part):
    """A numbered clause; with `when` it stands only where that field or table is filled, with `unless` where not."""

    text: str
    when: str | None = None
    unless: str | None = None


class Section(Part):
    """A numbered heading, its clauses, and the table below them."""

    heading: str
    clauses: tuple[Annotated[Clause, BeforeValidator(_clause)], ...] = ()
    table: str | None = None
    when: str | None = None


class Wording(Part):
    """A template's text in one language; {names} stand for fields."""

    title: str
    preamble: str = ""
    sections: tuple[Section, ...]


class Side(Part):
    """A signature block; a person has no stamp."""

    title: str
    lines: tuple[str, ...]
    person: bool = False


class Words(Part):
    """What all templates say alike in one language: labels, columns, sides, categories, and the lines of the page."""

    labels: dict[str, str]
    columns: dict[str, str]
    categories: dict[str, str]
    sides: dict[str, Side]
    number: str
    signature: str
    stamp: str
    unlimited: str
    footer: str
    page: str


class Template(Part):
    """One version of a template: the kind of document, its series, fields, tables, signature sides and texts."""

    kind: DocumentKind
    version: int
    series: str
    form: Form | None = None
    subject: Subject = Subject.NOTHING
    fields: tuple[Field, ...]
    tables: tuple[Table, ...] = ()
    signatures: tuple[str, ...]
    wordings: dict[Lang, Wording]
    words: dict[Lang, Words]

    def table(self, name: str) -> Table:
        """The table of that name; raises StopIteration for none, which loading rules out."""
        return next(table for table in self.tables if table.name == name)

    @property
    def given_tables(self) -> tuple[Table, ...]:
        """The tables whose rows come with the request."""
        return tuple(table for table in self.tables if table.given)
