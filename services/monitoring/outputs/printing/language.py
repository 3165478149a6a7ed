"""A language as the typesetter, and with it the PDF, names it."""

from shared.i18n import Lang


def language_of(lang: Lang) -> dict[str, str]:
    """`lang` and `script` of a page."""
    script = "cyrl" if lang in (Lang.UZ_CYRL, Lang.RU) else "latn"
    return {"lang": lang.value.partition("-")[0], "script": script}
