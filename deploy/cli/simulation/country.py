"""The country of the demo: institutions and enterprises on the real territory, the same for the same seed."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from random import Random
from typing import Any, Final

from deploy.cli.simulation.chance import chance
from shared.contracts.codes import REFERENCE
from shared.contracts.vocabulary import EnterpriseSize, InstitutionKind

KINDS: Final[Mapping[InstitutionKind, float]] = {
    InstitutionKind.TECHNIKUM: 34,
    InstitutionKind.VOCATIONAL_SCHOOL: 28,
    InstitutionKind.SCHOOL: 16,
    InstitutionKind.COLLEGE: 12,
    InstitutionKind.LYCEUM: 6,
    InstitutionKind.UNIVERSITY: 4,
}
"""Shares among institutions that cooperate; of all institutions, general schools are the most by far."""

KIND_NAMES: Final[Mapping[InstitutionKind, str]] = {
    InstitutionKind.TECHNIKUM: "{n}-son texnikumi",
    InstitutionKind.VOCATIONAL_SCHOOL: "{n}-son kasb-hunar maktabi",
    InstitutionKind.SCHOOL: "{n}-son umumiy oʻrta taʼlim maktabi",
    InstitutionKind.COLLEGE: "{n}-son kolleji",
    InstitutionKind.LYCEUM: "{n}-son akademik litseyi",
    InstitutionKind.UNIVERSITY: "universiteti {n}-filiali",
}
PLACES: Final[Mapping[InstitutionKind, tuple[int, int]]] = {
    InstitutionKind.TECHNIKUM: (120, 360),
    InstitutionKind.VOCATIONAL_SCHOOL: (90, 240),
    InstitutionKind.SCHOOL: (40, 110),
    InstitutionKind.COLLEGE: (90, 270),
    InstitutionKind.LYCEUM: (100, 240),
    InstitutionKind.UNIVERSITY: (300, 900),
}
ISCED_LEVELS: Final[Mapping[InstitutionKind, int]] = {
    InstitutionKind.TECHNIKUM: 5,
    InstitutionKind.VOCATIONAL_SCHOOL: 3,
    InstitutionKind.SCHOOL: 3,
    InstitutionKind.COLLEGE: 4,
    InstitutionKind.LYCEUM: 3,
    InstitutionKind.UNIVERSITY: 6,
}


@dataclass(frozen=True, slots=True)
class Sector:
    """An ISIC section: its share of enterprises, the words of their names, and what one learns for it.

    `trades` are (ISCED-F field, ISCO-08 unit group, title in Uzbek).
    """

    section: str
    share: float
    words: tuple[str, ...]
    trades: tuple[tuple[str, str, str], ...]


SECTORS: Final = (
    Sector("A", 18, ("Agro", "Bogʻ", "Dehqon", "Paxta"), (
        ("0811", "6111", "Dalachi-sabzavotchi"), ("0811", "6112", "Bogʻbon"), ("0811", "6121", "Chorvador"),
        ("0716", "7233", "Qishloq xoʻjaligi texnikasi ustasi"),
    )),
    Sector("C", 29, ("Tekstil", "Plast", "Mebel", "Metall", "Gilam", "Non"), (
        ("0723", "8153", "Tikuv mashinasi operatori"), ("0723", "7531", "Tikuvchi-bichuvchi"),
        ("0715", "7212", "Payvandchi"), ("0715", "7223", "Stanok sozlovchi"),
        ("0722", "7522", "Mebel ustasi"), ("0721", "7512", "Novvoy-qandolatchi"),
    )),
    Sector("D", 2, ("Energo", "Elektr"), (
        ("0713", "7412", "Elektromexanik"), ("0713", "7413", "Elektr tarmogʻi ustasi"),
    )),
    Sector("F", 14, ("Qurilish", "Gʻisht", "Montaj"), (
        ("0732", "7112", "Gʻisht teruvchi"), ("0732", "7115", "Duradgor"),
        ("0732", "7126", "Santexnik"), ("0713", "7411", "Elektrik"),
    )),
    Sector("G", 13, ("Savdo", "Market", "Baraka"), (("0416", "5223", "Sotuvchi"), ("0416", "5230", "Kassir"))),
    Sector("H", 8, ("Trans", "Avto", "Logistik"), (
        ("1041", "8332", "Yuk avtomobili haydovchisi"), ("0716", "7231", "Avtomobil ustasi"),
        ("1041", "4321", "Ombor hisobchisi"),
    )),
    Sector("I", 6, ("Mehmon", "Choyxona", "Turon"), (("1013", "5120", "Oshpaz"), ("1013", "5131", "Ofitsiant"))),
    Sector("J", 4, ("Soft", "Raqam", "Aloqa"), (("0613", "2512", "Dasturchi"), ("0612", "3512", "Kompyuter ustasi"))),
    Sector("Q", 4, ("Shifo", "Med"), (("0913", "3221", "Hamshira"),)),
    Sector("S", 2, ("Servis", "Nafosat"), (("1012", "5141", "Sartarosh"), ("1012", "5142", "Goʻzallik ustasi"))),
)  # fmt: skip
"""Shares follow the register of enterprises: manufacturing, farming, building and trade lead."""

SIZES: Final[Mapping[EnterpriseSize, float]] = {
    EnterpriseSize.MICRO: 38,
    EnterpriseSize.SMALL: 34,
    EnterpriseSize.MEDIUM: 20,
    EnterpriseSize.LARGE: 8,
}
LEGAL_FORMS: Final = ("MChJ", "MChJ", "MChJ", "XK", "AJ", "QK")
SECOND_WORDS: Final = ("Invest", "Servis", "Group", "Plyus", "Sanoat", "Yoʻli", "Nur", "Biznes")
UNIONS: Final = ("Sanoat xodimlari kasaba uyushmasi", "Agrosanoat kasaba uyushmasi", "Qurilish kasaba uyushmasi")


@dataclass(frozen=True, slots=True)
class District:
    """A district or city with its name in Uzbek."""

    soato: str
    name: str

    @property
    def region(self) -> str:
        """The region's code."""
        return self.soato[:4]


