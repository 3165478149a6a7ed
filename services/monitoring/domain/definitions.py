"""The indicators as declarations: what INDICATORS.md says, in the order in which people read it.

Names, help and formula texts stand in messages/<language>.toml under the indicator's code.
"""

from typing import Final

from services.monitoring.domain.formulas import Direction, Indicator, Privacy, Term, Unit, Window, total
from services.monitoring.domain.measures import (
    CATALOGUE_FORMS,
    CATEGORY_ACTIVE,
    EMPLOYERS,
    ENROLMENT_REPORTS,
    ENTERPRISES,
    FIRST_CHOICE,
    FORM_ACTIVE,
    FORM_ACTIVITIES,
    FORM_ALIVE,
    FORM_ENDED,
    FORM_SIGNED,
    GRADUATES_BY_GROUP,
    GRADUATES_CONFIRMED,
    GRADUATES_EMPLOYED,
    INDEX_COUNT,
    INDEX_SQUARES,
    INDEX_SUM,
    INSTITUTIONS,
    MEASURES,
    PLACED,
    PLACED_BROKEN_OFF,
    PLACED_COMPLETED,
    PLACED_CONFIRMED,
    PLACES,
    SCHEDULE_COMPLETE,
    SEATS_COMPLETED,
    SEATS_FILLED,
    SEATS_PLANNED,
    THREE_FORMS,
)
from services.monitoring.domain.periods import NESTED, PeriodKind
from services.monitoring.domain.practice_indicators import INCOME_GROWTH, OUTCOMES, PLAN_AND_DOCUMENTS, PRACTICE
from services.monitoring.domain.readings import (
    CONVERSION,
    GATE_KINDS,
    GROWTH,
    STANDING,
    VARIETY,
    Activity,
    Agreement,
    Certification,
    Employment,
    Enrolment,
    GraduateStatus,
    Income,
    Institution,
    NextAction,
    Outcome,
    Placement,
    Practice,
    Response,
    Specialist,
    StaffInternship,
    Submission,
    Training,
    Visit,
    WorkPlan,
)
from services.monitoring.domain.reporting import REPORTING
from services.monitoring.domain.stage_indicators import CONTACTS, EVIDENCE_KINDS, GATE_INDICATORS, STAGE
from services.monitoring.domain.variety import WINDOW
from shared.contracts.vocabulary import Form, RespondentGroup

_F1 = Indicator(
    code="F1",
    group="factors",
    unit=Unit.COUNT,
    direction=Direction.UP,
    roll_up="additive by agreement; enterprises distinct",
    source="INDICATORS.md F1",
    numerator=total(*FORM_ACTIVE.values()),
    parts={
        "signed": total(*FORM_SIGNED.values()),
        "ended": total(*FORM_ENDED.values()),
        "enterprises": total(ENTERPRISES),
        **{str(form): total(measure) for form, measure in FORM_ACTIVE.items()},
        **{str(category): total(measure) for category, measure in CATEGORY_ACTIVE.items()},
    },
    lineage=tuple(
        [Window(measure, f"active/{form}") for form, measure in FORM_ACTIVE.items()]
        + [Window(measure, f"signed/{form}") for form, measure in FORM_SIGNED.items()]
        + [Window(measure, f"ended/{form}") for form, measure in FORM_ENDED.items()]
        + [Window(ENTERPRISES, "enterprises")]
    ),
)
_F2 = Indicator(
    code="F2",
    group="factors",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="Σ ÷ Σ; seats additive",
    source="INDICATORS.md F2, Cedefop 02",
    numerator=total(SCHEDULE_COMPLETE),
    denominator=total(FORM_ACTIVE[Form.AF1]),
    parts={
        "planned": total(SEATS_PLANNED),
        "filled": total(SEATS_FILLED),
        "completed": total(SEATS_COMPLETED),
        "placements": total(PLACED),
        "placements_confirmed": total(PLACED_CONFIRMED),
        "placements_completed": total(PLACED_COMPLETED),
        "placements_broken_off": total(PLACED_BROKEN_OFF),
    },
    lineage=(
        Window(FORM_ACTIVE[Form.AF1], "active"),
        Window(SCHEDULE_COMPLETE, "schedule"),
        Window(SEATS_PLANNED, "planned"),
        Window(SEATS_FILLED, "filled"),
        Window(SEATS_COMPLETED, "completed"),
        Window(PLACED, "placements"),
    ),
)
_F3 = Indicator(
    code="F3",
    group="factors",
    unit=Unit.PERSONS,
    direction=Direction.UP,
    roll_up="distinct",
    source="INDICATORS.md F3, EQAVET 5, 6a",
    numerator=total(GRADUATES_EMPLOYED),
    parts={
        "confirmed": total(GRADUATES_CONFIRMED),
        "enterprises": total(EMPLOYERS),
        **{f"isco_{group}": total(measure) for group, measure in GRADUATES_BY_GROUP.items()},
    },
    amounts=frozenset(["enterprises"]),
    groups=tuple(f"isco_{group}" for group in GRADUATES_BY_GROUP),
    privacy=Privacy.PERSONS,
    lineage=(Window(GRADUATES_EMPLOYED, "reported"), Window(GRADUATES_CONFIRMED, "confirmed")),
)
_I2 = Indicator(
    code="I2",
    group="indicators",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="Σ ÷ Σ",
    source="INDICATORS.md I2, EQAVET 3",
    numerator=total(FIRST_CHOICE),
    denominator=total(PLACES),
    parts={"reported": total(ENROLMENT_REPORTS)},
    coverage=total(ENROLMENT_REPORTS),
    period_kinds=(PeriodKind.ACADEMIC_YEAR,),
    lineage=(Window(FIRST_CHOICE, "first_choice"), Window(PLACES, "places")),
)
_I5 = Indicator(
    code="I5",
    group="indicators",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="share of institutions with 3 forms or more; union of forms shown apart",
    source="INDICATORS.md I5, EQAVET 9",
    numerator=total(THREE_FORMS),
    denominator=total(INSTITUTIONS),
    own=(Term(tuple(FORM_ALIVE.values()), present=True), Term(number=len(CATALOGUE_FORMS))),
    parts={
        "forms": Term(tuple(FORM_ALIVE.values()), present=True),
        **{str(form): total(measure) for form, measure in FORM_ALIVE.items()},
    },
    lineage=tuple(
        [Window(FORM_ACTIVE[form], f"active/{form}") for form in CATALOGUE_FORMS]
        + [Window(FORM_ACTIVITIES[form], f"activities/{form}", WINDOW) for form in CATALOGUE_FORMS]
    ),
)


