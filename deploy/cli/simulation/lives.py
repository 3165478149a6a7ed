"""Whole lives: all that one institution does from registration to today, and one piece of work as it happens."""

from collections.abc import Iterable, Sequence
from datetime import date
from random import Random

from deploy.api_client import Answer
from deploy.cli.simulation.acts import Work
from deploy.cli.simulation.advice import heed
from deploy.cli.simulation.country import PlannedInstitution, tilt
from deploy.cli.simulation.method import final_stage, preparation, visit
from deploy.cli.simulation.practice import incomes, outcome, placements, practice, session
from deploy.cli.simulation.reporting import report
from deploy.cli.simulation.work import (
    Calendar,
    Enterprise,
    Institution,
    World,
    agreement,
    begun_within,
    by_day,
    correct_figures,
    employment,
    figures,
    follow_up,
    move,
    other_partnership,
    partnership,
    register_institution,
    survey,
)
from shared.contracts.vocabulary import Form


def life(planned: PlannedInstitution, world: World, random: Random, start: date, *, doubles: bool = False) -> Work:
    """All that one institution does from `start` to today: registration first, then everything beside each other.

    With `doubles` its partners may be entries of the register that are duplicates.
    """
    calendar = Calendar(start, world.today)
    institution = yield from register_institution(planned, random, calendar)
    vigour = min(2.5, random.lognormvariate(0, 0.5)) * tilt(institution.region, "vigour") * calendar.length / 90
    works: list[Work] = [figures(institution, random, calendar)]
    partners = world.partners_of(institution, random, random.randint(3, 6), doubles=doubles)
    works += [
        partnership(institution, partner, random, begun_within(random, calendar, 0.3))
        for partner in partners[: random.randint(1, 3)]
    ]
    if random.random() < 0.3:
        works.append(other_partnership(institution, random, begun_within(random, calendar, 0.5)))
    works += [
        agreement(institution, partners, f"A{number:03d}", random, begun_within(random, calendar, 0.8), also)
        for number in range(max(1, round(2.5 * vigour)))
    ]
    for number in range(round(2.0 * vigour)):
        ref = f"G{institution.code}-L{number:03d}"
        works.append(
            employment(institution, random.choice(partners), ref, random, begun_within(random, calendar, 0.95))
        )
    if random.random() < 0.24 and world.instruments:
        works.append(survey(institution, world, random, Calendar(world.today, world.today)))
    works += by_the_method(institution, partners, random, calendar)
    if planned.moves_to is not None:
        works.append(move(institution, planned.moves_to, calendar))
    yield from by_day(works)


def by_the_method(
    institution: Institution, partners: Sequence[Enterprise], random: Random, calendar: Calendar
) -> Iterable[Work]:
    """Preparation, visits, the final stage, and what graduates, sessions and incomes are reported of."""
    if random.random() < 0.7:
        yield preparation(institution, partners, random, begun_within(random, calendar, 0.3))
    for partner in partners[: random.randint(0, 2)]:
        yield visit(institution, partner, random, begun_within(random, calendar, 0.8))
    if random.random() < 0.5:
        yield final_stage(institution, random, begun_within(random, calendar, 0.6))
    if random.random() < 0.6:
        yield incomes(institution, random, begun_within(random, calendar, 0.9))
    if random.random() < 0.3:
        yield session(institution, random, begun_within(random, calendar, 0.9))
    for number in range(random.randint(0, 4)):
        ref = f"G{institution.code}-O{number:03d}"
        yield outcome(institution, random.choice(partners), ref, random, begun_within(random, calendar, 0.95))


def also(
    institution: Institution, partner: Enterprise, signed: Answer, form: Form, random: Random, calendar: Calendar
) -> Iterable[Work]:
    """What a signed agreement of this form brings besides activities."""
    if form is Form.AF1:
        if signed.body["schedule"]:
            yield placements(institution, partner, signed.body, random, calendar)
    else:
        yield practice(institution, partner, signed.id, form, random, calendar)


def something(institution: Institution, world: World, random: Random) -> Work:
    """One piece of today's work of an institution."""
    calendar = Calendar(world.today, world.today, at_once=True)
    partners = world.partners_of(institution, random, 4)
    kind = random.random()
    if kind < 0.3:
        return agreement(institution, partners, f"{random.getrandbits(40):010x}", random, calendar, also)
    if kind < 0.34:
        return visit(institution, random.choice(partners), random, calendar)
    if kind < 0.38:
        return report(institution, random, calendar)
    if kind < 0.44:
        return heed(institution, random, calendar)
    if kind < 0.66:
        return follow_up(institution, random, calendar)
    if kind < 0.86:
        ref = f"G{institution.code}-{random.getrandbits(40):010x}"
        if random.random() < 0.2:
            return outcome(institution, random.choice(partners), ref, random, calendar)
        return employment(institution, random.choice(partners), ref, random, calendar)
    if kind < 0.95 or not world.instruments:
        return correct_figures(institution, random, calendar)
    return survey(institution, world, random, calendar)