@dataclass(frozen=True, slots=True)
class PlannedEnterprise:
    """An enterprise to be registered; `double_of` is the place in the plan of the one it is a duplicate of."""

    stir: str
    name: str
    size: EnterpriseSize
    sector: str
    district: str
    union: str | None
    double_of: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedInstitution:
    """An institution to be registered; `moves_to` is a district it moves to half-way."""

    code: str
    name: str
    kind: InstitutionKind
    sector: str
    district: str
    opened_on: date
    moves_to: str | None = None


@dataclass(frozen=True)
class Country:
    """All that is planned; `number` distinguishes the work of institutions that are alike."""

    seed: int
    enterprises: tuple[PlannedEnterprise, ...]
    institutions: tuple[PlannedInstitution, ...]


@cache
def districts() -> Mapping[str, tuple[District, ...]]:
    """Districts by region, from the official territory."""
    found: dict[str, list[District]] = {}
    for row in _reference("territory.csv"):
        if row["level"] == "district":
            found.setdefault(row["parent"], []).append(District(row["soato"], row["name_uz_latn"]))
    return {region: tuple(inside) for region, inside in found.items()}


@cache
def region_weights() -> Mapping[str, float]:
    """School leavers by region: where the young are, there are the institutions."""
    return {row["soato"]: float(row["leavers_2025"]) for row in _reference("leavers.csv")}


@cache
def tilt(region: str, what: str) -> float:
    """How a region differs from the nation in something, around 1: regions are not alike, and neither is their map."""
    return chance("tilt", region, what).uniform(0.65, 1.4)


def sector(section: str) -> Sector:
    """The sector of an ISIC section; manufacturing where the demo has none."""
    return next((each for each in SECTORS if each.section == section), SECTORS[1])


