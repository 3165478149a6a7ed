"""What respondents of the tests send."""

from datetime import date

from services.surveys.domain.instruments import (
    CompetencePair,
    DateQuestion,
    DecimalQuestion,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    PairPart,
    ProfessionQuestion,
    Question,
    SingleChoice,
    StirQuestion,
)

Form = dict[str, list[str]]


def a_full_form(instrument: Instrument, rating: int = 4) -> Form:
    """Every question answered: each rating the same, the first option of each choice."""
    form: Form = {}
    for question in instrument.questions:
        match question:
            case Likert():
                form[question.code] = [str(rating)]
            case CompetencePair():
                form |= {f"{question.code}.{part}": [str(rating)] for part in PairPart}
            case Matrix():
                answer = str(rating) if question.scale else question.options[0].code
                form |= {f"{question.code}.{row.code}": [answer] for row in question.rows}
            case _:
                form[question.code] = [_something(question)]
    return form


def _something(question: Question) -> str:
    match question:
        case SingleChoice() | MultipleChoice():
            return question.options[0].code
        case NumberQuestion() | DecimalQuestion():
            return str(question.minimum)
        case DateQuestion():
            return (question.earliest or question.latest or date(2026, 9, 1)).isoformat()
        case ProfessionQuestion():
            return "7231"
        case StirQuestion():
            return "301234567"
    return "Yaxshi"
