"""What is logged of an error in the form's neighbourhood quotes nothing."""

from services.surveys.discreet import told_discreetly


def test_kind_and_place_are_told_and_not_the_text() -> None:
    told = {}
    try:
        int("my answer")
    except ValueError as problem:
        told = told_discreetly(problem)
    assert told["error"] == "ValueError"
    assert told["place"].startswith("test_discreet.py:")
    assert "answer" not in str(told)
