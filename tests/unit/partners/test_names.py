"""Names of enterprises are found however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.partners.domain.names import distance, likeness, score, words_of


@pytest.mark.parametrize(
    "names",
    [
        ("“Jizzax Plastmassa” AJ", '"Жиззах пластмасса" АЖ', "JIZZAX PLASTMASSA", "АО «Jizzakh Plastmassa»"),
        ("Oʻzbek yoʻli MCHJ", "O'zbek yo`li mchj", "Ўзбек йўли МЧЖ", "O‘ZBEK YO‘LI mas'uliyati cheklangan jamiyati"),
        ("Gʻijduvon gilam", "Ғиждувон гилам XK", "G'ijduvon gilam xususiy korxonasi"),
        ("ООО «Королёв Строй»", "Королев строй", "Korolyov stroy OOO"),
        ("Qoʻqon ip yigiruv", "Қўқон ип йигирув"),
        ("Yangiyer sement", "Янгиер семент", "YANGIYER SEMENT"),
        ("ООО Цемент Сервис", "Tsement servis MCHJ", "Sement servis"),
    ],
)
def test_name_folds_alike_in_every_writing(names: tuple[str, ...]) -> None:
    assert len({tuple(words_of(name)) for name in names}) == 1, [words_of(name) for name in names]


def test_legal_form_alone_is_still_a_name() -> None:
    assert words_of("MCHJ") == ["mchj"]
    assert words_of("“???”") == []


@given(st.text(max_size=300))
def test_any_text_folds_to_plain_words(name: str) -> None:
    for word in words_of(name):
        assert word
        assert ":" not in word
        assert " " not in word


@pytest.mark.parametrize(
    ("asked", "word", "wrong"),
    [("zavod", "zavod", 0), ("zovod", "zavod", 1), ("zavdo", "zavod", 1), ("zavd", "zavod", 1), ("zavood", "zavod", 1)],
)
def test_one_slip_is_one(asked: str, word: str, wrong: int) -> None:
    assert distance(asked, word, 2) == wrong
    assert likeness(asked, word) > 0.5


def test_better_answers_weigh_more() -> None:
    exact, beginning, slip = (score(["plast"], [word]) for word in ("plast", "plastmasa", "plost"))
    assert exact > beginning > slip > 0
    assert score(["zavod"], ["shifo"]) < 0.1
    assert score(["nur", "savdo"], ["savdo", "nur"]) == 1.0
    assert score(["nur"], ["nur", "savdo"]) < 1.0
    assert likeness("un", "on") == 0.0  # two letters say too little to be wrong
