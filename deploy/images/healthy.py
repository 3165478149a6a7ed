"""`python -m deploy.images.healthy PORT`: exit 0 when the process on PORT of this container says it is ready."""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4


def main(port: str) -> int:
    """0 when /ready answers 200, else 1."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{int(port)}/ready", timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
