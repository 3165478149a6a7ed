"""What is counted: every measure with its integer code, four to a cell row.

A slot is a row of up to four measures that belong together; a measure's code is `slot * 4 + column`. Codes are stored
in the database and never change their meaning: add new slots, don't renumber.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.monitoring import OfficeLevel
from shared.contracts.vocabulary import Form, PartnerCategory, RespondentGroup

COLUMNS = 4


class Kind(StrEnum):
    """How a measure's contributions become a value.

    flow: sum over the months of the period · stock: changes dated at their month, summed up to the end of the period
    (cells of academic years keep the sum of their months' changes) ·
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

# F3: graduates whose employment was reported or confirmed, and confirmed alone, by the month it started; their
# employers
GRADUATES_EMPLOYED, GRADUATES_CONFIRMED, EMPLOYERS = _slot(
    22, "graduates", employed=Kind.SET_FLOW, confirmed=Kind.SET_FLOW, employers=Kind.SET_FLOW
)

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

# R1–R13: institutions at work whose gate is met, in progress (some evidence, never enough so far), lapsed (once met)
GATE_MET: dict[str, int] = {}
GATE_IN_PROGRESS: dict[str, int] = {}
GATE_LAPSED: dict[str, int] = {}
for _number in range(1, 14):
    GATE_MET[f"R{_number}"], GATE_IN_PROGRESS[f"R{_number}"], GATE_LAPSED[f"R{_number}"] = _slot(
        40 + _number, f"gate.R{_number}", met=Kind.STOCK, in_progress=Kind.STOCK, lapsed=Kind.STOCK
    )

# institutions that have reached the stage or a higher one
STAGE_REACHED: Final = _slot(54, "stage", first=Kind.STOCK, second=Kind.STOCK, third=Kind.STOCK)

# I4: required artefacts in force (R9, R10, each kind of R11, R12) and institutions with all of them;
# measures of work plans by their due month
ARTEFACTS, ARTEFACTS_COMPLETE = _slot(55, "artefacts", in_force=Kind.STOCK, complete=Kind.STOCK)
MEASURES_DUE, MEASURES_ON_TIME, MEASURES_DONE = _slot(56, "plan", due=Kind.FLOW, on_time=Kind.FLOW, done=Kind.FLOW)

# I1: graduates by the month in which their 6 or 12 months were up
OUTCOME_ASKED: dict[int, int] = {}
OUTCOME_KNOWN: dict[int, int] = {}
OUTCOME_AVAILABLE: dict[int, int] = {}
OUTCOME_EMPLOYED: dict[int, int] = {}
for _number, _months in ((57, 6), (58, 12)):
    OUTCOME_ASKED[_months], OUTCOME_KNOWN[_months], OUTCOME_AVAILABLE[_months], OUTCOME_EMPLOYED[_months] = _slot(
        _number,
        f"outcome.{_months}",
        asked=Kind.SET_FLOW,
        known=Kind.SET_FLOW,
        available=Kind.SET_FLOW,
        employed=Kind.SET_FLOW,
    )

# I3: extra-budgetary income in tiyin and reports of it; and, where the same month of the year before was reported
# too, both months' income: growth compares like with like
INCOME, INCOME_REPORTS, INCOME_MATCHED, INCOME_BEFORE = _slot(
    59, "income", total=Kind.FLOW, reports=Kind.FLOW, matched=Kind.FLOW, before=Kind.FLOW
)

# F2: placements by the month they start in
PLACED, PLACED_COMPLETED, PLACED_CONFIRMED, PLACED_BROKEN_OFF = _slot(
    60, "placements", placed=Kind.FLOW, completed=Kind.FLOW, confirmed=Kind.FLOW, broken_off=Kind.FLOW
)

# F3: graduates employed by major group of ISCO-08
MAJOR_GROUPS: Final = "0123456789"
GRADUATES_BY_GROUP: dict[str, int] = {}
for _first, _groups in ((61, "0123"), (62, "4567"), (63, "89")):
    _names = {f"isco_{_group}": Kind.SET_FLOW for _group in _groups}
    GRADUATES_BY_GROUP.update(zip(_groups, _slot(_first, "graduates", **_names), strict=True))

# F4: specialists by month taught, and their hours; F5: teachers who completed an internship, teachers there are
SPECIALISTS, SPECIALIST_HOURS = _slot(65, "specialists", taught=Kind.SET_FLOW, hours=Kind.FLOW)
TEACHERS_TRAINED, TEACHERS, TEACHER_REPORTS = _slot(
    66, "teachers", trained=Kind.SET_FLOW, employed=Kind.FLOW, reports=Kind.FLOW
)

# F6: unemployed people who completed a course – all, and by kind – and completions
TRAINEES: dict[str, int] = {}
(TRAINEES_ALL, *_trainees) = _slot(
    67,
    "trainees",
    completed=Kind.SET_FLOW,
    training=Kind.SET_FLOW,
    retraining=Kind.SET_FLOW,
    further_training=Kind.SET_FLOW,
)
TRAINEES.update(zip(("training", "retraining", "further_training"), _trainees, strict=True))
(COMPLETIONS,) = _slot(68, "completions", all=Kind.FLOW)

# F7: sessions of the final state certification, those with an enterprise's examiner, enterprises that sent one
SESSIONS, SESSIONS_WITH_ENTERPRISE, EXAMINING_ENTERPRISES = _slot(
    69, "certification", sessions=Kind.FLOW, with_enterprise=Kind.FLOW, enterprises=Kind.SET_FLOW
)

# visits by the month they were planned for or held in; held ones that an agreement with the partner followed
VISITS_PLANNED, VISITS_HELD, VISITS_PUNCTUAL, VISITS_CONVERTED = _slot(
    70, "visits", planned=Kind.FLOW, held=Kind.FLOW, punctual=Kind.FLOW, converted=Kind.FLOW
)
ACTIONS_DUE, ACTIONS_ON_TIME, ACTIONS_DONE = _slot(71, "actions", due=Kind.FLOW, on_time=Kind.FLOW, done=Kind.FLOW)

# causes of problems met at visits
CAUSES: dict[str, int] = {}
for _first, _names4 in ((72, ("A1", "A2", "A3", "A4")), (73, ("B1", "B2", "B3", "other"))):
    CAUSES.update(zip(_names4, _slot(_first, "cause", **dict.fromkeys(_names4, Kind.FLOW)), strict=True))

OWN_SET_FAMILIES: Final = (
    (GRADUATES_EMPLOYED, GRADUATES_CONFIRMED, *GRADUATES_BY_GROUP.values()),
    (
        *OUTCOME_ASKED.values(),
        *OUTCOME_KNOWN.values(),
        *OUTCOME_AVAILABLE.values(),
        *OUTCOME_EMPLOYED.values(),
    ),
    (SPECIALISTS,),
    (TEACHERS_TRAINED,),
    (TRAINEES_ALL, *TRAINEES.values()),
)
"""Sets whose members belong to one institution, those of the same persons together."""
# T1, T2: reports of institutions, districts and regions by the month in which their period ends
REPORTS: dict[OfficeLevel, tuple[int, int, int, int]] = {}
for _number, _level in enumerate((OfficeLevel.INSTITUTION, OfficeLevel.DISTRICT, OfficeLevel.REGION), start=80):
    _expected, _submitted, _on_time, _approved = _slot(
        _number,
        f"reports.{_level}",
        expected=Kind.FLOW,
        submitted=Kind.FLOW,
        on_time=Kind.FLOW,
        approved=Kind.FLOW,
    )
    REPORTS[_level] = _expected, _submitted, _on_time, _approved

OWN_SETS: Final = frozenset(measure for family in OWN_SET_FAMILIES for measure in family)
"""No two institutions ever refer to the same member of these."""

UNSEEN: Final = frozenset(FORM_ACTIVITIES.values())
"""Counted for others to be made of and shown nowhere: nobody may see them move, for single persons' records do it."""
STEPPED_SLOTS: Final = frozenset(measure.slot for measure in MEASURES.values() if measure.stepped)
"""Rows that are shown in steps of k responses; their `count` is column 1."""
STEP_COLUMN: Final = 1
