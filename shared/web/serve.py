"""`python -m shared.web.serve NAME`: one service process, from its composition root to uvicorn."""

import gc
import importlib
import os
import sys

import uvicorn

from shared.settings import PORTS, WrongSettings, read_environment


def main(arguments: list[str]) -> None:
    """Serve the named service; stops with one sentence on wrong arguments or settings."""
    if len(arguments) != 1 or arguments[0] not in PORTS:
        raise SystemExit(f"usage: python -m shared.web.serve {'|'.join(sorted(PORTS))}")
    service = arguments[0]
    try:
        app = importlib.import_module(f"services.{service}.app").build()
        values = read_environment()
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        raise SystemExit(os.EX_CONFIG) from None  # the supervisor need not try again
    # What stands now stays: a full collection that walks over it again and again stops every answer for 0.1 s and more.
    gc.collect()
    gc.freeze()
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
