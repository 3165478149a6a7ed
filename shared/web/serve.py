"""`python -m shared.web.serve NAME`: one service process, from its composition root to uvicorn."""

import importlib
import sys

import uvicorn

from shared.settings import PORTS, read_environment


def main(arguments: list[str]) -> None:
    """Serve the named service; stops with one sentence on wrong arguments or settings."""
    if len(arguments) != 1 or arguments[0] not in PORTS:
        raise SystemExit(f"usage: python -m shared.web.serve {'|'.join(sorted(PORTS))}")
    service = arguments[0]
    app = importlib.import_module(f"services.{service}.app").build()
    values = read_environment()
    uvicorn.run(
        app,
        host=values.get(f"{service.upper()}_HOST", "127.0.0.1"),
        port=int(values.get(f"{service.upper()}_PORT", PORTS[service])),
        access_log=False,
        log_config=None,
        server_header=False,
        # Open change streams never end by themselves; the loops then have seven seconds, the supervisor ten.
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
