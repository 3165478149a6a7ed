"""An instrument as JSON: the whole questionnaire with its texts in all languages, as domain/reading.py reads it."""

from typing import Any

from services.surveys.domain.instruments import (
    CompetencePair,
    DateQuestion,
    DecimalQuestion,
    FreeText,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    ProfessionQuestion,
    Question,
    Row,
    Scale,
    SingleChoice,
    StirQuestion,
    Text,
)


def summary_of(instrument: Instrument) -> dict[str, Any]:
    """What a list of instruments shows."""
    return {
        "code": instrument.code,
        "version": instrument.version,
        "group": instrument.group.value,
        "identified": instrument.identified,
        "title": _texts(instrument.title),
        "questions": len(instrument.questions),
        "dimensions": [dimension.value for dimension in instrument.dimensions],
    }


def document_of(instrument: Instrument) -> dict[str, Any]:
    """The whole instrument; reading it again gives the same instrument."""
    sections = [
        {
            "code": section.code,
            "title": _texts(section.title),
            "intro": _texts(section.intro),
            "questions": [
                {**_question(question), "shown_when": instrument.shown_when(question)} for question in section.questions
            ],
        }
        for section in instrument.sections
    ]
    return {**summary_of(instrument), "intro": _texts(instrument.intro), "sections": sections}


def _texts(text: Text | None) -> dict[str, str] | None:
    return None if text is None else {lang.value: value for lang, value in text.items()}


def _question(question: Question) -> dict[str, Any]:
    relevant, constraint = question.relevant, question.constraint
    return {
        "code": question.code,
        "text": _texts(question.text),
        "hint": _texts(question.hint),
        "required": question.required,
        "dimension": question.dimension,
        "scored": question.scored,
        "relevant": None if relevant is None else relevant.written(),
        "constraint": None
        if constraint is None
        else {"expression": constraint.expression.written(), "message": _texts(constraint.message)},
        **_particulars(question),
    }


def _particulars(question: Question) -> dict[str, Any]:
    match question:
        case SingleChoice():
            return {"kind": "single", "options": _options(question.options)}
        case MultipleChoice():
            return {"kind": "multiple", "options": _options(question.options), "max_choices": question.max_choices}
        case Likert():
            return {
                "kind": "likert",
                "scale": _scale(question.scale),
                "unsure": question.unsure,
                "reverse": question.reverse,
            }
        case CompetencePair():
            parts = {
                part.value: {
                    "prompt": _texts(question.terms.prompts[part]),
                    "scale": _scale(question.terms.scales[part]),
                }
                for part in PairPart
            }
            return {"kind": "pair", **parts, "scores": question.terms.scores.value, "unsure": True}
        case Matrix():
            answers: dict[str, Any] = (
                {"options": _options(question.options)} if question.scale is None else {"scale": _scale(question.scale)}
            )
            rows = [_row(row) for row in question.rows]
            return {"kind": "matrix", "rows": rows, **answers, "unsure": question.unsure}
        case NumberQuestion():
            return {"kind": "number", "min": question.minimum, "max": question.maximum}
        case DecimalQuestion():
            bounds = {"min": str(question.minimum), "max": str(question.maximum)}
            return {"kind": "decimal", **bounds, "digits": question.digits}
        case DateQuestion():
            days = {"earliest": question.earliest, "latest": question.latest}
            return {"kind": "date", **{name: day and day.isoformat() for name, day in days.items()}}
        case ProfessionQuestion():
            return {"kind": "profession"}
        case StirQuestion():
            return {"kind": "stir"}
        case FreeText():
            return {"kind": "text", "max_length": question.max_length}
    raise TypeError(f"no document for {type(question).__name__}")


def _options(options: tuple[Option, ...]) -> list[dict[str, Any]]:
    return [
        {"code": each.code, "text": _texts(each.text), "score": each.score, "exclusive": each.exclusive}
        for each in options
    ]


def _row(row: Row) -> dict[str, Any]:
    return {"code": row.code, "text": _texts(row.text), "dimension": row.dimension, "reverse": row.reverse}


def _scale(scale: Scale) -> dict[str, Any]:
    return {"code": scale.code, "labels": [_texts(label) for label in scale.labels]}
