"""Who sees what: every caller in code, and the database alone."""

from typing import Any

import asyncpg
import pytest

from services.agreements.api import PERMISSIONS
from shared.persistence.engine import dsn_of
from shared.scope import TERRITORIAL, Role
from tests.integration.agreements.support import FAR, HERE, NEXT_DOOR, Country, a_draft, an_employment, day, ok

TABLES = ("agreement", "activity", "employment")
STRANGERS = (
    (Role.REGION, "1703"),
    (Role.DISTRICT, NEXT_DOOR),
    (Role.INSTITUTION, "another institution"),
    (Role.ENTERPRISE, "another enterprise"),
)


async def everything(country: Country) -> tuple[str, str, dict[str, str]]:
    """An institution, an enterprise, and one of each aggregate between them."""
    institution, enterprise = await country.institution(HERE), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    activities = f"/v1/agreements/{agreement['id']}/activities"
    activity = ok(await school.post(activities, {"held_on": day(0), "participants": 3}), 201)
    employment = ok(await school.post("/v1/employments", an_employment(institution, enterprise)), 201)
    ids = {"agreement": agreement["id"], "activity": activity["id"], "employment": employment["id"]}
    return institution, enterprise, ids


async def test_each_sees_their_own_part_and_a_foreign_id_answers_404_to_every_role(country: Country) -> None:
    institution, enterprise, ids = await everything(country)
    other_institution, other_enterprise = await country.institution(FAR), await country.enterprise()
    paths = {
        "agreement": f"/v1/agreements/{ids['agreement']}",
        "activity": f"/v1/activities/{ids['activity']}",
        "employment": f"/v1/employments/{ids['employment']}",
        "activities": f"/v1/agreements/{ids['agreement']}/activities",
    }
    seers = (
        (Role.MINISTRY, "17"),
        (Role.REGION, "1708"),
        (Role.DISTRICT, HERE),
        (Role.INSTITUTION, institution),
        (Role.ENTERPRISE, enterprise),
        (Role.SERVICE, ""),
    )
    for role, org in seers:
        for what, path in paths.items():
            # Records of single persons are for those whose persons they are.
            expected = 403 if what == "employment" and role in TERRITORIAL else 200
            assert (await country.agreements.as_(role, org).get(path)).status_code == expected, (role, path)
    others = {"another institution": other_institution, "another enterprise": other_enterprise}
    for role, org in STRANGERS:
        stranger = country.agreements.as_(role, others.get(org, org))
        for what, path in paths.items():
            answer = await stranger.get(path)
            refused = what == "employment" and role in TERRITORIAL
            assert answer.status_code == (403 if refused else 404), (role, path)
            assert answer.headers["content-type"] == "application/problem+json"
        for listed in ("/v1/agreements", *([] if role in TERRITORIAL else ["/v1/employments"])):
            items = ok(await stranger.get(listed, limit=500))["items"]
            assert not {item["id"] for item in items} & set(ids.values())
    for path in paths.values():
        assert (await country.agreements.as_(Role.OPERATOR).get(path)).status_code == 403


WRITES: tuple[tuple[str, str, str, Any], ...] = (
    ("agreement.sign", "agreements", "sign", {"party_id": "p1", "kind": "electronic", "signed_on": day(0)}),
    ("agreement.change", "agreements", "amend", {"opportunities": ["O1"], "every_party": True}),
    (
        "agreement.sign",
        "agreements",
        "confirm-amendment",
        {"party_id": "p1", "kind": "electronic", "signed_on": day(0)},
    ),
    ("agreement.notice", "agreements", "notice", None),
    ("link.keep", "agreements", "confirmation-links", {"party_id": "p2"}),
    ("link.keep", "agreements", "confirmation-links/0198-none/revoke", None),
    ("agreement.change", "agreements", "suspend", {}),
    ("agreement.change", "agreements", "resume", {}),
    ("agreement.change", "agreements", "end", {}),
    ("agreement.change", "agreements", "cancel", None),
    ("agreement.change", "agreements", "schedule", {"terms": []}),
    ("agreement.change", "agreements", "schedule/t", {"filled": 1}),
    ("activity.record", "agreements", "activities", {"held_on": day(0), "participants": 1}),
    ("activity.record", "activities", "cancel", None),
    ("employment.report", "employments", "correct", {"profession": "7213"}),
    ("employment.confirm", "employments", "confirm", {}),
    ("employment.end", "employments", "end", {}),
    ("employment.report", "employments", "cancel", None),
)


