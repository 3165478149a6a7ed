"""What reports contribute, and completeness and timeliness of reporting as indicators (T1, T2)."""

from services.monitoring.domain.formulas import Direction, Indicator, Unit, Window, total
from services.monitoring.domain.measures import REPORTS
from services.monitoring.domain.parts import Contributions, Part, summed
from services.monitoring.domain.periods import parse
from services.monitoring.domain.readings import Submission
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.reporting import SubmissionStatus

STANDS = (SubmissionStatus.SUBMITTED, SubmissionStatus.APPROVED, SubmissionStatus.LOCKED)
"""A report that was returned or reopened is not there until it is submitted again."""
APPROVED = (SubmissionStatus.APPROVED, SubmissionStatus.LOCKED)


def submission(state: Submission) -> Contributions:
    """Reports by the month in which their period ends; that the first submission was on time stays true."""
    measures = REPORTS.get(state.level)
    if measures is None:
        return {}
    expected, submitted, on_time, approved = measures
    month = parse(state.period).last
    parts: list[Part] = [(expected, month, None, 1)]
    if state.status in STANDS:
        parts.append((submitted, month, None, 1))
    if state.submitted_on and state.submitted_on <= state.due_on:
        parts.append((on_time, month, None, 1))
    if state.status in APPROVED:
        parts.append((approved, month, None, 1))
    return summed(parts)


_EXPECTED, _SUBMITTED, _ON_TIME, _APPROVED = REPORTS[OfficeLevel.INSTITUTION]
_OFFICES = (OfficeLevel.DISTRICT, OfficeLevel.REGION)

REPORTING = (
    Indicator(
        code="T1",
        group="reporting",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ; districts' and regions' reports apart",
        source="INDICATORS.md, completeness of reporting",
        numerator=total(_SUBMITTED),
        denominator=total(_EXPECTED),
        parts={
            "approved": total(_APPROVED),
            **{f"{level}_expected": total(REPORTS[level][0]) for level in _OFFICES},
            **{f"{level}_submitted": total(REPORTS[level][1]) for level in _OFFICES},
            **{f"{level}_approved": total(REPORTS[level][3]) for level in _OFFICES},
        },
        lineage=(Window(_EXPECTED, "expected"), Window(_SUBMITTED, "submitted"), Window(_APPROVED, "approved")),
    ),
    Indicator(
        code="T2",
        group="reporting",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ; districts' and regions' reports apart",
        source="INDICATORS.md, timeliness of reporting",
        numerator=total(_ON_TIME),
        denominator=total(_EXPECTED),
        parts={
            **{f"{level}_expected": total(REPORTS[level][0]) for level in _OFFICES},
            **{f"{level}_on_time": total(REPORTS[level][2]) for level in _OFFICES},
        },
        lineage=(Window(_EXPECTED, "expected"), Window(_ON_TIME, "on_time")),
    ),
)
