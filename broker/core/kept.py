"""What was made of objects, kept by their identity: telling two of them apart by what they hold would cost more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Kept"]

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Makes a value of an object, once while it is kept; when there are more than `most`, the oldest goes.

    The object is kept with its value, so nothing else can come to have its identity meanwhile.
    """

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        self._make = make
        self._most = most
        self._found: dict[int, tuple[K, V]] = {}

    def __call__(self, one: K) -> V:
        """Give the value of an object."""
        found = self._found.get(id(one))
        if found is not None:
            return found[1]
        value = self._make(one)
        if len(self._found) >= self._most:
            del self._found[next(iter(self._found))]
        self._found[id(one)] = one, value
        return value

    def __len__(self) -> int:
        """Count what is kept."""
        return len(self._found)
