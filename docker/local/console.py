"""What a person at the terminal sees: one line per step, one sentence per trouble. Standard library only."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Trouble", "run_cli", "say", "step"]

T = TypeVar("T")

_LOCK = threading.Lock()
_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Trouble(Exception):
    """Something the user can mend: what is wrong, and the remedy, in one sentence each."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep both; `str()` joins them."""
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


def say(text: str, mark: str = " ") -> None:
    """Print one line, whole, also from several threads."""
    colours = {"+": "\x1b[32m", "!": "\x1b[31m", ">": "\x1b[36m", "~": "\x1b[33m"}
    front = f"{colours[mark]}{mark}\x1b[0m" if _COLOUR and mark in colours else mark
    with _LOCK:
        sys.stdout.write(f"{front} {text}\n" if mark else f"{text}\n")
        sys.stdout.flush()


def step(title: str, work: Callable[[], T]) -> T:
    """Run one step, saying what it does and how long it took."""
    say(title, ">")
    began = time.monotonic()
    result = work()
    say(f"{title}: done in {time.monotonic() - began:.1f} s", "+")
    return result


def run_cli(main: Callable[[], int]) -> None:
    """Run a command line; a `Trouble` becomes one sentence and exit code 1."""
    try:
        code = main()
    except Trouble as trouble:
        sys.stdout.flush()
        sys.stderr.write(f"! {trouble.what}\n  What to do: {trouble.remedy}\n")
        code = 1
    except KeyboardInterrupt:
        sys.stderr.write("! stopped by the keyboard\n")
        code = 130
    sys.exit(code)
