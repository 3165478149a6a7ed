"""How well an institution and an enterprise suit each other: five considerations, each a number with its reasons.

The score is the sum of every consideration (0 to 1) times its weight; nothing else goes in, so that whoever reads a
list can say why one stands above another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.contracts.partners import PartnershipStage
from shared.contracts.preparation import ListingState
from shared.contracts.vocabulary import EnterpriseSize


class Consideration(StrEnum):
    """What is weighed."""

    FIT = "fit"
    EXCHANGE = "exchange"
    DISTANCE = "distance"
    HISTORY = "history"
    SIZE = "size"


WEIGHTS: Mapping[Consideration, float] = {
    Consideration.FIT: 0.40,  # nothing makes up for a trade that is not taught
    Consideration.EXCHANGE: 0.25,  # what one says it needs and the other offers
    Consideration.DISTANCE: 0.15,  # students travel every day
    Consideration.HISTORY: 0.12,  # what has worked, or has not
    Consideration.SIZE: 0.08,  # places for practice and for graduates
}

NEAR: Mapping[str, float] = {"same_district": 1.0, "same_region": 0.6, "other_region": 0.1}
BIG: Mapping[EnterpriseSize, float] = {
    EnterpriseSize.LARGE: 1.0,
    EnterpriseSize.MEDIUM: 0.8,
    EnterpriseSize.SMALL: 0.5,
    EnterpriseSize.MICRO: 0.2,
}
TOGETHER: Mapping[PartnershipStage | None, float] = {
    PartnershipStage.EXISTING: 1.0,
    PartnershipStage.FUTURE: 0.8,
    None: 0.5,  # strangers: nothing speaks against them
    PartnershipStage.ENDED: 0.0,
}

SAME_SECTOR = 0.5
"""What the institution's own sector counts beside its programmes."""

