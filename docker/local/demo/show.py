"""What the demo prints: tables and short sentences."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.status import Status
from rich.table import Table

__all__ = ["Show"]

_EVERY_S = 5.0  # between two lines of progress where they stay


class Show:
    """Prints to the terminal; keeps one line of progress while something is waited for."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._status: Status | None = None
        self._last = ""
        self._next = 0.0  # when a line of progress may be printed again

    def scene(self, number: int, title: str) -> None:
        """Head a scene."""
        self._quiet()
        self._console.rule(f"[bold]{number}. {title}", align="left")

    def progress(self, text: str) -> None:
        """Say what is waited for; on a terminal one line that moves, else a line now and then."""
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            self._status.update(text)
        elif text != self._last and time.monotonic() >= self._next:
            self._console.print(f"  … {text}")
            self._next = time.monotonic() + _EVERY_S
            self._last = text

    def good(self, text: str) -> None:
        """Say what happened as promised."""
        self._quiet()
        self._console.print(f"  [green]✓[/] {text}")

    def note(self, text: str) -> None:
        """Say something more about it."""
        self._quiet()
        self._console.print(f"    {text}", style="dim")

    def document(self, body: Any) -> None:
        """Print a JSON document as it was answered."""
        self._quiet()
        self._console.print_json(json.dumps(body))

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """Print a table; numbers stand right."""
        self._quiet()
        filled = [list(row) for row in rows]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        for at, name in enumerate(columns):
            number = all(isinstance(row[at], int | float) for row in filled)
            table.add_column(name, justify="right" if number else "left", overflow="fold")
        for row in filled:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
        self._console.print(table)

    def end(self, title: str, facts: Mapping[str, str]) -> None:
        """Print where to go from here."""
        self._quiet()
        width = max(map(len, facts))
        text = "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())
        self._console.print(Panel(text, title=title, title_align="left", border_style="green", expand=False))

    def _quiet(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