def plan(seed: int, institutions: int) -> Country:
    """The country with that many institutions: every region from 14 institutions on, enterprises in proportion."""
    random = chance(seed, "country")
    where = list(_spread(random, institutions))
    count = max(6, round(institutions * 1.3))
    enterprises = [
        _enterprise(random, number, place) for number, place in enumerate(_enterprise_places(random, where, count))
    ]
    doubles = max(1, institutions // 100)
    for number in range(doubles):
        original = random.randrange(len(enterprises) - number)
        enterprises.append(_double(random, enterprises[original], original, len(enterprises)))
    planned = [_institution(random, seed, number, place) for number, place in enumerate(where)]
    return Country(seed, tuple(enterprises), tuple(planned))


def _spread(random: Random, count: int) -> Iterable[District]:
    """Regions by largest remainder of their weights, in an order that fills all of the map evenly."""
    weights = region_weights()
    total = sum(weights.values())
    exact = {region: count * weight / total for region, weight in weights.items()}
    given = {region: int(share) for region, share in exact.items()}
    for region in sorted(exact, key=lambda each: exact[each] - given[each], reverse=True)[
        : count - sum(given.values())
    ]:
        given[region] += 1
    chosen = []
    for region, number in given.items():
        inside = list(districts()[region])
        random.shuffle(inside)
        chosen += [inside[index % len(inside)] for index in range(number)]
    random.shuffle(chosen)
    return chosen


def _enterprise_places(random: Random, where: Sequence[District], count: int) -> Iterable[District]:
    """Enterprises sit where institutions are, or elsewhere in the same region."""
    for number in range(count):
        near = where[number % len(where)]
        yield near if random.random() < 0.5 else random.choice(districts()[near.region])


def _enterprise(random: Random, number: int, place: District) -> PlannedEnterprise:
    chosen = random.choices(SECTORS, [each.share for each in SECTORS])[0]
    stem = place.name.split()[0]
    name = f"“{stem} {random.choice(chosen.words)} {random.choice(SECOND_WORDS)}” {random.choice(LEGAL_FORMS)}"
    return PlannedEnterprise(
        stir=_stir(random, number),
        name=name,
        size=random.choices(list(SIZES), list(SIZES.values()))[0],
        sector=chosen.section,
        district=place.soato,
        union=random.choice(UNIONS) if random.random() < 0.25 else None,
    )


def _double(random: Random, original: PlannedEnterprise, place: int, number: int) -> PlannedEnterprise:
    """The same enterprise entered again under an old tax number."""
    return PlannedEnterprise(
        stir=_stir(random, number),
        name=original.name.upper(),
        size=original.size,
        sector=original.sector,
        district=original.district,
        union=None,
        double_of=place,
    )


def _stir(random: Random, number: int) -> str:
    """Nine digits, the first from 2 to 9, never the same twice: the last five count."""
    return f"{random.randint(2, 6)}{random.randint(0, 999):03d}{number % 100_000:05d}"


def _institution(random: Random, seed: int, number: int, place: District) -> PlannedInstitution:
    kind = random.choices(list(KINDS), list(KINDS.values()))[0]
    if kind is InstitutionKind.UNIVERSITY:
        name = f"{place.name.split()[0]} davlat {KIND_NAMES[kind].format(n=random.randint(1, 4))}"
    else:
        name = f"{place.name} {KIND_NAMES[kind].format(n=random.randint(1, 60))}"
    moves_to = None
    if number % 100 == 7:
        moves_to = next(each.soato for each in districts()[place.region] if each != place)
    return PlannedInstitution(
        code=f"D{seed}-{number + 1:05d}",
        name=name,
        kind=kind,
        sector=random.choices(SECTORS, [each.share for each in SECTORS])[0].section,
        district=place.soato,
        opened_on=date(random.randint(1965, 2022), 9, 1),
        moves_to=moves_to,
    )


def _reference(name: str) -> list[dict[str, Any]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
