"""The rules of partners, without anything around them."""

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.partners.domain import enterprises, institutions, partnerships, territory
from shared.contracts.fields import AcademicYear
from shared.contracts.partners import (
    ENROLMENT_CORRECTED,
    ENROLMENT_REPORTED,
    PARTNERSHIP_ENDED,
    EnterpriseState,
    InstitutionState,
    InstitutionStatus,
    PartnershipStage,
    PartnershipState,
)
from shared.contracts.vocabulary import EnterpriseSize, InstitutionKind
from shared.errors import InvalidInput, WrongState

TODAY = date(2026, 11, 23)
INSTITUTION = "01980000-0000-7000-8000-000000000001"


def an_institution(district: str = "1708201") -> InstitutionState:
    command = institutions.RegisterInstitution(
        code="P-1", name="Texnikum", kind=InstitutionKind.TECHNIKUM, district=district, opened_on=date(2020, 9, 1)
    )
    return institutions.register(INSTITUTION, command, TODAY)[1]


def another_institution(district: str, number: int = 2) -> InstitutionState:
    one = an_institution(district)
    id_ = f"{INSTITUTION[:-1]}{number}"
    return one.model_copy(update={"id": id_, "path": one.path.replace(one.id, id_), "code": f"P-{number}"})


def an_enterprise(id_: str = "0198-a", stir: str = "301234567") -> EnterpriseState:
    command = enterprises.RegisterEnterprise(
        stir=stir, name="Zavod", size=EnterpriseSize.LARGE, isic_section="C", district="1708201"
    )
    return enterprises.register(id_, command)[1]


def test_institution_lies_at_its_districts_path() -> None:
    assert an_institution().path == f"/17/1708/1708201/{INSTITUTION}/"


def test_move_keeps_the_dated_membership() -> None:
    command = institutions.MoveInstitution(district="1708204", since=date(2026, 3, 1))
    _, moved = institutions.move(an_institution(), command, TODAY)
    assert [(m.district, m.since) for m in moved.membership] == [
        ("1708201", date(2020, 9, 1)),
        ("1708204", date(2026, 3, 1)),
    ]
    assert moved.path == f"/17/1708/1708204/{INSTITUTION}/"
    assert moved.version == 2


