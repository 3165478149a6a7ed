"""Indicators of the work under agreements, declared: I1, I3, I4, F4–F7."""

from services.monitoring.domain.formulas import Direction, Indicator, Privacy, Term, Unit, Window, total
from services.monitoring.domain.gates import REQUIRED_ARTEFACTS
from services.monitoring.domain.measures import (
    ARTEFACTS,
    ARTEFACTS_COMPLETE,
    COMPLETIONS,
    EXAMINING_ENTERPRISES,
    INCOME,
    INCOME_BEFORE,
    INCOME_MATCHED,
    INCOME_REPORTS,
    INSTITUTIONS,
    MEASURES_DONE,
    MEASURES_DUE,
    MEASURES_ON_TIME,
    OUTCOME_ASKED,
    OUTCOME_AVAILABLE,
    OUTCOME_EMPLOYED,
    OUTCOME_KNOWN,
    SESSIONS,
    SESSIONS_WITH_ENTERPRISE,
    SPECIALIST_HOURS,
    SPECIALISTS,
    TEACHER_REPORTS,
    TEACHERS,
    TEACHERS_TRAINED,
    TRAINEES,
    TRAINEES_ALL,
)
from services.monitoring.domain.periods import PeriodKind
from services.monitoring.domain.stage_indicators import ARTEFACT_WINDOWS

_YEAR_FIRST = (
    PeriodKind.ACADEMIC_YEAR,
    PeriodKind.FISCAL_YEAR,
    PeriodKind.ROLLING_12,
    PeriodKind.QUARTER,
    PeriodKind.MONTH,
)


def _outcome(code: str, months: int) -> Indicator:
    return Indicator(
        code=code,
        group="indicators",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ, persons distinct",
        source="INDICATORS.md I1, EQAVET 5",
        numerator=total(OUTCOME_EMPLOYED[months]),
        denominator=total(OUTCOME_AVAILABLE[months]),
        parts={"asked": total(OUTCOME_ASKED[months]), "known": total(OUTCOME_KNOWN[months])},
        amounts=frozenset(["asked"]),
        coverage=total(OUTCOME_KNOWN[months]),
        coverage_of=total(OUTCOME_ASKED[months]),
        period_kinds=_YEAR_FIRST,
        privacy=Privacy.PERSONS,
        lineage=(
            Window(OUTCOME_EMPLOYED[months], "employed"),
            Window(OUTCOME_AVAILABLE[months], "available"),
            Window(OUTCOME_ASKED[months], "asked"),
        ),
    )


OUTCOMES = (_outcome("I1", 6), _outcome("I1_12", 12))

INCOME_GROWTH = Indicator(
    code="I3",
    group="indicators",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="sum of months reported in both years first, then growth",
    source="INDICATORS.md I3, IAG-TVET 2012",
    numerator=Term((INCOME_MATCHED,), minus=(INCOME_BEFORE,)),
    denominator=total(INCOME_BEFORE),
    parts={
        "change": Term((INCOME_MATCHED,), minus=(INCOME_BEFORE,)),
        "matched": total(INCOME_MATCHED),
        "before": total(INCOME_BEFORE),
        "total": total(INCOME),
        "reports": total(INCOME_REPORTS),
    },
    period_kinds=_YEAR_FIRST,
    lineage=(Window(INCOME, "income"),),
)

PLAN_AND_DOCUMENTS = (
    Indicator(
        code="I4",
        group="indicators",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="share of institutions with all required artefacts",
        source="INDICATORS.md I4, EQAVET 1",
        numerator=total(ARTEFACTS_COMPLETE),
        denominator=total(INSTITUTIONS),
        own=(total(ARTEFACTS), Term(number=REQUIRED_ARTEFACTS)),
        parts={"artefacts": total(ARTEFACTS)},
        lineage=ARTEFACT_WINDOWS,
    ),
    Indicator(
        code="I4_ARTEFACTS",
        group="indicators",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ",
        source="INDICATORS.md I4, EQAVET 1",
        numerator=total(ARTEFACTS),
        denominator=Term((INSTITUTIONS,), times=REQUIRED_ARTEFACTS),
        lineage=ARTEFACT_WINDOWS,
    ),
    Indicator(
        code="I4_ON_TIME",
        group="indicators",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ",
        source="INDICATORS.md I4, EQAVET 1",
        numerator=total(MEASURES_ON_TIME),
        denominator=total(MEASURES_DUE),
        parts={"done": total(MEASURES_DONE)},
        lineage=(Window(MEASURES_DUE, "due"), Window(MEASURES_ON_TIME, "on_time")),
    ),
)

PRACTICE = (
    Indicator(
        code="F4",
        group="factors",
        unit=Unit.PERSONS,
        direction=Direction.UP,
        roll_up="distinct; hours additive",
        source="INDICATORS.md F4, EQAVET 2",
        numerator=total(SPECIALISTS),
        parts={"hours": total(SPECIALIST_HOURS)},
        amounts=frozenset(["hours"]),
        privacy=Privacy.PERSONS,
        lineage=(Window(SPECIALISTS, "specialists"), Window(SPECIALIST_HOURS, "hours")),
    ),
    Indicator(
        code="F5",
        group="factors",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ, teachers distinct",
        source="INDICATORS.md F5, EQAVET 2a",
        numerator=total(TEACHERS_TRAINED),
        denominator=total(TEACHERS),
        coverage=total(TEACHER_REPORTS),
        period_kinds=(PeriodKind.ACADEMIC_YEAR,),
        privacy=Privacy.PERSONS,
        lineage=(Window(TEACHERS_TRAINED, "completed"), Window(TEACHERS, "teachers")),
    ),
    Indicator(
        code="F6",
        group="factors",
        unit=Unit.PERSONS,
        direction=Direction.UP,
        roll_up="distinct; completions additive",
        source="INDICATORS.md F6, EQAVET 3, 8",
        numerator=total(TRAINEES_ALL),
        parts={**{kind: total(measure) for kind, measure in TRAINEES.items()}, "completions": total(COMPLETIONS)},
        groups=tuple(TRAINEES),
        privacy=Privacy.PERSONS,
        lineage=(Window(TRAINEES_ALL, "completed"),),
    ),
    Indicator(
        code="F7",
        group="factors",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ; enterprises distinct",
        source="INDICATORS.md F7",
        numerator=total(SESSIONS_WITH_ENTERPRISE),
        denominator=total(SESSIONS),
        parts={"enterprises": total(EXAMINING_ENTERPRISES)},
        lineage=(
            Window(SESSIONS, "sessions"),
            Window(SESSIONS_WITH_ENTERPRISE, "with_enterprise"),
            Window(EXAMINING_ENTERPRISES, "enterprises"),
        ),
    ),
)
