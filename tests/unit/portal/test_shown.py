"""Entries as people read them: texts stand with what they are about, and nothing is called by a key."""

from pathlib import Path
from typing import Any

import pytest

from services.portal.work.declaration import declaration
from services.portal.work.shown import Shower, Value
from services.portal.work.words import Words, named
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from tests.unit.portal.described import described

CATALOGUE = Catalogue.load(SHARED_MESSAGES, Path(__file__).parents[3] / "services/portal/messages")
MEMBER = {"ref": "K-1", "since": "2026-09-01", "until": None, "enterprise_id": None, "partner_ref": None}
DECISION = {"votes_for": 3, "votes_against": 0, "abstained": 0, "status": "open", "evidence": []}
BOARD: dict[str, Any] = {
    "id": "b",
    "status": "established",
    "chair": "p2",
    "members": [
        MEMBER | {"member_id": "p1", "category": "institution"},
        MEMBER | {"member_id": "p2", "category": "hokimiyat"},
    ],
    "meetings": [
        {
            "meeting_id": meeting,
            "planned_on": "2026-10-01",
            "status": "held",
            "present": ["p1", "p2"],
            "decisions": [DECISION | {"decision_id": "d1"}],
        }
        for meeting in ("m1", "m2")
    ],
    "member_texts": [{"member_id": "p2", "name": "Nodira Karimova", "position": None}],
    "meeting_texts": [],
    "decision_texts": [{"meeting_id": "m2", "decision_id": "d1", "text": "Homiylik"}],
}


def shown(register: str, entry: dict[str, Any]) -> dict[str, Value]:
    """An entry's fields in English, by label."""
    declared, description = described(register)
    shower = Shower(declaration(), Words(CATALOGUE, Lang.EN), None, None, frozenset(), {})  # type: ignore[arg-type]  # asks nobody
    return dict(shower.entry(declared.name, description.shown, entry))


def test_texts_stand_in_the_rows_they_belong_to() -> None:
    board = shown("boards", BOARD)
    members = board["Members"]
    assert [row[members.columns.index("Name")].text for row in members.rows] == ["", "Nodira Karimova"]
    decisions = [row[-1] for row in board["Meetings"].rows]
    assert [each.rows[0][each.columns.index("Text")].text for each in decisions if "Text" in each.columns] == [
        "Homiylik"
    ]
    assert not any("text" in label.lower() for label in board)


def test_what_is_inside_an_entry_is_called_by_its_name() -> None:
    board = shown("boards", BOARD)
    assert board["Chair"].text == "Nodira Karimova · hokimiyat"
    present = board["Meetings"].rows[0][board["Meetings"].columns.index("Present")]
    assert [each.text for each in present.items] == ["institution · K-1", "Nodira Karimova · hokimiyat"]


def test_awaited_parties_are_called_by_their_names() -> None:
    parties = [{"party_id": "p1", "category": "hokimiyat", "ref": "H-12", "signature": None}]
    word = {"party_id": "p1", "signature": {"kind": "electronic", "signed_on": "2026-11-01"}}
    pending = {"agreed_on": "2026-11-01", "effective_on": "2026-11-02", "awaits": ["p1"], "words": [word]}
    agreement = shown("agreements", {"id": "a", "form": "AF9", "parties": parties, "pending": pending})
    awaited = dict(agreement["Pending amendment"].pairs)["Parties whose word is awaited"]
    assert [each.text for each in awaited.items] == ["hokimiyat · H-12"]
    agreed = dict(agreement["Pending amendment"].pairs)["Parties that have agreed"]
    assert agreed.rows[0][0].text == "hokimiyat · H-12"
    assert [row[0].text for row in agreement["Parties"].rows] == ["hokimiyat"]


@pytest.mark.parametrize("words_first", [False, True])
def test_parties_that_agreed_to_an_amendment_are_called_by_their_names(words_first: bool) -> None:
    parties = [{"party_id": "p1", "category": "hokimiyat", "ref": "H-12", "signature": None}]
    words = [{"party_id": "p1", "signature": {"kind": "electronic", "signed_on": "2026-11-01"}}]
    lists = (
        {"amendment_words": words, "parties": parties}
        if words_first
        else {"parties": parties, "amendment_words": words}
    )
    agreement = shown("agreements", {"id": "a", "form": "AF9", **lists})
    agreed = agreement["How the parties agreed to it"]
    assert agreed.rows[0][0].text == "hokimiyat · H-12"


def test_an_institution_says_where_it_lies_and_since_when_only_where_that_has_changed() -> None:
    here, there = "1708201", "1708204"
    institution = {
        "id": "i",
        "status": "closed",
        "path": f"/17/1708/{there}/i/",
        "membership": [{"district": here, "since": "2020-09-01"}, {"district": there, "since": "2026-03-01"}],
        "successor_id": "s",
    }
    seen = shown("institutions", institution)
    region, district = (named("territory", code, Lang.EN) for code in ("1708", there))
    assert seen["Territory"].text == f"{region} › {district}"
    assert [row[0].text for row in seen["Membership"].rows] == [named("territory", here, Lang.EN), district]
    assert seen["Institution that goes on"].text == "s"
    stayed = shown("institutions", institution | {"membership": institution["membership"][:1]})
    assert "Membership" not in stayed
    assert "Territory" in stayed
