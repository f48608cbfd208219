"""A container's health: `python -m docker.images.health PORT`, exit code 0 when the process there is ready."""

from __future__ import annotations

import http.client
import sys

__all__ = ["ready"]


def ready(port: int) -> bool:
    """Ask a process of ours on the loopback whether it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if ready(int(sys.argv[1])) else 1)
