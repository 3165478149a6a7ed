"""What respondents of the tests send."""

from services.surveys.domain.instruments import (
    CompetencePair,
    FreeText,
    Instrument,
    Likert,
    MultipleChoice,
    NumberQuestion,
    PairPart,
    SingleChoice,
)

Form = dict[str, list[str]]


def a_full_form(instrument: Instrument, rating: int = 4) -> Form:
    """Every question answered: each rating the same, the first option of each choice."""
    form: Form = {}
    for question in instrument.questions:
        match question:
            case SingleChoice():
                form[question.code] = [question.options[0].code]
            case MultipleChoice():
                form[question.code] = [question.options[0].code]
            case Likert():
                form[question.code] = [str(rating)]
            case CompetencePair():
                for part in PairPart:
                    form[f"{question.code}.{part}"] = [str(rating)]
            case NumberQuestion():
                form[question.code] = [str(question.minimum)]
            case FreeText():
                form[question.code] = ["Yaxshi"]
    return form
