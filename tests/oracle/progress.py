"""How far a long proof has come: kept in a file for as long as the code is the same, shown as a bar.

Several processes may share a proof: each begins with its part of the numbers (DATAPOLIS_PROVE_PART, `1/2` and `2/2`)
and takes over what is left of the others'.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from docker.local.stack import LOCAL, ROOT

__all__ = ["Progress"]


class Progress:
    """Which numbers of a proof are done, each with a figure of its own. Kept with DATAPOLIS_PROVE=1 only."""

    def __init__(self, name: str, seed: int, wanted: int, path: Path | None) -> None:
        self._wanted = wanted
        self._path = path
        self._done: dict[str, int] = {}
        self._read()
        self._bar = Bar(
            TextColumn(f"{name} seed {seed}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            disable=path is None,
        )
        self._task = self._bar.add_task(name, total=wanted, completed=len(self._done))

    @classmethod
    def of(cls, name: str, seed: int, wanted: int) -> Progress:
        """Take up a proof by its name, its seed and the code that it is about."""
        if os.environ.get("DATAPOLIS_PROVE") != "1":
            return cls(name, seed, wanted, None)
        digest = hashlib.sha256()
        for package in ("broker", "policies", "tests/oracle"):
            for path in sorted((ROOT / package).rglob("*.*")):
                if path.suffix in (".py", ".sql", ".rego"):
                    digest.update(path.read_bytes())
        folder = LOCAL / "prove"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(name, seed, wanted, folder / f"{name}-{seed}-{wanted}-{digest.hexdigest()[:16]}.json")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def left(self) -> Iterator[int]:
        """Give the numbers that are still to be done, one after the other; what others did meanwhile is not."""
        part, parts = map(int, os.environ.get("DATAPOLIS_PROVE_PART", "1/1").split("/"))
        begin = self._wanted * (part - 1) // parts
        for number in (*range(begin, self._wanted), *range(begin)):
            self._read()
            if str(number) not in self._done:
                yield number

    def add(self, number: int, figure: int) -> None:
        """Note that a number is done."""
        if self._path is None:
            self._done[str(number)] = figure
        else:
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._read()
                self._done[str(number)] = figure
                written = self._path.with_suffix(".new")
                written.write_text(json.dumps(self._done))
                written.replace(self._path)
        self._bar.update(self._task, completed=len(self._done))

    def _read(self) -> None:
        if self._path is not None and self._path.is_file():
            self._done = json.loads(self._path.read_text())

    def having(self, figure: int) -> list[int]:
        """Give the numbers that are done with a figure."""
        return [int(number) for number, one in self._done.items() if one == figure]

    def total(self) -> int:
        """Add the figures up."""
        return sum(self._done.values())
