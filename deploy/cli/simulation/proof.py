"""Is every acknowledged command in the logs, once, and applied everywhere? Counted, not believed."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from deploy.cli.simulation.execution import Ledger
from deploy.cli.simulation.machinery import Machinery
from shared.contracts.catalogue import REGISTRY

RECORDED: Final = "hamkor.surveys.response.recorded.v1"
OF_THEIR_OWN: Final = frozenset(
    {
        "hamkor.partners.territory.recorded.v1",  # imported before the activity
        "hamkor.agreements.agreement.activated.v1",
        "hamkor.agreements.agreement.expired.v1",
        "hamkor.agreements.agreement.amended.v1",  # an amendment agreed for that day
        "hamkor.agreements.agreement.renewed.v1",
        "hamkor.agreements.work_plan.measure_overdue.v1",
        "hamkor.agreements.board.decision_overdue.v1",
        "hamkor.agreements.board.member_left.v1",  # a term that ended by its day
        "hamkor.partners.next_action.overdue.v1",
        "hamkor.monitoring.submission.opened.v1",
        "hamkor.monitoring.submission.reminded.v1",
        "hamkor.monitoring.submission.moved.v1",
        "hamkor.monitoring.publication.made.v1",  # once what was ordered is frozen
        "hamkor.monitoring.publication.revised.v1",
        "hamkor.monitoring.recommendation.made.v1",  # by rules, as data changes
        "hamkor.monitoring.recommendation.resolved.v1",
        "hamkor.monitoring.recommendation.expired.v1",
        "hamkor.partners.webhook.disabled.v1",  # after days without an answer
        *(name for name in REGISTRY if name.startswith("hamkor.agreements.") and name.endswith(".reassigned.v1")),
        *(name for name in REGISTRY if name.startswith("hamkor.agreements.") and name.endswith(".cancelled.v1")),
        # Made by what other services told, by the calendar, or by a wave's work through its institutions.
        *(name for name in REGISTRY if name.startswith(("hamkor.surveys.campaign.", "hamkor.surveys.invitation."))),
        "hamkor.surveys.wave.opened.v1",
        "hamkor.surveys.wave.closed.v1",
        "hamkor.surveys.graduate_status.corrected.v1",
        "hamkor.surveys.graduate_status.reassigned.v1",
        RECORDED,  # anonymous: counted by campaign instead
    }
)
"""Events that no command of the ledger makes: by passing time, or following a merge in another service."""

POLL_S: Final = 0.25
STILL_S: Final = 12.0
"""Longer than any job of the services waits that may have something to tell: reports are looked at every five seconds,
recommendations five seconds after what moves them."""


@dataclass
class Proof:
    """What was found; `lost` and `doubled` hold one line for each."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    events_by_type: Counter[str] = field(default_factory=Counter)


async def settle(machines: Machinery, ledger: Ledger, *, silence_s: float = 90.0) -> None:
    """Wait until every consumer has applied every stream to its head, all answers are stored, and nothing moves.

    Returns after `silence_s` without any progress too: what is missing then is for the proof to name.
    """
    last: object = None
    moved = still_since = time.monotonic()
    while True:
        try:
            heads, applied, answers = await machines.heads(), await machines.applied(), await machines.answers()
        except OSError:
            await asyncio.sleep(POLL_S)
            if time.monotonic() - moved > silence_s:
                return
            continue
        now = (heads, applied, answers)
        if now != last:
            last, moved, still_since = now, time.monotonic(), time.monotonic()
        level = all(by_shard == heads[source] for (_, source), by_shard in applied.items())
        stored = sum(answers) >= sum(ledger.responses.values())
        if level and stored and time.monotonic() - still_since > STILL_S:
            return
        if time.monotonic() - moved > silence_s:
            return
        await asyncio.sleep(POLL_S)


async def prove(machines: Machinery, ledger: Ledger) -> Proof:
    """Hold the ledger against the services' logs, and the logs against what consumers applied."""
    proof = Proof(doubled=list(ledger.contradictions))
    claimed = _claims(ledger, proof)
    responses: Counter[str] = Counter()
    for service in machines.feeds:
        versions: dict[str, list[int]] = defaultdict(list)
        expected: Counter[int] = Counter()
        async for event in machines.log(service):
            proof.events += 1
            proof.events_by_type[event.type] += 1
            expected[event.shard] += 1
            name = f"{service}/{event.shard}/{event.position}"
            if event.position != expected[event.shard]:
                proof.lost.append(f"{name}: the log jumps from {expected[event.shard] - 1}")
                expected[event.shard] = event.position
            data = json.loads(event.data)
            versions[event.subject].append(int(data["version"]))
            if event.type == RECORDED:
                responses[data["campaign_id"]] += 1
            elif claimed.pop(name, None) is None and event.type not in OF_THEIR_OWN:
                proof.doubled.append(f"{name}: {event.type} {event.subject} belongs to no acknowledged command")
        for subject, found in versions.items():
            _check_versions(f"{service} {subject}", found, proof)
    proof.lost += [f"{name}: acknowledged to {key}, not in the log" for name, key in claimed.items()]
    staged, _ = await machines.answers()
    for campaign in ledger.responses | responses:
        missing = ledger.responses[campaign] - responses[campaign]
        proof.doubled += [f"campaign {campaign}: a response too many"] * max(0, -missing)
        # Which campaign's answers wait for company nobody is told: as many as wait may be missing.
        waiting = min(staged, max(0, missing))
        staged -= waiting
        proof.lost += [f"campaign {campaign}: a response is missing"] * max(0, missing - waiting)
    proof.doubled += ["surveys: an answer too many waits for company"] * staged
    await _check_applied(machines, proof)
    return proof


def _claims(ledger: Ledger, proof: Proof) -> dict[str, str]:
    """Position → the key of the command that was told it."""
    claimed: dict[str, str] = {}
    for entry in ledger.entries:
        for position in entry.positions:
            if position in claimed:
                proof.doubled.append(f"{position}: told to {claimed[position]} and {entry.key}")
            claimed[position] = entry.key
    return claimed


def _check_versions(subject: str, found: list[int], proof: Proof) -> None:
    """Versions of one aggregate in its log: 1, 2, 3 … and each once."""
    if found == list(range(1, len(found) + 1)):
        return
    counts = Counter(found)
    proof.doubled += [f"{subject}: version {version} twice" for version, count in counts.items() if count > 1]
    missing = set(range(1, max(found) + 1)) - counts.keys()
    proof.lost += [f"{subject}: version {version} is missing" for version in sorted(missing)]
    if sorted(found) != found:
        proof.doubled.append(f"{subject}: versions out of order: {found[:20]}")


async def _check_applied(machines: Machinery, proof: Proof) -> None:
    heads, applied = await machines.heads(), await machines.applied()
    for (consumer, source), by_shard in sorted(applied.items()):
        if consumer == "monitoring":
            continue  # `hamkor verify` looks at it more closely
        for shard, (at, head) in enumerate(zip(by_shard, heads[source], strict=True)):
            if at < head:
                proof.lost.append(f"{consumer} has applied {source}/{shard} up to {at} of {head}")
            elif at > head:
                proof.doubled.append(f"{consumer} has applied {source}/{shard} up to {at}, beyond its head {head}")
    if letters := await machines.dead_letters():
        proof.lost.append(f"{letters} dead letters are open")
