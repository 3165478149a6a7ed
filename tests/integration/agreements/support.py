"""A small country for the agreements' tests: partners and agreements running, institutions and enterprises at will."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from shared.clock import local_day, now
from shared.scope import Role
from tests.support.services import Client, Running, eventually

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}
State = dict[str, Any]
TERRITORY = ("17", "1708", "1708201", "1708204", "1703", "1703202")
HERE, NEXT_DOOR, FAR = "1708201", "1708204", "1703202"
PAPER = {"kind": "paper", "scan_ref": "scan-1"}


def today() -> date:
    """The present day in Uzbekistan."""
    return local_day(now())


def day(offset: int) -> str:
    """Today and so many days, as JSON has it."""
    return (today() + timedelta(days=offset)).isoformat()


@dataclass
class Country:
    """Partners and agreements, and who acts in them."""

    partners: Running
    agreements: Running
    database_url: str
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def ministry(self) -> Client:
        """The ministry at the registers."""
        return self.partners.as_(Role.MINISTRY, "17")

    def school(self, institution: str) -> Client:
        """An institution at its agreements."""
        return self.agreements.as_(Role.INSTITUTION, institution)

    def firm(self, enterprise: str) -> Client:
        """An enterprise at its agreements."""
        return self.agreements.as_(Role.ENTERPRISE, enterprise)

    async def settle(self) -> None:
        """Make the territory."""
        for soato in TERRITORY:
            answer = await self.ministry.put(f"/v1/territory/{soato}", {"names": NAMES})
            assert answer.status_code == 200, answer.text

    async def institution(self, district: str = HERE) -> str:
        """A new institution, known to both services."""
        code = f"P-{next(self._numbers)}-{uuid.uuid4().hex[:6]}"
        body = {"code": code, "name": "T", "kind": "college", "district": district, "opened_on": "2020-09-01"}
        return str((await self.told(await self.ministry.post("/v1/institutions", body)))["id"])

    async def enterprise(self) -> str:
        """A new enterprise, known to both services."""
        body = {
            "stir": f"3{next(self._numbers):08}",
            "name": "Zavod",
            "size": "large",
            "isic_section": "C",
            "district": HERE,
        }
        return str((await self.told(await self.ministry.post("/v1/enterprises", body)))["id"])

    async def merge(self, ends: str, lives: str) -> None:
        """Two entries become one, and agreements has followed."""
        await self.told(await self.ministry.post(f"/v1/enterprises/{ends}/merge", {"into": lives}))

    async def told(self, answer: httpx.Response) -> State:
        """The answer of a command to partners, once its events have taken effect in agreements."""
        assert answer.status_code in (200, 201), answer.text
        positions = [position.strip().split("/") for position in answer.headers["hamkor-position"].split(",")]
        operator = self.agreements.as_(Role.OPERATOR)

        async def applied() -> bool:
            inbox = (await operator.get("/internal/inbox")).json()["applied"]["partners"]
            return all(inbox[int(shard)] >= int(position) for _, shard, position in positions)

        await eventually(applied, "partners' events applied in agreements")
        state: State = answer.json()
        return state

    async def draft(self, institution: str, *enterprises: str, **changes: Any) -> State:
        """A draft between an institution and enterprises."""
        answer = await self.school(institution).post("/v1/agreements", a_draft(institution, *enterprises, **changes))
        return ok(answer, 201)

    async def active(self, institution: str, *enterprises: str, **changes: Any) -> State:
        """An agreement that every party has signed."""
        agreement = await self.draft(institution, *enterprises, **changes)
        school = self.school(institution)
        for party in agreement["parties"]:
            signature = {"party_id": party["party_id"], "signed_on": day(-20), **PAPER}
            agreement = await do(school, agreement, "sign", signature)
        return agreement


def a_draft(institution: str, *enterprises: str, **changes: Any) -> State:
    """The body of a draft."""
    parties = [{"category": "institution", "ref": institution}]
    parties += [{"category": "enterprise", "ref": enterprise} for enterprise in enterprises]
    return {
        "institution_id": institution,
        "form": "AF1",
        "opportunities": ["O4"],
        "parties": parties,
        "valid_from": day(-30),
        "valid_until": day(300),
        **changes,
    }


def an_employment(institution: str, enterprise: str, **changes: Any) -> State:
    """The body of a report."""
    return {
        "institution_id": institution,
        "graduate_ref": "g-1",
        "enterprise_id": enterprise,
        "profession": "7212",
        "started_on": day(-10),
        **changes,
    }


def ok(answer: httpx.Response, status: int = 200) -> State:
    """The state in an answer that must have this status."""
    assert answer.status_code == status, answer.text
    state: State = answer.json()
    return state


async def do(client: Client, state: State, step: str, body: Any = None, of: str = "agreements") -> State:
    """A step on an aggregate in its present version, which must succeed."""
    return ok(await client.post(f"/v1/{of}/{state['id']}/{step}", body, version=state["version"]))


def rules(answer: httpx.Response) -> dict[str, str]:
    """The broken rules of a refused request by field."""
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert all(error["message"] and error["remedy"] for error in errors)
    return {error["field"]: error["rule"] for error in errors}
