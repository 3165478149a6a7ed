"""A supervisor with stand-ins as a process of its own, for tests that kill it: `python -m … FOLDER`."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.support.stack import a_stack


async def main(folder: Path) -> None:
    """Run until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with a_stack(folder):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
