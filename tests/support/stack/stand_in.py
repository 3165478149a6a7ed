"""A stand-in for a service: answers /live and /ready on <NAME>_PORT, and does what a test asks by environment."""

import asyncio
import os
import sys


async def main(name: str) -> None:
    """Serve until ended; STAND_IN_FAILS=<name> ends at once with exit code 3."""
    if os.environ.get("STAND_IN_FAILS") == name:
        sys.exit(3)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", int(os.environ[f"{name.upper()}_PORT"]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