def _survey(group: RespondentGroup) -> Indicator:
    return Indicator(
        code=str(group),
        group="surveys",
        unit=Unit.SCORE,
        direction=Direction.UP,
        roll_up="mean of responses",
        source="INDICATORS.md S1–S5",
        numerator=total(INDEX_SUM[group]),
        denominator=total(INDEX_COUNT[group]),
        scale=1000,
        parts={"responses": total(INDEX_COUNT[group])},
        spread=(INDEX_SUM[group], INDEX_COUNT[group], INDEX_SQUARES[group]),
        period_kinds=NESTED,
        privacy=Privacy.SURVEY,
        lineage=(),  # a single answer is nobody's business
    )


INDICATORS: Final[dict[str, Indicator]] = {
    indicator.code: indicator
    for indicator in (
        *OUTCOMES,
        _I2,
        INCOME_GROWTH,
        *PLAN_AND_DOCUMENTS,
        _I5,
        _F1,
        _F2,
        _F3,
        *PRACTICE,
        *map(_survey, RespondentGroup),
        STAGE,
        *GATE_INDICATORS,
        *CONTACTS,
        *REPORTING,
    )
}
"""Every indicator by its code."""


def fed_by(measure: int) -> frozenset[int]:
    """The kinds of aggregates whose contributions a measure, or a piece of evidence, sums."""
    if measure in EVIDENCE_KINDS:
        return EVIDENCE_KINDS[measure]
    name = MEASURES[measure].name
    if name.endswith(".activities"):
        return frozenset((Activity.kind, Certification.kind, *(each.kind for each in Practice.__subclasses__())))
    if name.startswith("gate."):
        return frozenset((GATE_KINDS[name.split(".")[1]],))
    kind = _FED_BY.get(name) or _FED_BY[name.split(".")[0]]
    told_by_themselves = name.startswith("outcome.") or name == "graduates.confirmed"
    return frozenset((kind, GraduateStatus.kind) if told_by_themselves else (kind,))


_FED_BY = {
    "form": Agreement.kind,
    "category": Agreement.kind,
    "enterprises": Agreement.kind,
    "internship": Agreement.kind,
    "graduates": Employment.kind,
    "enrolment": Enrolment.kind,
    "variety": VARIETY,
    "institutions": Institution.kind,
    "survey": Response.kind,
    "stage": STANDING,
    "artefacts": STANDING,
    "plan": WorkPlan.kind,
    "outcome": Outcome.kind,
    "income": Income.kind,
    "income.matched": GROWTH,
    "income.before": GROWTH,
    "placements": Placement.kind,
    "specialists": Specialist.kind,
    "teachers": Enrolment.kind,
    "teachers.trained": StaffInternship.kind,
    "trainees": Training.kind,
    "completions": Training.kind,
    "certification": Certification.kind,
    "visits": Visit.kind,
    "visits.converted": CONVERSION,
    "actions": NextAction.kind,
    "cause": Visit.kind,
    "reports": Submission.kind,
}
