"""The gates R1–R13, each from its evidence – met, in progress, lapsed by the calendar alone – and the stage."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from services.monitoring.domain.derived import DERIVATIONS
from services.monitoring.domain.gates import EVIDENCE, GATES, STAGES, State
from services.monitoring.domain.measures import BY_NAME
from services.monitoring.domain.periods import PeriodKind, parse
from services.monitoring.domain.readings import GATE_KINDS
from services.monitoring.domain.standing import gate_series, stage_of
from services.monitoring.engine import NOBODY
from shared.contracts.agreements import (
    ActivePeriod,
    ActivityState,
    ActivityStatus,
    AgreementState,
    AgreementStatus,
    Party,
)
from shared.contracts.events import State as Contract
from shared.contracts.final_stage import (
    REQUIRED_SAMPLES,
    AdoptionStatus,
    BoardState,
    BoardStatus,
    Duty,
    Edition,
    InstructionKind,
    InstructionState,
    Meeting,
    MeetingStatus,
    Member,
    MemberCategory,
    SampleState,
    WorkPlanState,
    WorkPlanStatus,
)
from shared.contracts.labour_market import Qualification, Trend
from shared.contracts.partners import (
    EnrolmentState,
    InstitutionState,
    InstitutionStatus,
    Membership,
    PartnershipStage,
    PartnershipState,
    StageSince,
)
from shared.contracts.preparation import (
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    OrientationStatus,
    SectorReviewState,
)
from shared.contracts.surveys import ResponseState
from shared.contracts.vocabulary import Form, InstitutionKind, PartnerCategory, PartyCategory, RespondentGroup
from shared.ids import new_id
from tests.support.monitoring import A_PROGRAMME, Story, differing
from tests.support.monitoring_memory import MemoryStore
from tests.unit.monitoring.test_engine import compared, live

OPENED = date(2020, 9, 1)
DAY = date(2025, 10, 15)


class School:
    """One institution in a story of its own, at work since 2020."""

    def __init__(self, **changes: Any) -> None:
        self.story = Story(Random(1))
        self.story.territory(1, 1)
        self.id = new_id()
        self.story.institutions.append(self.id)
        given: dict[str, Any] = {
            "code": "1",
            "kind": InstitutionKind.COLLEGE,
            "name": "Kollej",
            "status": InstitutionStatus.ACTIVE,
            "path": f"/17/1700/1700000/{self.id}/",
            "membership": (Membership(district="1700000", since=OPENED),),
            "opened_on": OPENED,
        }
        self.story.tell(InstitutionState(id=self.id, version=1, **given | changes))

    def tell(self, contract: Callable[..., Contract], /, **fields: Any) -> str:
        """A new aggregate of the institution; its id."""
        ident = new_id()
        self.story.tell(contract(id=ident, version=1, institution_id=self.id, **fields))
        return ident

    async def series(self, gate: str) -> list[tuple[date, State]]:
        """The gate's states with the days from which on they hold; proven cell by cell."""
        store = await live([self.story.events])
        values, proof = compared(store, self.story)
        assert not differing(values, proof)
        key = (store.image.ids[self.id], GATE_KINDS[gate], NOBODY)
        own = store.stored[key].own if key in store.stored else {}
        return [(date.fromordinal(day), state) for day, state in gate_series(GATES[gate], own)]


def met(since: date, lapsed: date | None) -> list[tuple[date, State]]:
    return [(since, State.MET)] + ([(lapsed, State.LAPSED)] if lapsed else [])


def orient(school: School) -> None:
    school.tell(
        OrientationState,
        decision_ref="1",
        decided_on=DAY,
        responsible_ref="7",
        valid_until=date(2027, 8, 31),
        status=OrientationStatus.ADOPTED,
    )


def partner(school: School, stage: PartnershipStage, since: date = DAY, **changes: Any) -> None:
    given: dict[str, Any] = {"category": PartnerCategory.ENTERPRISE, "enterprise_id": new_id()}
    school.tell(PartnershipState, stage=stage, forms=(Form.AF1,), opportunities=(), since=since, **given | changes)


def partners(school: School) -> None:
    partner(school, PartnershipStage.EXISTING)
    partner(school, PartnershipStage.FUTURE)


def review_market(school: School) -> None:
    # Told to count for longer than a review counts.
    school.tell(MarketReviewState, reviewed_on=DAY, valid_until=date(2030, 1, 1), area="1700", competitors=3)


def review_sector(school: School) -> None:
    until = date(2026, 3, 31)
    fields: dict[str, Any] = {"region": "1700", "isic_section": "C", "trend": Trend.STABLE}
    school.tell(SectorReviewState, reviewed_on=DAY, valid_until=until, **fields)


