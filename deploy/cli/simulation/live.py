"""Life as it happens: a few deeds a second by whoever comes, for as long as one likes."""

import asyncio
from collections.abc import Sequence

from deploy.api_client import Unreachable
from deploy.cli.simulation.chance import chance
from deploy.cli.simulation.execution import Performer
from deploy.cli.simulation.lives import something
from deploy.cli.simulation.work import Institution, World
from shared import clock

BESIDE_EACH_OTHER = 12
AFTER_SILENCE_S = 5.0


async def live(
    institutions: Sequence[Institution],
    world: World,
    performer: Performer,
    seed: str,
    enough: asyncio.Event | None = None,
) -> None:
    """Let institutions work until cancelled, or until what they have begun is done after `enough` is set.

    `performer` has the pace. A silent platform is waited for.
    """
    random = chance(seed, "live")
    number = 0

    async def work() -> None:
        nonlocal number
        while enough is None or not enough.is_set():
            number += 1
            world.today = clock.local_day(clock.now())
            mine = chance(random.getrandbits(64))
            piece = something(mine.choice(institutions), world, mine)
            try:
                await performer.drive(piece, f"live-{number}")
            except Unreachable:
                await asyncio.sleep(AFTER_SILENCE_S)

    async with asyncio.TaskGroup() as workers:
        for _ in range(BESIDE_EACH_OTHER):
            workers.create_task(work())
