"""What a source hands over, and what to remember once it has been taken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

__all__ = ["Messages", "Payload", "Source"]

Place = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes to decode. `place` is the source's state once all of it is taken; `skip` records were taken before.

    `entry` names the member of `place` that describes this payload where it can be resumed inside (a file).
    """

    name: str
    stream: BinaryIO
    place: Place = field(default_factory=dict)
    skip: int = 0
    entry: str | None = None

    def after(self, records: int, *, done: bool) -> Place:
        """Return the source's state after so many records of this payload."""
        if self.entry is None:
            return self.place
        return {**self.place, self.entry: {**self.place[self.entry], "rows": records, "done": done}}


@dataclass(frozen=True, slots=True)
class Messages:
    """Small payloads that came together. `taken` is awaited once Kafka holds them all: only then may the sender forget.

    Where taking them fails, `taken` is not called; the source's generator is closed instead.
    """

    payloads: tuple[Payload, ...]
    taken: Callable[[], Awaitable[None]]


class Source(Protocol):
    """A source yields payloads for ever; it does I/O and nothing else."""

    def payloads(self, place: Place) -> AsyncGenerator[Payload | Messages, None]:
        """Yield payloads from `place` on.

        The caller keeps `place` up to date (`place.update(payload.after(..))`) while it takes a payload, and hands the
        same content in at the next start.
        """
        ...