def assess(school: School) -> None:
    school.tell(
        MarketAssessmentState,
        region="1700",
        profession="7212",
        qualification=Qualification.VOCATIONAL,
        assessed_on=DAY,
        valid_until=date(2030, 1, 1),
    )


def agree(
    school: School,
    since: date = DAY,
    until: date | None = date(2026, 7, 1),
    category: PartyCategory = PartyCategory.ENTERPRISE,
) -> str:
    return school.tell(
        AgreementState,
        form=Form.AF1,
        opportunities=(),
        status=AgreementStatus.ACTIVE,
        parties=(
            Party(party_id="1", category=PartyCategory.INSTITUTION, ref=school.id),
            Party(party_id="2", category=category, ref=new_id()),
        ),
        valid_from=since,
        valid_until=date(2030, 1, 1),
        signed_on=since,
        active_periods=(ActivePeriod(since=since, until=until),),
    )


def enrol(school: School) -> None:
    school.tell(EnrolmentState, academic_year="2025-26", places=100, first_choice=120)


def labour_market(school: School) -> None:
    enrol(school)
    assess(school)


def instruct(school: School) -> None:
    edition = Edition(number=1, adopted_on=DAY, in_force_from=DAY, in_force_until=date(2026, 1, 10))
    school.tell(
        InstructionState,
        kind=InstructionKind.DUTIES,
        duty=Duty.COORDINATOR,
        status=AdoptionStatus.ADOPTED,
        editions=(edition,),
    )


def plan(school: School) -> None:
    school.tell(
        WorkPlanState,
        academic_year="2025-26",
        status=WorkPlanStatus.ADOPTED,
        adopted_on=DAY,
        since=date(2025, 9, 1),
        until=date(2027, 1, 1),  # a plan of one year counts in that year alone
        measures=(),
    )


def samples(school: School, kinds: Iterable[Any] = REQUIRED_SAMPLES) -> None:
    edition = Edition(number=1, adopted_on=DAY, in_force_from=DAY)
    for kind in kinds:
        school.tell(SampleState, kind=kind, status=AdoptionStatus.ADOPTED, template="x/1", editions=(edition,))


def found_board(school: School, category: MemberCategory = MemberCategory.ENTERPRISE, **changes: Any) -> None:
    held = Meeting(meeting_id="1", planned_on=DAY, status=MeetingStatus.HELD, held_on=DAY)
    missed = Meeting(meeting_id="2", planned_on=DAY, status=MeetingStatus.NOT_QUORATE, held_on=date(2026, 5, 1))
    given: dict[str, Any] = {
        "status": BoardStatus.ESTABLISHED,
        "established_on": DAY - timedelta(days=30),
        "members": (Member(member_id="1", category=category, ref="1", since=DAY - timedelta(days=30)),),
        "meetings": (held, missed),
    }
    school.tell(BoardState, **given | changes)


def sustain(school: School) -> None:
    agreement = agree(school, DAY, date(2027, 3, 1))
    for held_on in (date(2026, 7, 31), date(2026, 11, 2)):
        school.tell(
            ActivityState,
            agreement_id=agreement,
            form=Form.AF1,
            status=ActivityStatus.RECORDED,
            held_on=held_on,
            participants=5,
        )


SIMPLE: dict[str, tuple[Callable[[School], object], list[tuple[date, State]]]] = {
    "R1": (orient, met(DAY, date(2027, 9, 1))),
    "R2": (partners, met(DAY, None)),
    "R3": (review_market, met(DAY, date(2026, 10, 15))),
    "R5": (review_sector, met(DAY, date(2026, 4, 1))),
    "R6": (assess, met(DAY, date(2026, 10, 15))),
    "R7": (agree, met(DAY, date(2026, 7, 1))),
    "R8": (labour_market, [(date(2025, 9, 1), State.IN_PROGRESS), *met(DAY, date(2026, 9, 1))]),
    "R9": (instruct, met(DAY, date(2026, 1, 10))),
    "R10": (plan, met(DAY, date(2026, 9, 1))),
    "R11": (samples, met(DAY, None)),
    "R12": (found_board, [(DAY - timedelta(days=30), State.IN_PROGRESS), *met(DAY, date(2026, 10, 15))]),
    # A year after the agreement began it has lasted; the activity of November keeps it alive up to April.
    "R13": (sustain, [(DAY, State.IN_PROGRESS), *met(date(2026, 10, 15), date(2027, 3, 1))]),
}


@pytest.mark.parametrize("gate", SIMPLE)
async def test_a_gate_is_met_by_its_evidence_and_lapses_when_that_ends(gate: str) -> None:
    school = School()
    assert await school.series(gate) == []
    prepare, expected = SIMPLE[gate]
    prepare(school)
    assert await school.series(gate) == expected


