"""Carries deeds out through the public API, each under one key however often it is sent, and keeps the ledger."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from deploy.api_client import Answer, Api, Problem, Unreachable
from deploy.cli.simulation.acts import Act, Deed, Interview, Look, Pause, Response, TakeUp, Work
from deploy.cli.simulation.chance import chance
from shared.retry import Backoff

FORM_ACCEPTED: Final = 303
MOST_CUT_S: Final = 0.04
BLINDED_BYTES: Final = 256


@dataclass(frozen=True)
class Disturbances:
    """How often a command is sent in another way than once; the rest of the time it is."""

    repeated: float = 0.04
    at_once: float = 0.03
    cut: float = 0.04

    def choose(self, random: Random) -> str:
        """ "repeated", "at_once", "cut" or "calm"."""
        weights = (self.repeated, self.at_once, self.cut, 1 - self.repeated - self.at_once - self.cut)
        return random.choices(("repeated", "at_once", "cut", "calm"), weights)[0]


CALM: Final = Disturbances(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """An acknowledged command: what the platform said it did."""

    key: str
    what: str
    service: str
    positions: tuple[str, ...]


@dataclass
class Ledger:
    """What was acknowledged, and what was answered differently when it was asked again."""

    entries: list[Entry] = field(default_factory=list)
    responses: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    disturbed: Counter[str] = field(default_factory=Counter)

    @property
    def commands(self) -> int:
        """Acknowledged commands and responses."""
        return len(self.entries) + sum(self.responses.values())


@dataclass
class Pace:
    """Lets at most `rate` deeds a second begin."""

    rate: float
    _next: float = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = time.monotonic()
        self._next = max(self._next + 1 / self.rate, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


@dataclass
class Performer:
    """Does deeds; `patience_s` is how long it waits for one service to learn what another has told."""

    api: Api
    portal: str
    run: str
    ledger: Ledger = field(default_factory=Ledger)
    disturbances: Disturbances = CALM
    pace: Pace | None = None
    patience_s: float = 120.0

    async def drive(self, work: Work, name: str) -> None:
        """Do a work to its end. The same run, name and step give the same key. Raises Unreachable."""
        answer: Answer | None = None
        problem: Problem | None = None
        step = 0
        while True:
            try:
                deed = work.throw(problem) if problem else work.send(answer) if answer else next(work)
            except (StopIteration, Problem):
                return
            answer, problem = None, None
            try:
                answer = await self.do(deed, f"{self.run}:{name}:{step}")
            except Problem as refusal:
                problem = refusal
            step += 1

    async def do(self, deed: Deed, key: str) -> Answer:
        """Carry one deed out. Raises Problem and Unreachable."""
        if self.pace is not None:
            await self.pace.turn()
        match deed:
            case Look():
                return await self.api.get(deed.user, deed.service, deed.path)
            case Response():
                return await self._respond(deed, chance(key))
            case TakeUp():
                return await self._take_up(deed, chance(key))
            case Interview():
                return await self._interview(deed, key, chance(key))
            case Pause():
                await asyncio.sleep(deed.seconds)
                return Answer(204, {})
            case Act():
                return await self._act(deed, key)

    # -- commands

    async def _act(self, act: Act, key: str) -> Answer:
        random = chance(key)
        deadline = time.monotonic() + self.patience_s
        pause = Backoff(0.05, 1.0)
        version, attempt = act.version, 0
        while True:
            try:
                answer = await self._disturbed(act, f"{key}:{attempt}" if attempt else key, version, random)
            except Problem as problem:
                if problem.code == "version-mismatch" and attempt < 5:
                    # Something else changed it in between: look again, and it is another command.
                    version, attempt = await self._present_version(act), attempt + 1
                elif not _not_told_yet(act, problem) or time.monotonic() > deadline:
                    self.ledger.refused[f"{act.what}: {problem.status} {problem.code} {_rules(problem)}".strip()] += 1
                    raise
                else:
                    await pause.wait()
            else:
                self.ledger.entries.append(
                    Entry(f"{key}:{attempt}" if attempt else key, act.what, act.service, answer.positions)
                )
                return answer

    async def _disturbed(self, act: Act, key: str, version: int | None, random: Random) -> Answer:
        way = self.disturbances.choose(random)
        if way == "calm":
            return await self._send(act, key, version)
        self.ledger.disturbed[way] += 1
        if way == "cut":
            await self._cut_off(self._send(act, key, version), random)
            return await self._send(act, key, version)
        if way == "at_once":
            first, second = await asyncio.gather(
                self._send(act, key, version), self._send(act, key, version), return_exceptions=True
            )
            for each in (first, second):
                if isinstance(each, BaseException):
                    raise each
            assert isinstance(first, Answer)
            assert isinstance(second, Answer)
        else:
            first = await self._send(act, key, version)
            second = await self._send(act, key, version)
        if (first.positions, _repeatable(first)) != (second.positions, _repeatable(second)):
            self.ledger.contradictions.append(f"{act.what} {key}: {first.positions} and {second.positions}")
        return first

    async def _send(self, act: Act, key: str, version: int | None) -> Answer:
        return await self.api.command(act.user, act.method, act.service, act.path, act.body, key=key, version=version)

    async def _present_version(self, act: Act) -> int:
        aggregate = "/".join(act.path.split("/")[:4])
        return (await self.api.get(act.user, act.service, aggregate)).version

    @staticmethod
    async def _cut_off(sending: Coroutine[None, None, Answer], random: Random) -> None:
        """Begin, and let go of the connection somewhere on the way; whether it took effect is not known."""
        task = asyncio.create_task(sending)
        await asyncio.sleep(random.uniform(0, MOST_CUT_S))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Problem, Unreachable):
            await task

    # -- answers to questionnaires

    async def _respond(self, response: Response, random: Random) -> Answer:
        """Send a filled form until it is known to be kept: thanked for, or spent after a try without answer."""
        way = self.disturbances.choose(random)
        if way != "calm":
            self.ledger.disturbed[way] += 1
        if way == "cut":
            await self._cut_off(self._post_form(response), random)
        answer, unsure = await self._post_until_answered(response)
        if answer.status != FORM_ACCEPTED and not (answer.status == 200 and (unsure or way == "cut")):
            self.ledger.refused[f"response: {answer.status}"] += 1
            raise Problem(answer.status, "form", "The form was not accepted")
        self.ledger.responses[response.campaign] += 1
        if way in ("repeated", "at_once"):
            again, _ = await self._post_until_answered(response)
            if again.status == FORM_ACCEPTED:
                self.ledger.contradictions.append(f"a code of campaign {response.campaign} was accepted twice")
        return answer

    async def _interview(self, deed: Interview, key: str, random: Random) -> Answer:
        """Enter an interview; a device that was cut off sends it again, and it counts once."""
        entry = {"client_id": deed.client_id, "held_on": deed.on.isoformat(), "answers": dict(deed.fields)}
        path = f"/v1/campaigns/{deed.campaign}/interviews"
        answer = await self.api.command(deed.user, "POST", "surveys", path, {"interviews": [entry]}, key=key)
        if answer.body["failed"]:
            self.ledger.refused["interview"] += 1
            return answer
        self.ledger.responses[deed.campaign] += 1
        if self.disturbances.choose(random) != "calm":
            again = await self.api.command(deed.user, "POST", "surveys", path, {"interviews": [entry]}, key=f"{key}:2")
            if again.body["items"][0]["status"] != 200:
                self.ledger.contradictions.append(f"an interview of campaign {deed.campaign} was taken twice")
        return answer

    async def _take_up(self, deed: TakeUp, random: Random) -> Answer:
        """Have one blinded message signed, twice: the same again gets the same signature."""
        blinded = (b"\0" + random.randbytes(BLINDED_BYTES - 1)).hex()
        signatures = {await self._redeem(deed.code, blinded) for _ in range(2)}
        if len(signatures) > 1:
            self.ledger.contradictions.append("an invitation was signed for twice")
        return Answer(200, {})

    async def _redeem(self, code: str, blinded: str) -> str:
        deadline = time.monotonic() + self.patience_s
        pause = Backoff(0.05, 1.0)
        while True:
            with contextlib.suppress(httpx.TransportError):
                got = await self.api.http.post(f"{self.portal}/s/i/{code}", content=blinded)
                if got.status_code == 200:
                    return got.text
                if got.status_code < 500 and got.status_code != 429:
                    raise Problem(got.status_code, "form", got.text[:200])
            if time.monotonic() > deadline:
                raise Unreachable("an invitation could not be taken up")
            await pause.wait()

    async def _post_until_answered(self, response: Response) -> tuple[Answer, bool]:
        """The form's answer, and whether a try before it may have been kept without saying so."""
        deadline = time.monotonic() + self.patience_s
        pause = Backoff(0.05, 1.0)
        unsure = False
        while True:
            try:
                return await self._post_form(response), unsure
            except Unreachable as error:
                unsure = True
                if time.monotonic() > deadline:
                    raise Unreachable(f"the form: {error}") from error
                await pause.wait()

    async def _post_form(self, response: Response) -> Answer:
        try:
            got = await self.api.http.post(f"{self.portal}/s/{response.code}", data=dict(response.fields))
        except httpx.TransportError as error:
            raise Unreachable(repr(error)) from error
        if got.status_code >= 500 or got.status_code == 429:
            raise Unreachable(str(got.status_code))
        return Answer(got.status_code, {})


ONCE: Final = frozenset({"key", "secret", "token", "path"})
"""Secrets that an answer shows once: the same command again is told everything else."""


def _repeatable(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.body.items() if name not in ONCE}


def _not_told_yet(act: Act, problem: Problem) -> bool:
    """Whether a service refuses only because it hasn't heard of what another has registered."""
    if act.service == "partners":
        return False
    unknown = {"unknown_enterprise", "unknown_institution", "institution-unknown"}
    return (
        problem.code in ("institution-not-found", "institution-unknown")
        or (problem.status == 404 and act.what == "campaign.plan")
        or any(error.rule in unknown for error in problem.errors)
    )


def _rules(problem: Problem) -> str:
    state = [str(problem.more["state"])] if "state" in problem.more else []
    return " ".join(state + sorted({f"{error.field}={error.rule}" for error in problem.errors}))
