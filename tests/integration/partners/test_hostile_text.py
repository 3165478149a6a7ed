"""Text that PostgreSQL would refuse is refused at the door, by name."""

import pytest

from shared.scope import Role
from shared.web.cursors import encode_cursor
from tests.support.services import Running

CURSORS = (
    encode_cursor("a\x00", "b"),
    encode_cursor("\ud800", "b"),
    encode_cursor(1, 2),
    encode_cursor("a"),
    encode_cursor("a", True),
    "x" * 501,
)


async def test_searches_and_cursors_that_cannot_be_are_named(partners: Running) -> None:
    ministry = partners.as_(Role.MINISTRY, "17")
    for parameters in ({"q": "\x00"}, {"code": "\x00"}, *({"after": cursor} for cursor in CURSORS)):
        answer = await ministry.get("/v1/institutions", **parameters)
        assert answer.status_code == 422, parameters
        assert [error["field"] for error in answer.json()["errors"]] == list(parameters)
    assert (await ministry.get("/v1/institutions", q="Ўзбек 🎓", code="P-1")).status_code == 200


@pytest.mark.parametrize("id_", ["%00", "x" * 300, "%FF"])
async def test_ids_that_are_none_answer_404(partners: Running, id_: str) -> None:
    assert (await partners.as_(Role.MINISTRY, "17").get(f"/v1/institutions/{id_}")).status_code == 404
