"""From a source to the feed's record topic: decode, minimise, produce. The only place that sees unminimised data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from broker.core import topics
from connectors.dead import dead_letter
from connectors.decoders import Decoded, decoder
from connectors.drift import KINDS, Drift
from connectors.errors import FeedError, Rejected, Rejection
from connectors.expression import guarded
from connectors.feed import Feed, FileSource, HttpSource, MqttSource
from connectors.functions import utc
from connectors.minimise import compile_minimiser
from connectors.publish import Outgoing, Publisher
from connectors.receive.inbox import Inbox, PushDoor
from connectors.settings import ConnectorSettings
from connectors.sources.files import FileWatch
from connectors.sources.gbfs import GbfsPoll
from connectors.sources.http import HttpPoll
from connectors.sources.mqtt import MqttSubscription
from connectors.sources.onem2m import OneM2MSubscription
from connectors.sources.opcua import OpcUaSubscription
from connectors.sources.payload import Messages, Payload, Source
from connectors.sources.sftp import SftpFolder
from connectors.sources.sql import SqlPoll
from connectors.specs.push import PushSource
from connectors.specs.sources import GbfsSource
from connectors.specs.systems import OneM2MSource, OpcUaSource, SftpSource, SqlSource
from connectors.state import FeedState, domain_key

__all__ = ["Fetcher", "Minimised", "open_source", "placing", "prepare"]

_BATCH = 1_000
_KEEP_DRIFT_S = 2.0
_FINISH_S = 3.0
RECEIVED = "@received"  # kept by a feed whose records carry no time: when the record was fetched
TOPIC = "@topic"  # kept by a feed that needs the MQTT topic of a message
FILE = "@file"  # kept by a feed that needs the name of the file that a record stood in
_ORIGINS = {TOPIC: MqttSource, FILE: FileSource | SftpSource}
log = structlog.get_logger()

Minimised = tuple[str, dict[str, Any]] | Rejection
"""A record's key and what may leave the process, or why it does not."""

_Named = tuple[Decoded, str]
"""A record and the name of its payload."""


def open_source(feed: Feed, settings: ConnectorSettings, inbox: Inbox | None = None) -> Source:
    """Make the source of a declaration; nothing is opened yet. Pushed feeds come through the process's inbox."""
    spec, allow = feed.source, settings.egress_allow
    match spec:
        case FileSource():
            return FileWatch(spec)
        case HttpSource():
            return HttpPoll(spec, allow)
        case GbfsSource():
            return GbfsPoll(spec, allow)
        case SqlSource():
            return SqlPoll(spec, allow)
        case SftpSource():
            return SftpFolder(spec, allow)
        case OpcUaSource():
            return OpcUaSubscription(spec, allow)
        case MqttSource():
            return MqttSubscription(spec, settings.mqtt, f"{settings.topic_prefix}datapolis-{feed.feed}", allow)
        case PushSource() | OneM2MSource():
            if inbox is None:
                raise FeedError(f"{feed.feed}: receives what others send; try it with --sample FILE")
            if isinstance(spec, OneM2MSource):
                return OneM2MSubscription(feed.feed, spec, allow, inbox)
            return PushDoor(feed.feed, spec.waiting, inbox)


def prepare(feed: Feed, settings: ConnectorSettings) -> Callable[[Decoded, str], Minimised]:
    """Build the step from a decoded record and the name of its payload to its key and minimised form.

    What a payload's name says (a topic, a file's name) is minimised as members of the record are.
    """
    minimiser = compile_minimiser(feed, domain_key(settings, feed.domain) if feed.minimise.hmac else None)
    received = RECEIVED in feed.minimise.keep
    key_of = guarded(feed.key, f"{feed.feed}: key", feed.tables)
    origin = _origin(feed)
    if origin is not None and not isinstance(feed.source, _ORIGINS[origin]):
        raise FeedError(f"{feed.feed}: minimise.keep: a source of kind {feed.source.kind!r} has no {origin}")

    def step(decoded: Decoded, name: str) -> Minimised:
        if decoded.record is None:
            return decoded.rejection or Rejection("decode", "empty", "", "the decoder gave nothing")
        try:
            kept = minimiser(decoded.record if origin is None else {**decoded.record, origin: name})
            if received:
                kept[RECEIVED] = utc(datetime.now(UTC))
            key = key_of(kept)
        except Rejected as error:
            return error.rejection
        if key is None or key == "":
            return Rejection("minimise", "key", "key", "the record has no source key; it lacks a field named in key")
        return str(key), kept

    return step


def placing(feed: Feed, settings: ConnectorSettings) -> Callable[[str, str], str]:
    """Build what a record's position may say, from it and the name of the payload that it begins with.

    The name stands there as the feed keeps it. A topic that is not kept at all is left out: it may name a person's
    device. Files' names and tables' are needed to find a row again, and stay.
    """
    origin = _origin(feed)
    if origin is None:
        left_out = isinstance(feed.source, MqttSource)
        return lambda position, name: "mqtt" + position.removeprefix(name) if left_out else position
    minimiser = compile_minimiser(feed, domain_key(settings, feed.domain) if feed.minimise.hmac else None)

    def placed(position: str, name: str) -> str:
        try:
            shown = minimiser({origin: name}).get(origin, "")
        except Rejected:
            shown = ""
        return f"{shown}{position.removeprefix(name)}"

    return placed


