"""The broker under fuzzing, and what is held against it: no 5xx, no slow answer, no growing memory."""

from __future__ import annotations

import os
import random
from pathlib import Path

__all__ = ["GROWTH_MB", "LONG", "SLOWEST_S", "resident_mb", "seconds", "seed"]

LONG = os.environ.get("DATAPOLIS_PROVE") == "1"
SLOWEST_S = 5.0
GROWTH_MB = 50.0


def seconds(short: int) -> int:
    """How long to go on: ten minutes in the long proof."""
    return int(os.environ.get("DATAPOLIS_FUZZ_SECONDS", "600")) if LONG else short


def seed() -> int:
    """Give this run's seed, printed so that it can be repeated (DATAPOLIS_FUZZ_SEED)."""
    given = os.environ.get("DATAPOLIS_FUZZ_SEED")
    found = int(given) if given else random.SystemRandom().randrange(2**31) if LONG else 20_260_101
    print(f"DATAPOLIS_FUZZ_SEED={found}")
    return found


def resident_mb(parent: int) -> float:
    """Give the resident memory of a process's children, the HTTP workers, in MB."""
    pages = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _parent(folder) == parent:
            pages += int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def _parent(folder: Path) -> int:
    try:
        text = (folder / "stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])
