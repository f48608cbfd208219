"""A worker process that cannot tell repeats: `python -m tests.faults.worker --without-key ROLE ...`.

It inserts history rows without their key (entity, attribute, datasetId, observedAt), and so proves that the tests of
repeats can fail.
"""

from __future__ import annotations

import asyncio
import sys

from broker.store import history
from broker.workers.run import run
from broker.workers.settings import WorkerSettings
from policies import PolicySettings


def _without_key() -> None:
    append = history._SQL["append"]
    history._SQL = {**history._SQL, "append": append[: append.index("ON CONFLICT")]}


def main(arguments: list[str]) -> None:
    """Run the roles named until a signal comes."""
    _without_key()
    roles = [one for one in arguments if not one.startswith("--")]
    asyncio.run(run(roles, WorkerSettings(), PolicySettings()))


if __name__ == "__main__":
    main(sys.argv[1:])
