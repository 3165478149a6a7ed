"""Conditions and constraints of an instrument in a respondent's words."""

from collections.abc import Callable, Mapping

from services.surveys.domain.expressions import Named, words
from services.surveys.domain.instruments import (
    CompetencePair,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    PairPart,
    Question,
    Scale,
    SingleChoice,
)
from shared.i18n import Lang

Say = Callable[..., str]
"""A text of the catalogue below `condition.`, in the language wanted: say("is", question="…", value="…")."""


def only_if(instrument: Instrument, question: Question, lang: Lang, say: Say) -> str | None:
    """When a question is asked, as a sentence; None where it always is."""
    if question.relevant is None:
        return None
    return say("only-if", condition=words(question.relevant, say, _names(instrument, lang, say)))


def _names(instrument: Instrument, lang: Lang, say: Say) -> Mapping[str, Named]:
    found: dict[str, Named] = {}
    for question in instrument.questions:
        text = question.text[lang]
        match question:
            case SingleChoice() | MultipleChoice():
                found[question.code] = Named(text, {each.code: each.text[lang] for each in question.options})
            case Likert():
                found[question.code] = Named(text, _ratings(question.scale, lang, say))
            case CompetencePair():
                for part in PairPart:
                    prompt = f"{text}: {question.terms.prompts[part][lang]}"
                    found[f"{question.code}.{part}"] = Named(prompt, _ratings(question.terms.scales[part], lang, say))
            case Matrix():
                options = (
                    {each.code: each.text[lang] for each in question.options}
                    if question.scale is None
                    else _ratings(question.scale, lang, say)
                )
                for row in question.rows:
                    found[f"{question.code}.{row.code}"] = Named(f"{text} {row.text[lang]}", options)
            case _:
                found[question.code] = Named(text, {})
    return found


def _ratings(scale: Scale, lang: Lang, say: Say) -> dict[str, str]:
    named = {str(rating): label[lang] for rating, label in enumerate(scale.labels, 1)}
    return {**named, "unsure": say("unsure")}
