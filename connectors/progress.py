"""What a running process does, for the person who started it: one line per feed, renewed every second."""

from __future__ import annotations

import asyncio
import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from connectors.run import Supervisor

__all__ = ["show_progress"]

_EVERY_S = 1.0


async def show_progress(supervisor: Supervisor, stream: TextIO) -> None:
    """Show every feed's status, counts and rate until cancelled; a line per change where there is no terminal."""
    console = Console(file=stream)
    if console.is_terminal:
        with Live(_table(supervisor, {}, 0), console=console, transient=True, auto_refresh=False) as live:
            before, at = _received(supervisor), time.monotonic()
            while True:
                await asyncio.sleep(_EVERY_S)
                live.update(_table(supervisor, before, time.monotonic() - at), refresh=True)
                before, at = _received(supervisor), time.monotonic()
    said: dict[str, str] = {}
    while True:
        for name, runner in supervisor.runners.items():
            counters = runner.counters
            line = (
                f"{name}: {runner.status}, {counters.received} received, {counters.mapped} mapped, "
                f"{counters.rejected} rejected"
            )
            if said.get(name) != line:
                said[name] = line
                stream.write(line + "\n")
                stream.flush()
        await asyncio.sleep(_EVERY_S)


def _received(supervisor: Supervisor) -> dict[str, int]:
    return {name: runner.counters.received for name, runner in supervisor.runners.items()}


def _table(supervisor: Supervisor, before: dict[str, int], seconds: float) -> Table:
    table = Table("feed", "status", "received", "mapped", "rejected", "per second", "last observed", "trouble")
    for name, runner in sorted(supervisor.runners.items()):
        counters = runner.counters
        rate = (counters.received - before.get(name, counters.received)) / seconds if seconds else 0.0
        trouble = "; ".join(f"{loop}: {text}" for loop, text in runner.troubles.items())
        table.add_row(
            name, runner.status, str(counters.received), str(counters.mapped), str(counters.rejected), f"{rate:.0f}",
            counters.last_observed_at, trouble,
        )  # fmt: skip
    return table