async def test_every_command_on_a_foreign_id_answers_404_or_403_as_the_permission_table_says(country: Country) -> None:
    _, _, ids = await everything(country)
    others = {
        "another institution": await country.institution(FAR),
        "another enterprise": await country.enterprise(),
    }
    of = {"agreements": ids["agreement"], "activities": ids["activity"], "employments": ids["employment"]}
    for action, kind, step, body in WRITES:
        for role, org in (*STRANGERS, (Role.OPERATOR, ""), (Role.SERVICE, "")):
            stranger = country.agreements.as_(role, others.get(org, org))
            method = "PUT" if step.startswith("schedule") else "POST"
            answer = await stranger.send(method, f"/v1/{kind}/{of[kind]}/{step}", body, version=1)
            allowed = role in PERMISSIONS[action]
            assert answer.status_code == (404 if allowed else 403), (action, step, role, answer.text)
    tried = {(kind, step.partition("/")[0]) for _, kind, step, _ in WRITES}
    written = {
        (path.split("/")[2], path.split("/")[4])
        for path, methods in country.agreements.app.openapi()["paths"].items()
        if {"post", "put"} & methods.keys() and path.count("/") > 3 and path.split("/")[2] in of
    }
    assert tried == written


async def test_foreign_institution_in_a_command_answers_404(country: Country) -> None:
    institution, enterprise = await country.institution(HERE), await country.enterprise()
    for role, org in ((Role.REGION, "1703"), (Role.DISTRICT, NEXT_DOOR), (Role.INSTITUTION, "0198-other")):
        stranger = country.agreements.as_(role, org)
        for path, body in (
            ("/v1/agreements", a_draft(institution, enterprise)),
            ("/v1/employments", an_employment(institution, enterprise)),
        ):
            answer = await stranger.post(path, body)
            if path == "/v1/employments" and role in TERRITORIAL:
                assert answer.status_code == 403
                continue
            assert answer.status_code == 404
            assert answer.json()["type"].endswith("institution-not-found")


@pytest.mark.parametrize("path", ["/v1/agreements/%00", "/v1/activities/" + "x" * 300, "/v1/employments/%F0%9F%A6%86"])
async def test_ids_that_are_none_answer_404(country: Country, path: str) -> None:
    assert (await country.agreements.as_(Role.SERVICE).get(path)).status_code == 404


async def test_database_alone_keeps_foreign_rows_from_every_scope(country: Country) -> None:
    institution, enterprise, ids = await everything(country)
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:

        async def seen(scope: str | None) -> set[str]:
            async with connection.transaction():
                if scope is not None:
                    await connection.execute("select set_config('app.scope', $1, true)", scope)
                rows = [row["id"] for table in TABLES for row in await connection.fetch(f"select id from {table}")]
            return set(rows) & set(ids.values())

        async def far_away(statement: str) -> None:
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', 'path:/17/1703/', true)")
                await connection.execute(statement)

        for scope in ("all", "path:/17/", "path:/17/1708/", f"path:/17/1708/{HERE}/"):
            assert await seen(scope) == set(ids.values()), scope
        assert await seen(f"institution:{institution}") == set(ids.values())
        assert await seen(f"enterprise:{enterprise}") == set(ids.values())
        foreign = (
            f"path:/17/1708/{NEXT_DOOR}/",
            "path:/17/1703/",
            "institution:0198-f",
            "enterprise:0198-f",
            "none",
            None,
        )
        for nothing in foreign:
            assert await seen(nothing) == set(), nothing
        for statement in FOREIGN_INSERTS:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await far_away(statement)
    finally:
        await connection.close()


FOREIGN_INSERTS = (
    "insert into agreement values ('x', 1, '/17/1708/1708201/i/', '{}', 'i', 'AF1', 'draft', "
    "'2026-01-01', '2026-02-01', '{}')",
    "insert into activity values ('x', 1, '/17/1703/1703202/i/', '{}', 'i', 'a', 'recorded')",
    "insert into employment values ('x', 1, '/17/1708/1708201/i/', '{}', 'i', 'g', 'e', 'reported')",
    "insert into institution_ref values ('x', 1, '/17/1703/1703202/x/', 'P', 'active')",
    "insert into enterprise_ref values ('x', 1, 'active', null)",
)
