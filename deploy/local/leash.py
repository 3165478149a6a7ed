"""Starts a program so that it can't outlive its parent: leash.py PARENT SIGNAL USER PROGRAM ARGUMENTS…

Run as a script (`python -I -S leash.py …`): it must start in milliseconds, so it imports next to nothing. It gives up
root for USER ("-" stays as it is), asks the kernel to send SIGNAL when the parent dies, and becomes the program, with
the same pid. Where the kernel has no such thing (macOS), the next start of the stack ends what was left.
"""

import os
import pwd
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program; never returns. Exits with 127 where there is no such program."""
    parent, signal, user, program, *rest = arguments
    # Before the change of user, who may not be allowed to read this Python's library.
    prctl = _prctl() if sys.platform == "linux" else None
    if user != "-":
        _become(user)
    if prctl is not None:
        # After the change of user: the kernel forgets the signal when credentials change.
        prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
        if os.getppid() != int(parent):  # died before the kernel knew
            sys.exit(1)
    try:
        os.execv(program, [program, *rest])  # noqa: S606 - becoming the program is what this is for
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        sys.exit(127)


def _prctl() -> Callable[..., int]:
    import ctypes

    return ctypes.CDLL(None).prctl


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


if __name__ == "__main__":
    main(sys.argv[1:])
