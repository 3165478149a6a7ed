"""Kills processes in the middle of the work, as power cuts and the kernel do: without asking, without warning."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.cli.simulation.chance import chance
from deploy.local.errors import StackError
from deploy.local.process import State
from deploy.local.stack import Stack

FIRST_S, LAST_S = 1.0, 6.0


@dataclass
class Chaos:
    """SIGKILL to the named processes in turn, at moments drawn by chance; each is waited for until it is well."""

    stack: Stack
    names: Sequence[str]
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    through: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once every name has been killed and is well again."""

    def check(self) -> None:
        """Raise StackError for a name that no process has."""
        for name in self.names:
            if name not in self.stack.processes:
                known = ", ".join(sorted(self.stack.processes))
                raise StackError(f"--kill {name}: there is no such process. Name one of: {known}.")

    async def rage(self) -> None:
        """Kill until cancelled: every name once, then any."""
        random = chance(self.seed, "kill")
        turn = 0
        while True:
            await asyncio.sleep(random.uniform(FIRST_S, LAST_S))
            name = self.names[turn] if turn < len(self.names) else random.choice(list(self.names))
            turn += 1
            self.stack.process(name).kill()
            self.killed[name] += 1
            await asyncio.sleep(0.2)
            while self.stack.process(name).state is not State.READY:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.1)
            if turn >= len(self.names):
                self.through.set()
