"""One record of a batch on its way into the write engine: read once, when its turn comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Iterable, Mapping
from itertools import islice
from typing import Final, TypeAlias

import structlog

from broker.bus.consume import Message
from broker.core import times, topics
from broker.core.envelope import Envelope
from broker.core.errors import BadRequestData
from broker.core.patch import Change, ChangeKind
from broker.workers.admission import Refusal, Rules, admit

__all__ = ["Reader", "Record", "changes_of"]

_log = structlog.get_logger(__name__)

_KINDS: Mapping[str, ChangeKind] = {"merge": "ingest_merge", "replace": "ingest_replace", "delete": "delete"}

Verdict: TypeAlias = Envelope | Refusal

_AHEAD: Final = 250
"""Records that are read in a row: that takes less time than one by one."""


class Record:
    """A record of a batch, and what it was found to be while that is of use."""

    __slots__ = ("_reader", "message", "seen", "verdict")

    def __init__(self, message: Message, reader: Reader | None, verdict: Verdict | None = None) -> None:
        self.message = message
        self._reader = reader
        self.verdict = verdict
        self.seen = False

    def found(self) -> Verdict:
        """Say what the record was found to be; it is read where that is not known."""
        if self.verdict is not None:
            return self.verdict
        if self._reader is None:
            raise ValueError("a record needs a reader, or what it was found to be")
        return self._reader.read(self)

    def change(self) -> tuple[Change, None]:
        """Give what the record asks of the write engine, and forget it: the processor's caches hold less than a batch.

        Asked again, the record is read again. Raises Refused.
        """
        found = self.verdict or self.found()
        if self._reader is not None:
            self._reader.took()
        if isinstance(found, Refusal):
            raise Refused(found)
        if self._reader is not None:
            self.verdict = None
        return changes_of(found), None


class Reader:
    """Parses and admits the records of a batch by the rules of one moment, and counts the seconds that this takes."""

    def __init__(self, messages: Iterable[Message], rules: Rules, optouts: Container[tuple[str, str]]) -> None:
        self.records = [Record(message, self) for message in messages]
        self.taken = asyncio.Event()
        """Set when the write engine has asked for all: what remains is the database's."""
        self.spent_s = 0.0
        self._left = len(self.records)
        self._unread = iter(self.records)
        self._rules = rules
        self._optouts = optouts

    def took(self) -> None:
        """Note that a record was asked for."""
        self._left -= 1
        if not self._left:
            self.taken.set()

    def read(self, record: Record) -> Verdict:
        """Read a record."""
        began = time.perf_counter()
        record.verdict = verdict = self._verdict(record.message)
        record.seen = True
        self.spent_s += time.perf_counter() - began
        self._some()
        return verdict

    async def ahead(self) -> None:
        """Read the records while the database is waited for; whoever waits for it goes on in between."""
        for _ in range(0, len(self.records), _AHEAD):
            self._some()
            await asyncio.sleep(0)

    def _some(self) -> None:
        """Read some that are unread, if there are any."""
        began = time.perf_counter()
        for record in islice(self._unread, _AHEAD):
            if not record.seen:
                record.verdict = self._verdict(record.message)
                record.seen = True
        self.spent_s += time.perf_counter() - began

    def _verdict(self, message: Message) -> Verdict:
        """Judge a record. One that cannot be read is refused: it must not stop its partition."""
        try:
            return admit(message, self._rules, self._optouts)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _log.error("ingest.undecodable", topic=message.topic, offset=message.offset, error=type(error).__name__)
            return Refusal("envelope", type(error).__name__, "", "report it: a check is missing", topics.UNKNOWN_FEED)


class Refused(BadRequestData):
    """A record was not let in."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.rule)
        self.refusal = refusal


def changes_of(envelope: Envelope) -> Change:
    """Say what an envelope asks of the write engine."""
    return Change(
        _KINDS[envelope.op],
        envelope.entity["id"],
        None if envelope.op == "delete" else envelope.entity,
        times.canonical(envelope.received_at),
        envelope.event,
        f"ingest:{envelope.feed}",
    )