@pytest.mark.parametrize(
    ("district", "since", "rule"),
    [
        ("1708201", date(2026, 3, 1), "same_district"),
        ("1708204", date(2020, 9, 1), "not_after"),
        ("1708204", date(2026, 11, 24), "in_future"),
    ],
)
def test_move_out_of_order_is_refused(district: str, since: date, rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        institutions.move(an_institution(), institutions.MoveInstitution(district=district, since=since), TODAY)
    assert [error.rule for error in refused.value.errors] == [rule]


def test_closed_institution_takes_no_more_work() -> None:
    _, closed = institutions.close(an_institution(), institutions.CloseInstitution(closed_on=TODAY), TODAY)
    assert closed.status is InstitutionStatus.CLOSED
    with pytest.raises(WrongState):
        institutions.update(closed, institutions.UpdateInstitution(name="Yangi"))
    with pytest.raises(WrongState):
        institutions.report_enrolment(closed, None, "2025-26", institutions.ReportEnrolment(places=1))


def test_merged_institution_lies_below_its_successor_from_that_day_on() -> None:
    on = date(2026, 3, 1)
    successor = another_institution("1708204")
    command = institutions.MergeInstitution(successor_id=successor.id, merged_on=on)
    kind, merged = institutions.merge(an_institution(), successor, command, TODAY)
    assert kind.name == "hamkor.partners.institution.merged.v1"
    assert (merged.status, merged.closed_on, merged.successor_id) == (InstitutionStatus.CLOSED, on, successor.id)
    assert [(m.district, m.since) for m in merged.membership] == [("1708201", date(2020, 9, 1)), ("1708204", on)]
    assert merged.path == f"/17/1708/1708204/{successor.id}/{INSTITUTION}/"
    # Wherever the successor goes it goes along, and back again; a move that changes nothing for it is none.
    away = institutions.MoveInstitution(district="1708201", since=date(2026, 5, 1))
    _, gone = institutions.move(successor, away, TODAY)
    _, followed = institutions.follow(merged, gone) or pytest.fail("it follows")
    assert [m.district for m in followed.membership] == ["1708201", "1708204", "1708201"]
    assert followed.version == merged.version + 1
    assert institutions.follow(followed, gone) is None
    # So it does when the successor is merged in its turn, though that moves it nowhere.
    last = another_institution("1708201", 3)
    _, ended = institutions.merge(gone, last, command.model_copy(update={"merged_on": date(2026, 6, 1)}), TODAY)
    _, below = institutions.follow(followed, ended) or pytest.fail("it follows")
    assert below.membership == followed.membership
    assert below.path == f"/17/1708/1708201/{last.id}/{gone.id}/{INSTITUTION}/"
    _, back = institutions.follow(followed, successor) or pytest.fail("it follows")
    assert back.membership == merged.membership
    # Undone, it is where it was.
    kind, reopened = institutions.reopen(followed)
    assert kind.name == "hamkor.partners.institution.reopened.v1"
    before = an_institution()
    assert reopened.model_copy(update={"version": before.version}) == before


def test_merge_within_a_district_moves_nothing() -> None:
    successor = another_institution("1708201")
    command = institutions.MergeInstitution(successor_id=successor.id, merged_on=date(2026, 3, 1))
    _, merged = institutions.merge(an_institution(), successor, command, TODAY)
    assert merged.membership == an_institution().membership
    _, reopened = institutions.reopen(merged)
    assert (reopened.membership, reopened.path) == (an_institution().membership, an_institution().path)


def test_closed_institution_comes_back_where_it_was() -> None:
    _, moved = institutions.move(
        an_institution(), institutions.MoveInstitution(district="1708204", since=date(2026, 3, 1)), TODAY
    )
    _, closed = institutions.close(moved, institutions.CloseInstitution(closed_on=date(2026, 2, 1)), TODAY)
    _, reopened = institutions.reopen(closed)
    assert reopened.membership == moved.membership
    with pytest.raises(WrongState):
        institutions.reopen(reopened)


@pytest.mark.parametrize(("merged_on", "rule"), [(date(2020, 9, 1), "not_after"), (date(2026, 11, 24), "in_future")])
def test_merge_out_of_order_is_refused(merged_on: date, rule: str) -> None:
    successor = another_institution("1708204")
    command = institutions.MergeInstitution(successor_id=successor.id, merged_on=merged_on)
    with pytest.raises(InvalidInput) as refused:
        institutions.merge(an_institution(), successor, command, TODAY)
    assert [(error.field, error.rule) for error in refused.value.errors] == [("merged_on", rule)]


def test_merge_needs_two_institutions_at_work() -> None:
    on = date(2026, 3, 1)
    itself = institutions.MergeInstitution(successor_id=INSTITUTION, merged_on=on)
    with pytest.raises(InvalidInput) as refused:
        institutions.merge(an_institution(), an_institution(), itself, TODAY)
    assert [error.rule for error in refused.value.errors] == ["same_institution"]
    successor = another_institution("1708204")
    _, closed = institutions.close(successor, institutions.CloseInstitution(closed_on=on), TODAY)
    command = institutions.MergeInstitution(successor_id=successor.id, merged_on=on)
    for one, other in ((an_institution(), closed), (closed, an_institution())):
        with pytest.raises(WrongState):
            institutions.merge(one, other, command, TODAY)


def test_second_report_of_a_year_is_a_correction_of_the_same_aggregate() -> None:
    institution = an_institution()
    kind, first = institutions.report_enrolment(institution, None, "2025-26", institutions.ReportEnrolment(places=90))
    assert kind is ENROLMENT_REPORTED
    kind, second = institutions.report_enrolment(
        institution, first, "2025-26", institutions.ReportEnrolment(places=100, first_choice=120)
    )
    assert kind is ENROLMENT_CORRECTED
    assert (second.id, second.version, second.places, second.graduates) == (first.id, 2, 100, None)


def test_programmes_with_the_same_code_twice_are_refused() -> None:
    programme = institutions.ProgrammeInput(
        code="5321", title="Payvandchi", isced_level=3, isced_field="0715", occupations=("7212",)
    )
    with pytest.raises(InvalidInput) as refused:
        institutions.set_programmes(an_institution(), institutions.SetProgrammes(programmes=(programme, programme)))
    assert refused.value.errors[0].field == "programmes.1.code"


@pytest.mark.parametrize(
    "stir", ["123456789", "0301234567", "30123456", "3012345678", "30123456a", "", "٣٠١٢٣٤٥٦٧", "3٠1234567"]
)
def test_wrong_stir_is_refused(stir: str) -> None:
    with pytest.raises(ValidationError):
        an_enterprise(stir=stir)


@pytest.mark.parametrize("year", ["2025-27", "2025/26", "20٢5-26", "2025-26\n", "1925-26"])
def test_wrong_academic_year_is_refused(year: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AcademicYear).validate_python(year)


def test_merge_names_the_one_that_lives_on_and_happens_once() -> None:
    lives, ends = an_enterprise("0198-a"), an_enterprise("0198-b", "301234568")
    _, merged = enterprises.merge(ends, lives)
    assert merged.merged_into == lives.id
    with pytest.raises(WrongState):
        enterprises.merge(merged, lives)
    with pytest.raises(WrongState):
        enterprises.merge(lives, merged)
    with pytest.raises(InvalidInput):
        enterprises.merge(lives, lives)


def a_partnership(**changes: object) -> partnerships.RecordPartnership:
    given: dict[str, object] = {
        "institution_id": INSTITUTION,
        "category": "enterprise",
        "enterprise_id": "0198a",
        "forms": ["AF1"],
        "opportunities": ["O4"],
        "since": date(2026, 1, 1),
    }
    return partnerships.RecordPartnership.model_validate(given | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"enterprise_id": None},
        {"category": "hokimiyat"},
        {"partner_ref": "H-1"},
        {"stage": "ended"},
        {"forms": []},
        {"opportunities": ["O8"]},
    ],
)
def test_partner_must_fit_its_category(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        a_partnership(**changes)


def test_ended_partnership_takes_no_change() -> None:
    _, state = partnerships.record("p", a_partnership())
    today = date(2026, 9, 1)
    kind, ended = partnerships.update(state, partnerships.UpdatePartnership(stage=PartnershipStage.ENDED), today)
    assert kind is PARTNERSHIP_ENDED
    with pytest.raises(WrongState):
        partnerships.update(ended, partnerships.UpdatePartnership(stage=PartnershipStage.EXISTING), today)
    tomorrow = partnerships.UpdatePartnership(stage=PartnershipStage.EXISTING, changed_on=date(2026, 9, 2))
    with pytest.raises(InvalidInput):
        partnerships.update(state, tomorrow, today)


def test_what_a_partnership_was_stays_told() -> None:
    today = date(2026, 9, 1)
    _, state = partnerships.record("p", a_partnership(stage="future", since=date(2024, 3, 1)))

    def then(state: PartnershipState, **changes: Any) -> PartnershipState:
        return partnerships.update(state, partnerships.UpdatePartnership(**changes), today)[1]

    def told(state: PartnershipState) -> list[tuple[str, date]]:
        return [(each.stage.value, each.since) for each in state.stages]

    existing = then(state, stage="existing", changed_on=date(2026, 2, 1))
    assert told(existing) == [("future", date(2024, 3, 1)), ("existing", date(2026, 2, 1))]
    assert told(then(existing, forms=["AF2"])) == told(existing)
    assert told(then(existing, changed_on=date(2026, 1, 1)))[1:] == [("existing", date(2026, 1, 1))]
    assert told(then(existing, stage="ended")) == [*told(existing), ("ended", today)]
    # One that was existing from the day on which it was planned was never only planned.
    assert told(then(state, stage="existing", changed_on=date(2024, 3, 1))) == [("existing", date(2024, 3, 1))]
    # Told before stages were kept.
    old = state.model_copy(update={"stages": ()})
    assert told(then(old, stage="ended")) == [("future", date(2024, 3, 1)), ("ended", today)]


NAMES = {"uz": "a", "uz-Cyrl": "а", "ru": "а", "en": "a"}


def test_territory_knows_level_and_parent_from_its_code() -> None:
    outcome = territory.record("1708201", None, territory.RecordTerritory(names=NAMES))
    assert outcome is not None
    state = outcome[1]
    assert (state.level, state.parent, state.path) == ("district", "1708", "/17/1708/1708201/")
    assert territory.record("1708201", state, territory.RecordTerritory(names=NAMES)) is None


@pytest.mark.parametrize("soato", ["", "1", "170", "17082", "1808201", "17a8201", "17082011"])
def test_wrong_territory_code_is_refused(soato: str) -> None:
    with pytest.raises(InvalidInput):
        territory.record(soato, None, territory.RecordTerritory(names=NAMES))