def _origin(feed: Feed) -> str | None:
    return next((member for member in _ORIGINS if member in feed.minimise.keep), None)


class Fetcher:
    """Fetches one feed. Its place in the source and its count of undecodable records are kept after each batch."""

    def __init__(
        self,
        feed: Feed,
        settings: ConnectorSettings,
        publisher: Publisher,
        state: FeedState,
        inbox: Inbox | None = None,
    ) -> None:
        self.feed = feed
        self._inbox = inbox
        self._settings = settings
        self._publisher = publisher
        self._state = state
        self._step = prepare(feed, settings)
        self._placed = placing(feed, settings)
        self._place: dict[str, Any] = {}
        self._memory: dict[str, Any] = {}
        self._decode = decoder(feed.decoder, self._memory)
        self.rejected = 0
        self.drift = Drift(feed.minimise.keep, KINDS.get(feed.decoder.kind))
        self._drift_kept = 0.0
        self._recall()

    async def run(self, on_answer: Callable[[], None]) -> None:
        """Fetch for ever; `on_answer` is called after each payload taken. Raises what the source raises."""
        self._recall()
        source = open_source(self.feed, self._settings, self._inbox)
        async with aclosing(source.payloads(self._place)) as payloads:
            try:
                async for payload in payloads:
                    if isinstance(payload, Messages):
                        await self._take_together(payload)
                    else:
                        await self._take(payload)
                    on_answer()
            finally:
                self._keep_drift(0)

    def _recall(self) -> None:
        """Take up where this or another process left off."""
        kept = self._state.read("position")
        self._place = kept.get("place", {})
        self._memory.clear()
        self._memory.update(kept.get("memory", {}))
        self.rejected = int(kept.get("rejected", 0))
        self.drift.restore(self._state.read("schema"))

    async def _take(self, payload: Payload) -> None:
        taken = 0
        for batch in _batches(self._decode(payload.stream, payload.name), payload.skip):
            taken += len(batch)
            await _whole(self._send_and_remember(batch, payload, payload.skip + taken))
        self._remember(payload, payload.skip + taken, done=True)
        log.debug("payload taken", feed=self.feed.feed, payload=payload.name, records=taken)

    async def _send_and_remember(self, batch: list[Decoded], payload: Payload, records: int) -> None:
        await self._send([(one, payload.name) for one in batch])
        self._remember(payload, records, done=False)

    async def _take_together(self, messages: Messages) -> None:
        """Send all records of some messages at once, then let their sender forget them."""
        found: list[_Named] = []
        for payload in messages.payloads:
            found += [(one, payload.name) for one in self._decode(payload.stream, payload.name)]
        await _whole(self._send_and_acknowledge(found, messages))

    async def _send_and_acknowledge(self, found: list[_Named], messages: Messages) -> None:
        await self._send(found)
        self._write()
        await messages.taken()

    def _remember(self, payload: Payload, records: int, *, done: bool) -> None:
        if not done and payload.entry is None:
            return
        if payload.place:
            self._place.update(payload.after(records, done=done))
        self._write()

    def _write(self) -> None:
        kept = {"place": self._place, "rejected": self.rejected}
        self._state.write("position", {**kept, "memory": self._memory} if self._memory else kept)

    async def _send(self, batch: list[_Named]) -> None:
        name = self.feed.feed
        now = datetime.now(UTC)
        outgoing: list[Outgoing] = []
        bad = 0
        if self._state.relearn():
            self.drift.restore({})
        for decoded, source in batch:
            if decoded.record is not None:
                self.drift.note(decoded.record)
            found, position = self._step(decoded, source), self._placed(decoded.position, source)
            if isinstance(found, Rejection):
                bad += 1
                letter = dead_letter(name, found, position, decoded.raw, now)
                outgoing.append(Outgoing(topics.dead(name), position.encode(), letter))
            else:
                key, kept = found
                headers = (("position", position.encode()),)
                outgoing.append(Outgoing(topics.records(name), key.encode(), orjson.dumps(kept), headers))
        await self._publisher.send_all(outgoing)
        self.rejected += bad
        self._keep_drift(_KEEP_DRIFT_S)

    def _keep_drift(self, every_s: float) -> None:
        """Keep the baseline and its counts, at most every `every_s` seconds; a kill costs counts, never records."""
        now = time.monotonic()
        if now - self._drift_kept >= every_s:
            self._drift_kept = now
            self._state.write("schema", self.drift.state())


async def _whole(step: Coroutine[Any, Any, None]) -> None:
    """Finish a step that was begun, also when cancelled in its midst: what was sent would be sent again."""
    task = asyncio.create_task(step)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait({task}, timeout=_FINISH_S)
        if not done:
            task.cancel()
        elif (error := task.exception()) is not None:
            log.warning("the last batch before the end was not sent", error=f"{type(error).__name__}: {error}")
        raise


def _batches(found: Iterator[Decoded], skip: int) -> Iterator[list[Decoded]]:
    batch: list[Decoded] = []
    for at, decoded in enumerate(found):
        if at < skip:
            continue
        batch.append(decoded)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
