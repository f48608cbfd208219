"""The fixed statements of `queries/*.sql`, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["statement"]

_QUERIES = Path(__file__).with_name("queries")


@cache
def statement(name: str) -> str:
    """The text of one statement."""
    return (_QUERIES / f"{name}.sql").read_text(encoding="utf-8")
