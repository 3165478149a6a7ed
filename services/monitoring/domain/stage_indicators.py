"""Indicators of the method's stages, declared: R1–R13 as shares of institutions, the stage reached, contacts."""

from services.monitoring.domain.formulas import Direction, Indicator, Term, Unit, Window, total
from services.monitoring.domain.gates import ARTEFACT_GATES, ARTEFACT_SAMPLES, EVIDENCE, GATES, STAGES, Gate
from services.monitoring.domain.measures import (
    ACTIONS_DONE,
    ACTIONS_DUE,
    ACTIONS_ON_TIME,
    CAUSES,
    GATE_IN_PROGRESS,
    GATE_LAPSED,
    GATE_MET,
    INSTITUTIONS,
    STAGE_REACHED,
    VISITS_CONVERTED,
    VISITS_HELD,
    VISITS_PLANNED,
    VISITS_PUNCTUAL,
)
from services.monitoring.domain.readings import (
    Agreement,
    Board,
    Enrolment,
    Institution,
    Instruction,
    MarketAssessment,
    MarketReview,
    Orientation,
    Partnership,
    Reading,
    Sample,
    SectorReview,
    WorkPlan,
)
from shared.contracts.vocabulary import PartnerCategory

_CONTRIBUTED_BY: dict[str, type[Reading]] = {
    "orientation": Orientation,
    "partner_existing": Partnership,
    "partner_future": Partnership,
    "market_review": MarketReview,
    "programme": Institution,
    "sector_review": SectorReview,
    "market_assessment": MarketAssessment,
    "agreement": Agreement,
    "enrolment_report": Enrolment,
    "labour_market_data": MarketAssessment,
    "instruction": Instruction,
    "work_plan": WorkPlan,
    "board_member": Board,
    "board_meeting": Board,
    **dict.fromkeys(ARTEFACT_SAMPLES, Sample),
    **{f"partner.{category}": Partnership for category in PartnerCategory},
    **{f"cooperation.{category}": Agreement for category in PartnerCategory},
}
"""Which aggregates evidence comes from. Single answers to questionnaires are nobody's business, and work done under
agreements is reached through them: neither is listed."""

EVIDENCE_KINDS = {EVIDENCE[name]: frozenset((reading.kind,)) for name, reading in _CONTRIBUTED_BY.items()}
"""Kinds of aggregates by the evidence they contribute."""


def shown_evidence(gate: Gate) -> list[str]:
    """The names of a gate's evidence that may be listed piece by piece."""
    return [name for ask in gate.asks for name, _ in ask.alternatives if name in _CONTRIBUTED_BY]


def _windows(gate: Gate) -> tuple[Window, ...]:
    return tuple(Window(EVIDENCE[name], name) for name in shown_evidence(gate))


def _gate(gate: Gate) -> Indicator:
    return Indicator(
        code=gate.code,
        group="gates",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="share of institutions",
        source=f"DOMAIN.md {gate.code}",
        numerator=total(GATE_MET[gate.code]),
        denominator=total(INSTITUTIONS),
        parts={
            "met": total(GATE_MET[gate.code]),
            "in_progress": total(GATE_IN_PROGRESS[gate.code]),
            "lapsed": total(GATE_LAPSED[gate.code]),
            "missing": Term(
                (INSTITUTIONS,), minus=(GATE_MET[gate.code], GATE_IN_PROGRESS[gate.code], GATE_LAPSED[gate.code])
            ),
        },
        lineage=_windows(gate),
    )


GATE_INDICATORS = tuple(map(_gate, GATES.values()))
ARTEFACT_WINDOWS = (
    *(window for code in ARTEFACT_GATES for window in _windows(GATES[code])),
    *(Window(EVIDENCE[name], name) for name in ARTEFACT_SAMPLES),
)
"""What is behind I4."""

_FIRST, _SECOND, _THIRD = STAGE_REACHED
STAGE = Indicator(
    code="STAGE",
    group="gates",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="stages reached ÷ stages there are; institutions by stage",
    source="DOMAIN.md, stages 1–3",
    numerator=total(*STAGE_REACHED),
    denominator=Term((INSTITUTIONS,), times=len(STAGES)),
    own=(total(*STAGE_REACHED), Term(number=len(STAGES))),
    parts={
        "stage_0": Term((INSTITUTIONS,), minus=(_FIRST,)),
        "stage_1": Term((_FIRST,), minus=(_SECOND,)),
        "stage_2": Term((_SECOND,), minus=(_THIRD,)),
        "stage_3": total(_THIRD),
    },
    lineage=(Window(_FIRST, "stage_1"), Window(_SECOND, "stage_2"), Window(_THIRD, "stage_3")),
)

CONTACTS = (
    Indicator(
        code="VISITS",
        group="contacts",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ",
        source="DOMAIN.md V1–V6",
        numerator=total(VISITS_HELD),
        denominator=total(VISITS_PLANNED),
        parts={"punctual": total(VISITS_PUNCTUAL)},
        lineage=(Window(VISITS_PLANNED, "planned"), Window(VISITS_HELD, "held")),
    ),
    Indicator(
        code="CONVERSION",
        group="contacts",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ",
        source="INDICATORS.md, visit conversion",
        numerator=total(VISITS_CONVERTED),
        denominator=total(VISITS_HELD),
        lineage=(Window(VISITS_HELD, "held"), Window(VISITS_CONVERTED, "converted")),
    ),
    Indicator(
        code="CAUSES",
        group="contacts",
        unit=Unit.COUNT,
        direction=Direction.DOWN,
        roll_up="additive",
        source="DOMAIN.md A1–B3",
        numerator=total(*CAUSES.values()),
        parts={cause: total(measure) for cause, measure in CAUSES.items()},
        lineage=tuple(Window(measure, cause) for cause, measure in CAUSES.items()),
    ),
    Indicator(
        code="ACTIONS",
        group="contacts",
        unit=Unit.RATIO,
        direction=Direction.UP,
        roll_up="Σ ÷ Σ",
        source="DOMAIN.md N6",
        numerator=total(ACTIONS_ON_TIME),
        denominator=total(ACTIONS_DUE),
        parts={"done": total(ACTIONS_DONE)},
        lineage=(Window(ACTIONS_DUE, "due"), Window(ACTIONS_ON_TIME, "on_time")),
    ),
)
