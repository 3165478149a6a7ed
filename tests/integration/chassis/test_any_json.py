"""Whatever JSON a command is sent, the answer is the caller's mistake told in full, never a crash."""

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.scope import Role
from shared.web.openapi import COMMANDS
from tests.support.services import Running

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def bodies_of(document: Any, operation: Any) -> "st.SearchStrategy[Any]":
    """Anything, or an object with the command's own fields and anything in them."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = document["components"]["schemas"].get(str(content.get("$ref", "")).rpartition("/")[2], {})
    fields = list(schema.get("properties", {}))
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(fields, VALUES)) if fields else VALUES
    return known | VALUES


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], database=None
)
@given(data=st.data())
async def test_any_json_is_answered_with_a_problem(service: Running, data: st.DataObject) -> None:
    document = service.app.openapi()
    client = service.as_(Role.MINISTRY, "17")
    sent = [
        (method, path.format_map(_Places()), data.draw(bodies_of(document, item[method])))
        for path, item in document["paths"].items()
        for method in COMMANDS
        if method in item and not path.startswith("/v1/test") and not path.endswith("/import")
    ]
    assert len(sent) > 20
    headers = client._headers() | {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(
            service.http.request(
                method.upper(),
                service.base + path,
                json=body,
                headers=headers | {"Idempotency-Key": str(uuid.uuid4())},
            )
            for method, path, body in sent
        )
    )
    for (method, path, body), answer in zip(sent, answers, strict=True):
        where = f"{method} {path} {body!r}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, where
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", where
            assert answer.json()["remedy"], where


class _Places(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "0199c1e4-7a52-7c3e-9d0b-5f7a1c2b3d4e"