# ISIC section → ISCO-08 groups (major, sub-major or minor) that it typically employs, and how typically: 1 – the trade
# itself, 0.6 – a usual part of such enterprises, 0.3 – found in many of them. Where two prefixes fit, the longer one
# counts. The reasoning is ISCO's own: groups 6–8 are made by what is produced, which is what ISIC's sections divide.
TYPICAL: Mapping[str, Mapping[str, float]] = {
    "A": {"61": 1, "62": 1, "63": 0.6, "92": 1, "834": 0.6, "314": 0.6, "225": 0.6, "324": 0.6, "2132": 0.6},
    "B": {"81": 0.6, "811": 1, "931": 1, "311": 0.6, "312": 0.6, "2146": 1, "834": 0.6, "72": 0.3},
    # makes things: metal, machinery, food, textile and wood trades, assemblers, plant operators and their technicians
    "C": {"72": 1, "73": 0.6, "75": 1, "81": 1, "82": 1, "74": 0.6, "31": 0.6, "214": 0.6, "932": 1, "43": 0.3},
    "D": {"74": 1, "313": 1, "311": 0.6, "215": 1, "818": 0.6, "72": 0.3},
    "E": {"313": 0.6, "712": 0.6, "96": 1, "833": 0.3, "2143": 0.6, "311": 0.3},
    "F": {"71": 1, "741": 0.6, "7212": 0.6, "312": 0.6, "214": 0.6, "216": 0.6, "834": 0.6, "931": 1},
    # trade, and the repair of motor vehicles
    "G": {"52": 1, "723": 0.6, "332": 0.6, "33": 0.3, "142": 0.6, "43": 0.3, "243": 0.3, "95": 0.3},
    "H": {"83": 1, "432": 1, "315": 1, "511": 0.6, "7231": 0.6, "933": 0.6, "42": 0.3},
    "I": {"512": 1, "513": 1, "94": 1, "141": 0.6, "3434": 1, "7512": 0.6, "515": 0.6, "422": 0.6},
    "J": {"25": 1, "35": 1, "7422": 1, "742": 0.6, "133": 0.6, "264": 0.6, "216": 0.3, "732": 0.6},
    "K": {"331": 1, "241": 1, "421": 1, "431": 0.6, "33": 0.6, "25": 0.3},
    "L": {"3334": 1, "515": 0.6, "333": 0.6, "261": 0.3, "71": 0.3},
    "M": {"21": 1, "24": 0.6, "261": 1, "31": 0.6, "41": 0.3, "25": 0.3, "216": 1},
    "N": {"54": 1, "91": 1, "515": 0.6, "4221": 1, "41": 0.6, "333": 0.6, "811": 0.3},
    "O": {"335": 1, "41": 0.6, "541": 0.6, "24": 0.3, "261": 0.3, "0": 0.3},
    "P": {"23": 1, "531": 1, "34": 0.3, "134": 0.3},
    "Q": {"22": 1, "32": 1, "532": 1, "2635": 0.6, "3412": 0.6, "134": 0.3},
    "R": {"265": 1, "264": 0.3, "342": 1, "343": 0.6, "731": 0.6, "262": 0.6},
    # repair of household goods and computers, hairdressers and other personal services
    "S": {"514": 1, "516": 0.6, "742": 0.6, "7531": 0.6, "7536": 0.6, "753": 0.3, "8157": 0.6},
    "T": {"911": 1, "5152": 1, "531": 0.6, "532": 0.6, "63": 0.6},
    "U": {"33": 0.3, "41": 0.3, "26": 0.3},
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rank is what it is: the consideration, its code, its value from 0 to 1, and numbers for the text."""

    of: Consideration
    code: str
    value: float
    params: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return round(WEIGHTS[self.of] * self.value, 4)


@dataclass(frozen=True, slots=True)
class Institution:
    """What is weighed of an institution: the occupations (ISCO-08 unit groups) that its programmes train for."""

    district: str
    sector: str | None
    occupations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Enterprise:
    """What is weighed of an enterprise."""

    district: str
    isic_section: str
    size: EnterpriseSize


@dataclass(frozen=True, slots=True)
class Listings:
    """What one side needs and offers at present."""

    needs: Sequence[ListingState] = ()
    offers: Sequence[ListingState] = ()


def weigh(
    institution: Institution,
    enterprise: Enterprise,
    *,
    theirs: tuple[Listings, Listings] = (Listings(), Listings()),
    together: PartnershipStage | None = None,
) -> list[Reason]:
    """The reasons, weightiest consideration first; `theirs` are the institution's and the enterprise's listings."""
    return [
        *fit(institution, enterprise.isic_section),
        *exchange(*theirs),
        distance(institution.district, enterprise.district),
        history(together),
        Reason(Consideration.SIZE, f"size_{enterprise.size.value}", BIG[enterprise.size]),
    ]


def total(reasons: Iterable[Reason]) -> float:
    """The score, from 0 to 1."""
    return round(sum(reason.points for reason in reasons), 4)


def fit(institution: Institution, section: str) -> list[Reason]:
    """Sector–programme fit: the own sector, and the programme that suits the section best.

    What an institution has not said (no sector, no programmes) leaves the other to speak alone.
    """
    own = float(institution.sector == section)
    suits = {code: typical(section, code) for code in institution.occupations}
    best = max(suits.values(), default=0.0)
    shares = (0.0 if institution.sector is None else SAME_SECTOR, 1 - SAME_SECTOR if institution.occupations else 0.0)
    whole = sum(shares) or 1.0
    reasons = []
    if own:
        params: dict[str, str | int | float] = {"section": section}
        reasons.append(Reason(Consideration.FIT, "same_sector", own * shares[0] / whole, params))
    if best:
        suited = sorted(code for code, how in suits.items() if how == best)
        params = {"section": section, "count": len(suited), "professions": ", ".join(suited[:5])}
        reasons.append(Reason(Consideration.FIT, "programmes_suit", best * shares[1] / whole, params))
    return reasons


def typical(section: str, occupation: str) -> float:
    """How typically enterprises of an ISIC section employ an ISCO-08 unit group, from 0 to 1."""
    groups = TYPICAL.get(section, {})
    return next((groups[occupation[:size]] for size in (4, 3, 2, 1) if occupation[:size] in groups), 0.0)


def exchange(institution: Listings, enterprise: Listings) -> list[Reason]:
    """Need–offer fit, in both directions; the best pair each way, both ways together at most 1."""
    ways = (
        ("enterprise_offers", institution.needs, enterprise.offers),
        ("enterprise_needs", enterprise.needs, institution.offers),
    )
    reasons = []
    for code, needs, offers in ways:
        pairs = [(_meets(need, offer), need) for need in needs for offer in offers]
        value, need = max(pairs, key=lambda pair: (pair[0], pair[1].id), default=(0.0, None))
        if need is not None and value:
            params = {"opportunity": need.opportunity.value, "profession": need.profession or "–"}
            reasons.append(Reason(Consideration.EXCHANGE, code, value / len(ways), params))
    return reasons


def _meets(need: ListingState, offer: ListingState) -> float:
    """0.5 for the same opportunity, more for the same form, and for the same profession or its sub-major group."""
    if need.opportunity is not offer.opportunity:
        return 0.0
    value = 0.5
    if need.form is not None and need.form is offer.form:
        value += 0.2
    if need.profession is not None and offer.profession is not None:
        if need.profession == offer.profession:
            value += 0.3
        elif need.profession[:2] == offer.profession[:2]:
            value += 0.15
    return value


def distance(one: str, other: str) -> Reason:
    """By territory: the same district, the same region (its districts are neighbours), another."""
    code = "same_district" if one == other else "same_region" if one[:4] == other[:4] else "other_region"
    return Reason(Consideration.DISTANCE, code, NEAR[code])


def history(together: PartnershipStage | None) -> Reason:
    """By the partnership of the two, if there is or was one."""
    code = f"partnership_{together.value}" if together else "no_partnership_yet"
    return Reason(Consideration.HISTORY, code, TOGETHER[together])