async def test_programmes_are_met_while_the_institution_is_at_work() -> None:
    school = School(programmes=(A_PROGRAMME,), closed_on=DAY, status=InstitutionStatus.CLOSED)
    assert await school.series("R4") == [(OPENED, State.MET), (DAY, State.MISSING)]


def test_every_gate_has_a_case_of_its_own() -> None:
    assert SIMPLE.keys() | {"R4"} == GATES.keys()


async def test_a_revoked_decision_lapses_on_that_day() -> None:
    school = School()
    school.tell(
        OrientationState,
        decision_ref="1",
        decided_on=DAY,
        responsible_ref="7",
        valid_until=date(2027, 8, 31),
        status=OrientationStatus.REVOKED,
        revoked_on=date(2026, 1, 1),
    )
    assert await school.series("R1") == met(DAY, date(2026, 1, 1))


async def test_existing_partners_alone_are_a_beginning() -> None:
    school = School()
    partner(school, PartnershipStage.EXISTING)
    assert await school.series("R2") == [(DAY, State.IN_PROGRESS)]


async def test_nobody_sees_whether_an_employer_has_answered_before_enough_have() -> None:
    school = School()
    for _ in range(9):
        answer(school, RespondentGroup.S1)
    assert await school.series("R8") == []
    answer(school, RespondentGroup.S2)
    assert (await school.series("R8"))[0][1] is State.IN_PROGRESS


def answer(school: School, group: RespondentGroup) -> None:
    school.tell(
        ResponseState, campaign_id=new_id(), group=group, month="2025-11", index_thousandths=50_000, dimensions={}
    )


async def test_ten_answers_of_employers_stand_for_an_assessment_and_nine_do_not() -> None:
    school = School()
    enrol(school)
    for number in range(10):
        assert await school.series("R8") == [(date(2025, 9, 1), State.IN_PROGRESS), (date(2026, 9, 1), State.MISSING)]
        answer(school, RespondentGroup.S1 if number % 2 else RespondentGroup.S2)
    expected = [(date(2025, 9, 1), State.IN_PROGRESS), *met(date(2025, 11, 1), date(2026, 9, 1))]
    assert await school.series("R8") == expected


async def test_one_sample_missing_is_not_enough() -> None:
    school = School()
    samples(school, REQUIRED_SAMPLES[1:])
    assert await school.series("R11") == [(DAY, State.IN_PROGRESS)]


@pytest.mark.parametrize(
    "changes",
    [
        {"category": MemberCategory.INSTITUTION},
        {"meetings": ()},
        {"established_on": DAY + timedelta(days=400), "meetings": ()},
    ],
)
async def test_a_board_without_outside_members_or_meetings_is_none(changes: dict[str, Any]) -> None:
    school = School()
    found_board(school, **changes)
    assert State.MET not in {state for _, state in await school.series("R12")}


async def test_a_dissolved_board_lapses() -> None:
    school = School()
    found_board(school, status=BoardStatus.DISSOLVED, dissolved_on=date(2026, 2, 1))
    assert (await school.series("R12"))[1:] == met(DAY, date(2026, 2, 1))


async def test_successive_agreements_last_without_a_break() -> None:
    school = School()
    first = agree(school, date(2025, 1, 1), date(2025, 8, 1))
    agree(school, date(2025, 8, 1), None)
    activity = {"agreement_id": first, "form": Form.AF1, "status": ActivityStatus.RECORDED, "participants": 1}
    school.tell(ActivityState, held_on=date(2025, 12, 1), **activity)
    expected = [(date(2025, 1, 1), State.IN_PROGRESS), *met(date(2026, 1, 1), date(2026, 6, 1))]
    assert await school.series("R13") == expected


async def test_a_new_category_is_given_a_year_and_then_expected_to_last() -> None:
    school = School()
    sustain(school)
    partner(
        school,
        PartnershipStage.EXISTING,
        date(2026, 1, 10),
        category=PartnerCategory.TRADE_UNION,
        enterprise_id=None,
        partner_ref="u1",
    )
    expected = [(DAY, State.IN_PROGRESS), *met(date(2026, 10, 15), date(2027, 1, 10))]
    assert await school.series("R13") == expected


