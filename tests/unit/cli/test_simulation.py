"""The demo's country and its work: the same for the same seed, in the order of days, acceptable to the services."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from deploy.api_client import Answer, Problem
from deploy.cli.simulation.acts import Act, Deed, Interview, Look, Response, TakeUp, Work
from deploy.cli.simulation.answers import answer
from deploy.cli.simulation.chance import chance
from deploy.cli.simulation.country import SECTORS, Country, districts, plan, region_weights
from deploy.cli.simulation.lives import life, something
from deploy.cli.simulation.work import Calendar, Enterprise, Institution, World, by_day, survey
from services.agreements.domain.agreements import DraftAgreement
from services.partners.domain.enterprises import RegisterEnterprise
from services.partners.domain.institutions import RegisterInstitution, ReportEnrolment, SetProgrammes
from services.partners.domain.partnerships import RecordPartnership
from services.surveys.domain.answers import check
from services.surveys.domain.documents import document_of
from services.surveys.instruments import InstrumentLibrary
from shared.contracts.codes import isco_unit_groups, isic_sections
from shared.contracts.vocabulary import InstitutionKind

TODAY = date(2026, 11, 23)
LIBRARY = InstrumentLibrary.load()


def a_world(country: Country) -> World:
    world = World(TODAY, instruments={each.code: document_of(each) for each in LIBRARY.latest})
    for number, planned in enumerate(country.enterprises):
        id_ = f"0198e000-0000-7000-8000-{number:012d}"
        world.add(Enterprise(id_, planned.sector, planned.district[:4], planned.double_of is not None))
    return world


def played(work: Work, refuse: str = "") -> Iterator[Deed]:
    """The deeds of a work on a platform that says yes to all, but for acts called `refuse`."""
    states: dict[str, dict[str, Any]] = {}
    try:
        deed = next(work)
        while True:
            yield deed
            if isinstance(deed, Act) and deed.what == refuse:
                deed = work.throw(Problem(409, "wrong-state", "No"))
            else:
                deed = work.send(Answer(200, an_answer(deed, states)))
    except (StopIteration, Problem):
        return


MEETING = {"meeting_id": "t1", "decisions": []}


def an_answer(deed: Deed, states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(deed, Act):
        return {"items": []}
    body = dict(deed.body or {})
    id_ = next((part for part in deed.path.split("/") if part in states), f"0198f000-0000-7000-8000-{len(states):012d}")
    state = states.setdefault(id_, {"id": id_, "version": 0, "schedule": [], "meetings": [MEETING], **body})
    state["version"] += 1
    state["schedule"] = body.get("terms", state["schedule"])
    return {**state, "items": [{"code": f"C{id_}-{place}"} for place in range(body.get("count", 0))]}


def deeds_of(country: Country, place: int = 0, refuse: str = "") -> list[Deed]:
    planned = country.institutions[place]
    work = life(planned, a_world(country), chance(country.seed, planned.code), date(2026, 8, 25), doubles=True)
    return list(played(work, refuse))


def test_same_seed_is_the_same_country_and_another_is_another() -> None:
    assert plan(1, 40) == plan(1, 40)
    assert plan(1, 40) != plan(2, 40)


def test_country_covers_all_regions_in_proportion() -> None:
    country = plan(1, 300)
    by_region = dict.fromkeys(region_weights(), 0)
    for institution in country.institutions:
        assert institution.district in {each.soato for each in districts()[institution.district[:4]]}
        by_region[institution.district[:4]] += 1
    weights = region_weights()
    for region, count in by_region.items():
        assert abs(count - 300 * weights[region] / sum(weights.values())) <= 1
    assert {each.kind for each in country.institutions} == set(InstitutionKind)
    assert any(each.moves_to for each in country.institutions)


def test_enterprises_are_as_the_register_wants_them() -> None:
    country = plan(3, 200)
    assert len({each.stir for each in country.enterprises}) == len(country.enterprises)
    for each in country.enterprises:
        RegisterEnterprise(
            stir=each.stir, name=each.name, size=each.size, isic_section=each.sector, district=each.district
        )
    assert [each for each in country.enterprises if each.double_of is not None]


def test_trades_are_occupations_of_isco_and_sectors_sections_of_isic() -> None:
    for sector in SECTORS:
        assert sector.section in isic_sections()
        assert {isco for _, isco, _ in sector.trades} <= isco_unit_groups()


def test_work_is_the_same_for_the_same_seed() -> None:
    country = plan(1, 20)
    assert deeds_of(country, 3) == deeds_of(country, 3)


def test_work_goes_from_day_to_day_and_never_beyond_today() -> None:
    country = plan(1, 20)
    for place in range(20):
        days = [deed.on for deed in deeds_of(country, place)]
        assert days == sorted(days)
        assert days[-1] <= TODAY


MODELS: dict[str, type[Any]] = {
    "institution.register": RegisterInstitution,
    "institution.programmes": SetProgrammes,
    "enrolment.report": ReportEnrolment,
    "partnership.record": RecordPartnership,
    "agreement.draft": DraftAgreement,
}


def test_commands_are_as_the_services_want_them() -> None:
    country = plan(1, 20)
    seen = set()
    for place in range(20):
        for deed in deeds_of(country, place):
            if isinstance(deed, Act) and deed.what in MODELS:
                MODELS[deed.what].model_validate(deed.body)
                seen.add(deed.what)
    assert seen == MODELS.keys()


def test_every_kind_of_act_happens_in_a_country_of_some_size() -> None:
    country = plan(1, 60)
    done = {deed.what for place in range(60) for deed in deeds_of(country, place) if isinstance(deed, Act)}
    for aggregate, steps in {
        "agreement": "draft sign cancel amend suspend resume end",
        "activity": "record cancel",
        "employment": "report correct confirm cancel end",
        "partnership": "record update",
        "campaign": "plan codes open close",
    }.items():
        assert {f"{aggregate}.{step}" for step in steps.split()} <= done


def test_refused_deed_ends_its_own_work_alone() -> None:
    def two(name: str) -> Work:
        for day in (1, 3):
            yield Act(date(2026, 1, day), name, "ministry", "POST", "partners", "/v1/x")

    whole = [deed.what for deed in played(by_day([two("a"), two("b")]), refuse="a") if isinstance(deed, Act)]
    assert whole == ["a", "b", "b"]


def test_institution_that_is_refused_does_nothing_else() -> None:
    assert len(deeds_of(plan(1, 5), 0, refuse="institution.register")) == 1


@pytest.mark.parametrize("code", ["S1", "S2", "S3", "S4", "S5"])
def test_answers_are_accepted_by_the_questionnaire(code: str) -> None:
    instrument = LIBRARY.get(code)
    for number in range(50):
        fields = answer(chance(code, number), document_of(instrument), mood=number / 25 - 1)
        sent = {name: [value] if isinstance(value, str) else value for name, value in fields.items()}
        assert check(instrument, sent).faults == ()


def test_life_as_it_happens_is_all_today() -> None:
    country = plan(1, 20)
    world = a_world(country)
    institution = Institution(
        "0198e000", "D1-00001", InstitutionKind.TECHNIKUM, "C", country.institutions[0].district[:4]
    )
    for number in range(100):
        deeds = list(played(something(institution, world, chance(number))))
        assert deeds
        assert {deed.on for deed in deeds} == {TODAY}
        assert all(isinstance(deed, Act | Look | Response | TakeUp | Interview) for deed in deeds)


def test_survey_answers_with_codes_that_were_issued() -> None:
    country = plan(1, 20)
    world = a_world(country)
    institution = Institution("0198e000", "D1-00001", InstitutionKind.TECHNIKUM, "C", "1708")
    deeds = list(played(survey(institution, world, chance(1), Calendar(TODAY, TODAY))))
    responses = [deed for deed in deeds if isinstance(deed, Response)]
    assert len({each.code for each in responses}) == len(responses) > 5
