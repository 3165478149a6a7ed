"""Names of enterprises folded to what they have in common, however they are written.

“Жиззах Пластмасса” АЖ, "Jizzax plastmassa" AJ and JIZZAKH PLASTMASSA give the same words: one script, no case, no
signs, no legal form, and letters that people confuse (x and h, q and k, ё and е) as one. Folding is for finding only;
the register keeps every name as it was registered.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

LEGAL_FORMS = frozenset(
    # limited liability · joint-stock · private · joint venture · state unitary · sole trader · family · farm
    """
    mchj mchzh ooo oao zao ao aj aktsiyadorlik ok oo xk chp qk sp duk dk dm gup gp yatt yakka ip fx kfx qmj ak
    mas ltd llc jsc inc co filiali filial
    """.split()  # noqa: SIM905 - read as a list of words
)
"""Abbreviations in Latin letters, Cyrillic ones transliterated; a name of nothing else keeps them."""

LEGAL_PHRASES = re.compile(
    r"\b(mas ?uliyati cheklangan jamiyat\w*|aksiyadorlik jamiyat\w*|xususiy korxona\w*|qoshma korxona\w*"
    r"|oilaviy korxona\w*|davlat unitar korxona\w*|fermer xojali\w*"
    r"|obshestv\w+ s ogranichennoy otvetstvennost\w+|aktsionern\w+ obshestv\w+|chastn\w+ predpriyati\w+"
    r"|sovmestn\w+ predpriyati\w+|individualn\w+ predprinimatel\w*)"
)

_PHRASE_STEMS = ("jamiyat", "korxona", "xojal", "obshestv", "predpri")
"""One of these is in every legal phrase; looking for them is quicker."""

_CYRILLIC = str.maketrans(
    dict(zip("абвгғдезийкқлмнопрстуўфхҳыэ", "abvggdeziykqlmnoprstuofxhie", strict=True))
    | {"ё": "yo", "ж": "j", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ъ": "", "ь": "", "ю": "yu", "я": "ya"}
)
_WORD = re.compile(r"[^\W_]+")
_SIGNS = str.maketrans(dict.fromkeys("'‘’`´ʻʼ′ʹ", ""))
_CONFUSED = (  # in this order: what people write for the same sound
    (re.compile(r"ts"), "s"),
    (re.compile(r"zh"), "j"),
    (re.compile(r"kh|x"), "h"),
    (re.compile(r"q"), "k"),
    (re.compile(r"w"), "v"),
    (re.compile(r"yo|ye"), "e"),
    (re.compile(r"i?y(?![aou])"), "i"),
    (re.compile(r"y(?=[aou])"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)
MAX_WORDS = 12


def words_of(name: str) -> list[str]:
    """The folded words of a name in their order, each once; never empty for a name with a letter or digit."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    # oʻ keeps its sound where yo would be read: йўл is yoʻl, not ёл.
    letters = re.sub(r"yo(?=['‘’`´ʻʼ])", "yu", letters) if "yo" in letters else letters
    plain = " ".join(_WORD.findall(letters.translate(_SIGNS)))
    if not plain.isascii():
        plain = plain.replace("йў", "yu").translate(_CYRILLIC)
    bare = LEGAL_PHRASES.sub(" ", plain) if any(stem in plain for stem in _PHRASE_STEMS) else plain
    words = [word for word in bare.split() if word not in LEGAL_FORMS] or plain.split()
    return list(dict.fromkeys(_alike(word) for word in words))[:MAX_WORDS]


@lru_cache(maxsize=20_000)
def _alike(word: str) -> str:
    for pattern, letter in _CONFUSED:
        word = pattern.sub(letter, word)
    return word[:40]


def distance(one: str, other: str, most: int) -> int:
    """How many letters must change, fall away, come in or swap with a neighbour; more than `most` is `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        two_before, before, row = before, row, [i]
        for j, sign in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != sign))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == sign:
                best = min(best, two_before[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def likeness(asked: str, word: str) -> float:
    """How well a word of a name answers a word that was asked for, from 0 (not at all) to 1 (it is the word).

    A beginning counts by how much of the word it is; one wrong letter is forgiven in four, two in eight.
    """
    if asked == word:
        return 1.0
    if word.startswith(asked):
        return 0.8 + 0.15 * len(asked) / len(word)
    if len(asked) < 4:
        return 0.0
    most = 1 if len(asked) < 8 else 2
    wrong = distance(asked, word, most)
    return 0.0 if wrong > most else 0.9 - 0.8 * wrong / len(asked)


def score(asked: list[str], words: list[str], likeness: Callable[[str, str], float] = likeness) -> float:
    """How well a name answers a question: the mean over what was asked, less a little for words that were not."""
    if not asked:
        return 0.0
    best = [max((likeness(each, word) for word in words), default=0.0) for each in asked]
    return sum(best) / len(asked) - 0.01 * max(0, len(words) - len(asked))
