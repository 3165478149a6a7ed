"""Names as Uzbek enterprises have them: two scripts, legal forms, persons, places, trades – and how people ask."""

from collections.abc import Iterator
from random import Random

from shared.contracts.codes import REFERENCE
from shared.transliteration import transliterate

FORMS = ("MCHJ", "XK", "AJ", "QK", "OK", "DUK", "YaTT", "fermer xoʻjaligi", "OOO", "ЧП")
FIRST = """
    nur oltin yangi buyuk ziyo baraka zarafshon turon samarqand jizzax shams mega euro asia grand orient silk
    sharq universal best premium global star city royal golden green smart tech uz sirdaryo fargʻona xorazm
    buxoro navoiy toshkent chirchiq amudaryo sogʻdiyona mustaqillik doʻstlik istiqlol zamon hayot umid ishonch
    sadoqat gulshan bahor
""".split()  # noqa: SIM905 - read as a list of words
TRADES = """
    plastmassa qurilish savdo servis tekstil mebel agro invest trans logistika stroy metall oziqovqat sut goʻsht
    un paxta teks elektr energo gaz neft kimyo farm shifo dori tibbiyot oʻquv markaz kompyuter dizayn reklama
    poligraf tur hotel restoran qandolat non ichimlik bogʻ issiqxona chorva parranda baliq asal gʻisht sement
    beton oyna yogʻoch charm poyabzal gilam ipak kiyim kastum avto motor shina ehtiyot qism taʼmir usta svarka
    santexnika lift
""".split()  # noqa: SIM905 - read as a list of words
PERSONS = """
    aziz bahrom dilshod eldor farhod gʻayrat husan islom jasur kamol laziz mirzo nodir olim parda qodir ravshan
    sanjar temur ulugʻbek vohid xurshid yoqub zafar shavkat chori oybek oʻktam gulnora nilufar malika zulfiya
    feruza lola
""".split()  # noqa: SIM905 - read as a list of words
ENDINGS = ("", "bek", "jon", "xon", "ali", "ov", "yev", "ova", "zoda", "iy", "in", "or")
SYLLABLES = (
    "ba",
    "ko",
    "ri",
    "mo",
    "za",
    "shi",
    "lu",
    "na",
    "to",
    "vo",
    "xi",
    "gu",
    "da",
    "che",
    "fa",
    "so",
    "me",
    "qo",
)
SIZES = ("micro", "micro", "micro", "micro", "small", "small", "medium", "large")
SECTIONS = "AABCCCDEFFFGGGGGGHHIJKLMNOPQRS"


def districts() -> list[str]:
    """The codes of the 206 districts."""
    lines = (REFERENCE / "territory.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.split(",", 1)[0] for line in lines if line.split(",")[1] == "district"]


def name(random: Random) -> str:
    """One name."""
    kind = random.random()
    person = random.choice(PERSONS) + random.choice(ENDINGS)
    coined = "".join(random.choice(SYLLABLES) for _ in range(random.choice((2, 3, 3, 4))))
    if kind < 0.35:
        words = [random.choice(FIRST), random.choice(TRADES)]
    elif kind < 0.6:
        words = [person, random.choice(FIRST + TRADES)]
    elif kind < 0.85:
        words = [coined, random.choice(TRADES)]
    else:
        words = [random.choice(FIRST), coined, random.choice(TRADES), person][: random.choice((3, 4))]
    core = " ".join(word.capitalize() for word in words)
    written = f"“{core}” {random.choice(FORMS)}"
    return transliterate(written) if random.random() < 0.3 else written


def rows(count: int, seed: int = 7) -> Iterator[tuple[str, str, str, str, str]]:
    """STIR, name, size, section and district of so many enterprises, always the same."""
    random = Random(seed)
    places = districts()
    for number in range(count):
        yield (
            f"{300_000_000 + number * 7 % 600_000_000}",
            name(random),
            random.choice(SIZES),
            random.choice(SECTIONS),
            random.choice(places),
        )


def question(random: Random, full: str) -> str:
    """How somebody asks for an enterprise of that name: without its form, another order, another script, a slip."""
    words = full[1:].split("”")[0].split()
    random.shuffle(words)
    words = words[: random.choice((1, 2, 2, 3))]
    if random.random() < 0.4:
        place = random.randrange(len(words))
        words[place] = slip(random, words[place])
    asked = " ".join(words).lower()
    return transliterate(asked) if random.random() < 0.3 else asked


def slip(random: Random, word: str) -> str:
    """A word with one letter wrong, missing, doubled or swapped, if it is long enough to be known again."""
    if len(word) < 5:
        return word
    at = random.randrange(1, len(word) - 1)
    return random.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + random.choice("aiou") + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