async def test_the_stage_is_the_highest_with_all_its_gates_and_those_before_it() -> None:
    school = School(programmes=(A_PROGRAMME,))
    for prepare, _ in SIMPLE.values():
        prepare(school)
    # What ends early is there a second time, so that on some day everything holds.
    late = date(2026, 10, 10)
    edition = Edition(number=1, adopted_on=DAY, in_force_from=DAY)
    school.tell(
        InstructionState,
        kind=InstructionKind.DUTIES,
        duty=Duty.DIRECTOR,
        status=AdoptionStatus.ADOPTED,
        editions=(edition,),
    )
    school.tell(MarketReviewState, reviewed_on=late, valid_until=date(2027, 8, 1), area="1700", competitors=3)
    fields: dict[str, Any] = {"region": "1700", "isic_section": "C", "trend": Trend.STABLE}
    school.tell(SectorReviewState, reviewed_on=late, valid_until=date(2027, 8, 1), **fields)
    school.tell(
        MarketAssessmentState,
        region="1700",
        profession="7212",
        qualification=Qualification.VOCATIONAL,
        assessed_on=late,
        valid_until=date(2027, 8, 1),
    )
    school.tell(EnrolmentState, academic_year="2026-27", places=100, first_choice=120)
    school.tell(
        WorkPlanState,
        academic_year="2026-27",
        status=WorkPlanStatus.ADOPTED,
        adopted_on=late,
        since=late,
        until=date(2027, 9, 1),
        measures=(),
    )
    school.story.tell(
        next(
            state.model_copy(
                update={
                    "version": 2,
                    "meetings": (
                        *state.meetings,
                        Meeting(meeting_id="3", planned_on=late, status=MeetingStatus.HELD, held_on=late),
                    ),
                }
            )
            for state in school.story.latest.values()
            if isinstance(state, BoardState)
        )
    )
    store = await live([school.story.events])
    values, proof = compared(store, school.story)
    assert not differing(values, proof)
    # Before R13's first year is over, in October, the third stage is out of reach; in March its agreement ends.
    assert changes_of(store, "stage.third") == {"2026-10": 1, "2027-03": -1}
    # The plan of the next year came in October only, and there is none for the one after it.
    assert changes_of(store, "artefacts.complete") == {"2025-10": 1, "2026-09": -1, "2026-10": 1, "2027-09": -1}


def changes_of(store: MemoryStore, measure: str) -> dict[str, int]:
    """The nation's cells of a measure, month by month."""
    found = {period: amount for name, place, period, amount in store.named_cells() if (name, place) == (measure, "17")}
    return {period: amount for period, amount in found.items() if parse(period).kind is PeriodKind.MONTH}


def test_stages_are_reached_in_order() -> None:
    first, second, third = (set(gates) for gates in STAGES.values())
    assert stage_of(set()) == stage_of(second | third) == stage_of(first - {"R1"} | second) == 0
    assert stage_of(first) == stage_of(first | third) == 1
    assert stage_of(first | second) == 2
    assert stage_of(first | second | third) == 3


def test_evidence_has_codes_of_its_own_that_stay() -> None:
    """They are stored: a change here needs everything to be read anew."""
    assert len(set(EVIDENCE.values())) == len(EVIDENCE)
    assert min(EVIDENCE.values()) > max(measure.code for measure in BY_NAME.values())
    known = {"at_work": 131072, "board_meeting": 131087, "gate.R13": 131584, "signed_with": 131674}
    assert {name: EVIDENCE[name] for name in known} == known


def test_nothing_follows_from_one_more_of_many() -> None:
    """What a derivation says moves nothing moves nothing: held against computing it anew."""
    random, said = Random(4), 0
    for derivation in DERIVATIONS:
        codes = sorted(derivation.inputs)
        for _ in range(200 if derivation.present else 5):
            places = [(random.choice(codes), 24_300 + random.randrange(30)) for _ in range(random.randrange(1, 40))]
            own = {at: random.choice((1, 1, 2, 3)) for at in places}
            changes = {random.choice(places): random.choice((-1, 1, 2)) for _ in range(random.choice((1, 1, 2)))}
            after = {at: own.get(at, 0) + changes.get(at, 0) for at in own}
            if derivation.unmoved(own, changes):
                said += 1
                assert derivation.present
                assert derivation.rule({at: amount for at, amount in after.items() if amount}) == derivation.rule(own)
    assert said > 50


async def test_a_partner_that_ended_was_one_until_then() -> None:
    school = School()
    ends, begins = date(2026, 4, 1), date(2026, 1, 10)
    partner(school, PartnershipStage.FUTURE, date(2024, 3, 1))
    stages = {
        PartnershipStage.FUTURE: date(2025, 2, 1),
        PartnershipStage.EXISTING: begins,
        PartnershipStage.ENDED: ends,
    }
    told = tuple(StageSince(stage=stage, since=since) for stage, since in stages.items())
    partner(school, PartnershipStage.ENDED, date(2025, 2, 1), stages=told)
    # A future partner from March 2024, an existing one only from January to March 2026.
    assert await school.series("R2") == [
        (date(2024, 3, 1), State.IN_PROGRESS),
        (begins, State.MET),
        (ends, State.LAPSED),
    ]
