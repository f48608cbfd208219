"""What runs inside Robot's own interpreter: lists cases, bounds every wait, and writes each case's outcome as it ends.

Used three ways: as a listener, as a pre-run modifier, and as a script (`robot_side.py FOLDER ...` lists cases).
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from robot.api import SuiteVisitor, TestSuiteBuilder

_LONGEST_CALL_S = float(os.environ.get("CONFORMANCE_CALL_S", "30"))
_plain_send = HTTPAdapter.send


def _send(self: HTTPAdapter, request: Any, **options: Any) -> Any:
    """Send a request that ends: the suite's set-ups and clean-ups have no timeout of their own."""
    timeout = options.get("timeout")
    if timeout is None or getattr(timeout, "read_timeout", timeout) is None:
        options["timeout"] = _LONGEST_CALL_S
    return _plain_send(self, request, **options)


setattr(HTTPAdapter, "send", _send)  # noqa: B010 - another module's method


_LOTS = (10000, 99999)
_numbers = itertools.count(_LOTS[0])
_drawn = random.randint


def _lot(low: int, high: int) -> int:
    return next(_numbers) if (low, high) == _LOTS else _drawn(low, high)


# The suite's tenants have numbers drawn by lot; they count up instead, so that agreements can name them beforehand.
setattr(random, "randint", _lot)  # noqa: B010 - another module's function


class Timeouts(SuiteVisitor):  # type: ignore[misc]  # Robot's own interpreter has the base, ours does not
    """Give every case without a timeout one."""

    def __init__(self, seconds: str) -> None:
        self.seconds = seconds

    def start_test(self, test: Any) -> None:
        """Set it."""
        if not test.timeout:
            test.timeout = f"{self.seconds} seconds"


class Listener:
    """Append one JSON line per case that ended: file, name, status, message, seconds."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def end_test(self, data: Any, result: Any) -> None:
        """Write it."""
        line = {
            "file": str(data.source),
            "name": data.name,
            "status": result.status,
            "message": result.message,
            "seconds": round(result.elapsed_time.total_seconds(), 3),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _cases(suite: Any) -> list[tuple[str, str]]:
    found = [(str(case.source), case.name) for case in suite.tests]
    for child in suite.suites:
        found += _cases(child)
    return found


if __name__ == "__main__":
    json.dump([case for folder in sys.argv[1:] for case in _cases(TestSuiteBuilder().build(folder))], sys.stdout)
