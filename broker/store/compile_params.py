"""Parameters of a compiled condition: every value is one, numbered as it comes, and equal ones share a number."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Params"]


class Params:
    """Collects values and returns their placeholders with the cast that fixes their type."""

    def __init__(self, start: int, alias: str, after: str | None = None) -> None:
        self.values: list[object] = []
        self.alias = alias
        self.after = after
        self.depth = 0
        self._start = start
        self._known: dict[tuple[str, object], str] = {}

    def within(self) -> Params:
        """Return the same parameters for another row of `entities`, one that this row leads to."""
        inner = Params(self._start, f"l{self.depth + 1}")
        inner.values, inner._known, inner.depth = self.values, self._known, self.depth + 1
        return inner

    def _add(self, cast: str, key: object, value: object) -> str:
        found = self._known.get((cast, key))
        if found is None:
            found = self._known[cast, key] = f"${self._start + len(self.values)}::{cast}"
            self.values.append(value)
        return found

    def text(self, value: str) -> str:
        """Return a text."""
        return self._add("text", value, value)

    def texts(self, values: Sequence[str]) -> str:
        """Return an array of texts."""
        return self._add("text[]", tuple(values), list(values))

    def json(self, value: str) -> str:
        """Return a JSON value, from its text: read once, where a cast of a text would be read for every row."""
        return self._add("jsonb", value, value)

    def jsons(self, values: Sequence[str]) -> str:
        """Return an array of JSON values, from their texts."""
        return self._add("jsonb[]", tuple(values), list(values))

    def number(self, value: float) -> str:
        """Return a double."""
        return self._add("float8", float(value), float(value))

    def binary(self, value: bytes) -> str:
        """Return bytes."""
        return self._add("bytea", value, value)
