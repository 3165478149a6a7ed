"""The proof finds what is lost and what is doubled; the performer keeps a true ledger over repetitions and cuts."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from deploy.api_client import Api, Patience, Problem, fixed_token, portal_door
from deploy.cli.simulation.acts import Act, Response
from deploy.cli.simulation.execution import Disturbances, Entry, Ledger, Performer
from deploy.cli.simulation.machinery import Buckets, Machinery
from deploy.cli.simulation.proof import prove
from shared.contracts.events import Event
from shared.ids import SHARDS

DAY = date(2026, 11, 23)
DRAFTED = "hamkor.agreements.agreement.drafted.v1"
RECORDED = "hamkor.surveys.response.recorded.v1"


class Logs(Machinery):
    """Machinery with logs of its own; everything is applied."""

    def __init__(self, events: list[Event], staged: int = 0) -> None:
        self.events = events
        self.staged = staged
        self.feeds = dict.fromkeys(("partners", "agreements", "surveys"))  # type: ignore[assignment]  # names alone

    async def log(self, service: str) -> AsyncIterator[Event]:
        for event in self.events:
            if event.source == service:
                yield event

    async def heads(self) -> dict[str, list[int]]:
        return {service: [0] * SHARDS for service in self.feeds}

    async def applied(self) -> dict[tuple[str, str], list[int]]:
        return {("agreements", "partners"): [0] * SHARDS}

    async def answers(self) -> tuple[int, int]:
        return self.staged, len(self.events)

    async def dead_letters(self) -> int:
        return 0


def an_event(position: int, subject: str = "agreement/a", version: int | None = None, **more: Any) -> Event:
    type_ = more.pop("type", DRAFTED)
    data = b'{"version": %d, "campaign_id": "c"}' % (version or position)
    source = type_.split(".")[1]
    return Event("e", type_, source, subject, "k", datetime.now(UTC), 5, position, data)


def a_ledger(*positions: str, **responses: int) -> Ledger:
    entries = [Entry(f"k{number}", "x", "agreements", (position,)) for number, position in enumerate(positions)]
    return Ledger(entries, Counter(responses))


async def test_sound_logs_have_no_findings() -> None:
    events = [an_event(1), an_event(2), an_event(1, "response/r", 1, type=RECORDED)]
    proof = await prove(Logs(events), a_ledger("agreements/5/1", "agreements/5/2", c=1))
    assert (proof.lost, proof.doubled, proof.events) == ([], [], 3)


async def test_acknowledged_event_that_is_not_in_the_log_is_lost() -> None:
    proof = await prove(Logs([an_event(1)]), a_ledger("agreements/5/1", "agreements/5/2"))
    assert len(proof.lost) == 1
    assert not proof.doubled


async def test_event_without_acknowledged_command_is_doubled() -> None:
    proof = await prove(Logs([an_event(1), an_event(2)]), a_ledger("agreements/5/1"))
    assert len(proof.doubled) == 1


async def test_events_of_passing_time_need_no_command() -> None:
    expired = an_event(2, type="hamkor.agreements.agreement.expired.v1")
    proof = await prove(Logs([an_event(1), expired]), a_ledger("agreements/5/1"))
    assert (proof.lost, proof.doubled) == ([], [])


async def test_gaps_and_repeated_versions_are_found() -> None:
    events = [an_event(1), an_event(3, version=1)]
    proof = await prove(Logs(events), a_ledger("agreements/5/1", "agreements/5/3"))
    assert any("jumps" in line for line in proof.lost)
    assert any("version 1 twice" in line for line in proof.doubled)


@pytest.mark.parametrize(("told", "lost", "doubled"), [(0, 1, 0), (1, 0, 0), (2, 0, 1)])
async def test_responses_are_counted_by_campaign(told: int, lost: int, doubled: int) -> None:
    events = [an_event(number, f"response/{number}", 1, type=RECORDED) for number in range(1, told + 1)]
    proof = await prove(Logs(events), a_ledger(c=1))
    assert (len(proof.lost), len(proof.doubled)) == (lost, doubled)


@pytest.mark.parametrize(("staged", "lost", "doubled"), [(1, 1, 0), (2, 0, 0), (3, 0, 1)])
async def test_answers_that_wait_for_company_are_not_lost(staged: int, lost: int, doubled: int) -> None:
    events = [an_event(1, "response/1", 1, type=RECORDED)]
    proof = await prove(Logs(events, staged), a_ledger(c=2, d=1))
    assert (len(proof.lost), len(proof.doubled)) == (lost, doubled)


class Platform:
    """A platform that answers each key once and replays it afterwards; `twice` is one that forgets the key."""

    def __init__(self, *, twice: bool = False) -> None:
        self.done: dict[str, int] = {}
        self.effects = 0
        self.twice = twice
        self.spent: set[str] = set()
        self.versions = {"a": 1}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/s/"):
            first = request.url.path not in self.spent
            self.spent.add(request.url.path)
            return httpx.Response(303 if first else 200)
        if request.method == "GET":
            return httpx.Response(200, json={"id": "a", "version": self.versions["a"]})
        wanted = request.headers.get("if-match", "").strip('"')
        if wanted and int(wanted) != self.versions["a"]:
            return httpx.Response(412, json={"type": "urn:hamkor:problem:version-mismatch", "title": "changed"})
        key = request.headers["idempotency-key"]
        if key not in self.done or self.twice:
            self.effects += 1
            self.done[key] = self.effects
        number = self.done[key]
        return httpx.Response(
            200, json={"id": str(number), "version": 1}, headers={"Hamkor-Position": f"agreements/0/{number}"}
        )


def a_performer(platform: Platform, disturbances: Disturbances) -> Performer:
    http = httpx.AsyncClient(transport=httpx.MockTransport(platform))
    api = Api(http, portal_door("http://portal"), fixed_token("t"), patience=Patience(total_s=1))
    return Performer(api, "http://portal", "run", disturbances=disturbances)


def an_act(version: int | None = None) -> Act:
    return Act(DAY, "agreement.sign", "ministry", "POST", "agreements", "/v1/agreements/a/sign", {}, version)


ALWAYS = [Disturbances(1, 0, 0), Disturbances(0, 1, 0), Disturbances(0, 0, 1)]


@pytest.mark.parametrize("disturbances", ALWAYS)
async def test_disturbed_command_takes_effect_once(disturbances: Disturbances) -> None:
    platform = Platform()
    performer = a_performer(platform, disturbances)
    for number in range(5):
        await performer.do(an_act(), f"k{number}")
    assert (platform.effects, len(performer.ledger.entries), performer.ledger.contradictions) == (5, 5, [])


@pytest.mark.parametrize("disturbances", ALWAYS[:2])
async def test_platform_that_acts_twice_is_caught(disturbances: Disturbances) -> None:
    performer = a_performer(Platform(twice=True), disturbances)
    await performer.do(an_act(), "k")
    assert len(performer.ledger.contradictions) == 1


@pytest.mark.parametrize("disturbances", ALWAYS)
async def test_disturbed_response_counts_once(disturbances: Disturbances) -> None:
    performer = a_performer(Platform(), disturbances)
    await performer.do(Response(DAY, "c", "CODE", {"q": "1"}), "k")
    assert performer.ledger.responses == {"c": 1}
    assert performer.ledger.contradictions == []
    with pytest.raises(Problem):
        await a_performer(performer.api.http._transport.handler, Disturbances(0, 0, 0)).do(  # type: ignore[attr-defined]
            Response(DAY, "c", "CODE", {}), "other"
        )


async def test_changed_in_between_is_looked_up_and_sent_as_another_command() -> None:
    platform = Platform()
    platform.versions["a"] = 7
    performer = a_performer(platform, Disturbances(0, 0, 0))
    await performer.do(an_act(version=3), "k")
    assert list(platform.done) == ["k:1"]


def test_quantiles_over_a_restart() -> None:
    inf = float("inf")
    before, after = Buckets({0.01: 90, 0.1: 99, inf: 100}), Buckets({0.01: 10, 0.1: 10, inf: 10})
    total = Buckets({}).plus(before.since(Buckets({}))).plus(after.since(before))
    assert total.counts == {0.01: 100, 0.1: 109, inf: 110}
    assert total.quantile_s(0.5) == pytest.approx(0.0055)
    assert Buckets({}).quantile_s(0.5) is None
