"""What is counted: every measure with its integer code, four to a cell row.

A slot is a row of up to four measures that belong together; a measure's code is `slot * 4 + column`. Codes are stored
in the database and never change their meaning: add new slots, don't renumber.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.vocabulary import Form, PartnerCategory, RespondentGroup

COLUMNS = 4


class Kind(StrEnum):
    """How a measure's contributions become a value.

    flow: sum over the months of the period · stock: changes dated at their month, summed up to the end of the period ·
    set_flow: distinct members in the period · set_stock: distinct members with a positive sum at the end of the period.
    """

    FLOW = "flow"
    STOCK = "stock"
    SET_FLOW = "set_flow"
    SET_STOCK = "set_stock"


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing counted. `stepped`: a flow with own cells for months, quarters and years, shown in steps of k."""

    code: int
    name: str
    kind: Kind
    stepped: bool = False

    @property
    def slot(self) -> int:
        """The cell row the measure lives in."""
        return self.code // COLUMNS

    @property
    def column(self) -> int:
        """Its column in that row."""
        return self.code % COLUMNS

    @property
    def is_set(self) -> bool:
        """Whether its contributions name members."""
        return self.kind in (Kind.SET_FLOW, Kind.SET_STOCK)


MEASURES: dict[int, Measure] = {}
BY_NAME: dict[str, Measure] = {}


def _slot(slot: int, name: str, /, **columns: Kind) -> tuple[int, ...]:
    """Declare the measures `name.column` of one row; their codes in the order given. Surveys are stepped."""
    if len(columns) > COLUMNS:
        raise ValueError(f"slot {slot} ({name}) has more than {COLUMNS} measures")
    codes = []
    stepped = name.startswith("survey.")
    for column, (part, kind) in enumerate(columns.items()):
        measure = Measure(slot * COLUMNS + column, f"{name}.{part}", kind, stepped)
        if measure.code in MEASURES or measure.name in BY_NAME:
            raise ValueError(f"measure {measure.name} ({measure.code}) is declared twice")
        MEASURES[measure.code] = BY_NAME[measure.name] = measure
        codes.append(measure.code)
    return tuple(codes)


CATALOGUE_FORMS: Final = tuple(form for form in Form if form is not Form.AF9)
"""AF1–AF8: the catalogue that variety of forms (I5) is measured against."""

# F1, I5: agreements of a form – active at the end of a month, signed, ended – and the activities held under them
FORM_ACTIVE: dict[Form, int] = {}
FORM_SIGNED: dict[Form, int] = {}
FORM_ENDED: dict[Form, int] = {}
FORM_ACTIVITIES: dict[Form, int] = {}
for _number, _form in enumerate(Form, start=1):
    FORM_ACTIVE[_form], FORM_SIGNED[_form], FORM_ENDED[_form], FORM_ACTIVITIES[_form] = _slot(
        _number, f"form.{_form}", active=Kind.STOCK, signed=Kind.FLOW, ended=Kind.FLOW, activities=Kind.FLOW
    )

# F1: the same by category of partner; an agreement with two enterprises counts once in "enterprise"
CATEGORY_ACTIVE: dict[str, int] = {}
CATEGORY_SIGNED: dict[str, int] = {}
CATEGORY_ENDED: dict[str, int] = {}
for _number, _category in enumerate(PartnerCategory, start=11):
    CATEGORY_ACTIVE[_category], CATEGORY_SIGNED[_category], CATEGORY_ENDED[_category] = _slot(
        _number, f"category.{_category}", active=Kind.STOCK, signed=Kind.FLOW, ended=Kind.FLOW
    )

# F1: enterprises with an active agreement
(ENTERPRISES,) = _slot(20, "enterprises", active=Kind.SET_STOCK)

# F2: internship agreements with a complete schedule; seats by the month in which their term starts
SCHEDULE_COMPLETE, SEATS_PLANNED, SEATS_FILLED, SEATS_COMPLETED = _slot(
    21, "internship", complete=Kind.STOCK, planned=Kind.FLOW, filled=Kind.FLOW, completed=Kind.FLOW
)

# F3: graduates whose employment was reported or confirmed, and confirmed alone, by the month it started
GRADUATES_EMPLOYED, GRADUATES_CONFIRMED = _slot(22, "graduates", employed=Kind.SET_FLOW, confirmed=Kind.SET_FLOW)

# I2: only reports with both figures; dated at September of their academic year
FIRST_CHOICE, PLACES, ENROLMENT_REPORTS = _slot(
    23, "enrolment", first_choice=Kind.FLOW, places=Kind.FLOW, reports=Kind.FLOW
)

# I5: institutions with three forms or more, and institutions with each form, derived from the institution's own cells
THREE_FORMS, *_ = _slot(24, "variety", three_forms=Kind.STOCK)
FORM_ALIVE: dict[Form, int] = {}
for _first, _forms in ((25, CATALOGUE_FORMS[:4]), (26, CATALOGUE_FORMS[4:])):
    FORM_ALIVE.update(zip(_forms, _slot(_first, "variety", **dict.fromkeys(map(str, _forms), Kind.STOCK)), strict=True))

# the denominator of shares of institutions, and of coverage
(INSTITUTIONS,) = _slot(27, "institutions", active=Kind.STOCK)

# S1–S5: sum of response indices in thousandths, number of responses with an index, sum of squares
INDEX_SUM: dict[RespondentGroup, int] = {}
INDEX_COUNT: dict[RespondentGroup, int] = {}
INDEX_SQUARES: dict[RespondentGroup, int] = {}
for _number, _group in enumerate(RespondentGroup, start=31):
    INDEX_SUM[_group], INDEX_COUNT[_group], INDEX_SQUARES[_group] = _slot(
        _number, f"survey.{_group}", sum=Kind.FLOW, count=Kind.FLOW, squares=Kind.FLOW
    )

OWN_SETS: Final = frozenset((GRADUATES_EMPLOYED, GRADUATES_CONFIRMED))
"""Sets whose members belong to one institution, so that no two institutions ever refer to the same member."""

STEPPED_SLOTS: Final = frozenset(measure.slot for measure in MEASURES.values() if measure.stepped)
"""Rows that are shown in steps of k responses; their `count` is column 1."""
STEP_COLUMN: Final = 1
