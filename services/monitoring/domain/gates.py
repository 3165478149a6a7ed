"""The stage gates R1–R13 as declarations: what evidence each asks for, how much of it, and for which stage.

Evidence holds from a day until a day, both told by the service that owns it; contributions.py says what is evidence of
what. A gate is met while all it asks for is there, in progress while some of it is and it was never met, lapsed once it
was met and is not any more, missing otherwise. Texts stand in messages/<language>.toml under gate.<code> and
evidence.<name>.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.final_stage import REQUIRED_SAMPLES
from shared.contracts.vocabulary import PartnerCategory


class State(StrEnum):
    """How an institution stands at a gate."""

    MISSING = "missing"
    IN_PROGRESS = "in_progress"
    MET = "met"
    LAPSED = "lapsed"


FIRST_EVIDENCE: Final = 1 << 17
"""Codes from here on are evidence: never a measure's code, never in a cell."""


def _evidence() -> dict[str, int]:
    blocks = (
        [
            "at_work",
            "orientation",
            "partner_existing",
            "partner_future",
            "market_review",
            "programme",
            "sector_review",
            "market_assessment",
            "agreement",
            "enrolment_report",
            "labour_market_data",
            "employers_answers",
            "instruction",
            "work_plan",
            "board_member",
            "board_meeting",
        ],
        [f"sample.{kind}" for kind in REQUIRED_SAMPLES],
        [f"partner.{category}" for category in PartnerCategory],
        [f"cooperation.{category}" for category in PartnerCategory],
        [f"worked.{category}" for category in PartnerCategory],
        [f"gate.R{number}" for number in range(1, 14)],
        ["work_done", "visited", "signed_with", "income", "income_reported"],
        [f"works_for.{category}" for category in PartnerCategory],
    )
    return {
        name: FIRST_EVIDENCE + 100 * block + number
        for block, names in enumerate(blocks)
        for number, name in enumerate(names)
    }


EVIDENCE: Final = _evidence()
"""Codes of evidence by name; they are stored with the aggregates, so a new name is appended to its block."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Enough of any one of the alternatives: (evidence, how many pieces of it must hold at a time)."""

    alternatives: tuple[tuple[str, int], ...]


def _ask(*names: str) -> Ask:
    return Ask(tuple((name, 1) for name in names))


@dataclass(frozen=True, slots=True)
class Gate:
    """A result of the method. `by_category`: it asks every category of partner for lasting cooperation (R13)."""

    code: str
    stage: int
    asks: tuple[Ask, ...]
    by_category: bool = False


ANALYSIS_MONTHS: Final = 12
"""How long a review or assessment counts at most (R3, R5, R6)."""
MEETING_MONTHS: Final = 12
"""How long a quorate meeting of the board counts (R12)."""
LASTING_MONTHS: Final = 12
"""From when on uninterrupted cooperation with a category is lasting (R13)."""
WORK_MONTHS: Final = 6
"""How many months, the present one included, must hold an activity (R13)."""
ENOUGH_ANSWERS: Final = 10
"""Employers' answers (S1, S2) of an academic year that make a survey; fewer would tell of single ones (R8)."""

GATES: Final = {
    gate.code: gate
    for gate in (
        Gate("R1", 1, (_ask("orientation"),)),
        Gate("R2", 1, (_ask("partner_existing"), _ask("partner_future"))),
        Gate("R3", 1, (_ask("market_review"),)),
        Gate("R4", 1, (_ask("programme"),)),
        Gate("R5", 1, (_ask("sector_review"),)),
        Gate("R6", 1, (_ask("market_assessment"),)),
        Gate("R7", 2, (_ask("agreement"),)),
        Gate(
            "R8",
            2,
            (
                _ask("enrolment_report"),
                Ask((("labour_market_data", 1), ("employers_answers", ENOUGH_ANSWERS))),
            ),
        ),
        Gate("R9", 3, (_ask("instruction"),)),
        Gate("R10", 3, (_ask("work_plan"),)),
        Gate("R11", 3, tuple(_ask(f"sample.{kind}") for kind in REQUIRED_SAMPLES)),
        Gate("R12", 3, (_ask("board_member"), _ask("board_meeting"))),
        Gate(
            "R13",
            3,
            tuple(_ask(f"{what}.{each}") for each in PartnerCategory for what in ("partner", "cooperation", "worked")),
            by_category=True,
        ),
    )
}
"""Every gate by its code."""

STAGES: Final = {stage: tuple(gate.code for gate in GATES.values() if gate.stage == stage) for stage in (1, 2, 3)}
"""The gates of each stage: a stage is reached when its gates and those of the stages before it are met."""

ARTEFACT_GATES: Final = ("R9", "R10", "R12")
ARTEFACT_SAMPLES: Final = tuple(f"sample.{kind}" for kind in REQUIRED_SAMPLES)
"""I4: the artefacts that are required – those behind these gates, and a sample document of each of these kinds."""
REQUIRED_ARTEFACTS: Final = len(ARTEFACT_GATES) + len(ARTEFACT_SAMPLES)

CONVERSION_MONTHS: Final = 6
"""Within how many months of a visit an agreement with the partner must be signed for the visit to have led to it."""
