"""Where received requests wait for Kafka: bounded per feed, each waiter told what became of its request."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sources.payload import Messages, Payload

__all__ = ["Busy", "Door", "Inbox", "PushDoor"]

_TOGETHER = 500


class Busy(Exception):
    """The request cannot be taken now; the text says why. The sender is to try again."""


@dataclass(frozen=True, slots=True)
class _Pending:
    name: str
    body: bytes
    told: asyncio.Future[None]


class Door:
    """One feed's place of receipt, open while its source runs."""

    def __init__(self, waiting: int) -> None:
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue(waiting)
        self._out: list[_Pending] = []

    async def hand_in(self, name: str, body: bytes, timeout_s: float) -> None:
        """Return when Kafka holds the request. Busy where there is no room, no answer in time, or the feed stops."""
        pending = _Pending(name, body, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(pending)
        except asyncio.QueueFull as error:
            raise Busy("too many requests wait for Kafka") from error
        try:
            await asyncio.wait_for(asyncio.shield(pending.told), timeout_s)
        except TimeoutError as error:
            raise Busy("Kafka did not answer in time") from error

    async def messages(self) -> Messages:
        """Wait for what is handed in, and return as much as waits."""
        self._out = [await self._queue.get()]
        while not self._queue.empty() and len(self._out) < _TOGETHER:
            self._out.append(self._queue.get_nowait())
        return Messages(tuple(Payload(one.name, io.BytesIO(one.body)) for one in self._out), self._taken)

    def close(self) -> None:
        """Tell those whose requests Kafka does not hold to come again."""
        while not self._queue.empty():
            self._out.append(self._queue.get_nowait())
        _tell(self._out, Busy("the feed stopped before Kafka held this"))
        self._out = []

    async def _taken(self) -> None:
        _tell(self._out, None)
        self._out = []


def _tell(waiters: Sequence[_Pending], error: Busy | None) -> None:
    for one in waiters:
        if one.told.done():
            continue
        if error is None:
            one.told.set_result(None)
        else:
            one.told.set_exception(error)
            one.told.exception()  # its waiter may have left already


class Inbox:
    """The doors of a process, by feed."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def door(self, feed: str) -> Door | None:
        """Return the open door of a feed."""
        return self._doors.get(feed)

    def open(self, feed: str, door: Door) -> None:
        """Let requests for a feed in."""
        self._doors[feed] = door

    def close(self, feed: str, door: Door) -> None:
        """Let no more in."""
        if self._doors.get(feed) is door:
            del self._doors[feed]


class PushDoor:
    """The source of a pushed feed: what comes through its door."""

    def __init__(self, feed: str, waiting: int, inbox: Inbox) -> None:
        self._feed, self._waiting, self._inbox = feed, waiting, inbox
        self._door: Door | None = None

    def open(self) -> Door:
        """Open the door, if it is not open yet."""
        if self._door is None:
            self._door = Door(self._waiting)
            self._inbox.open(self._feed, self._door)
        return self._door

    def close(self) -> None:
        """Let nobody in any more; who waits is told to come again."""
        if self._door is not None:
            self._inbox.close(self._feed, self._door)
            self._door.close()
            self._door = None

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Messages, None]:
        """Open the door, yield requests, and close it at the end."""
        door = self.open()
        try:
            while True:
                yield await door.messages()
        finally:
            self.close()
