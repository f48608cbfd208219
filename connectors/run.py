"""The supervisor: every feed runs by itself, is restarted with growing pauses, and stops no other.

A feed has two loops, fetch (source to records) and map (records to envelopes). Status is `running` while both work,
`failing` while one waits to be tried again, `stopped` while the feed is paused.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError

from broker.core import topics
from broker.core.envelope import Envelope, event_id, serialise
from broker.core.ids import TenantId
from connectors.feed import Feed
from connectors.fetch import Fetcher
from connectors.functions import utc
from connectors.names import Names
from connectors.publish import Outgoing, Publisher
from connectors.quality import Counters, platform_entities
from connectors.receive.inbox import Inbox
from connectors.remap import MapWorker, RecordMapper, group_counters
from connectors.settings import ConnectorSettings
from connectors.state import FeedState

__all__ = ["FeedRunner", "Supervisor"]

PLATFORM = "platform"
_LOOK_S = 0.25
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_REPEAT_AFTER_S = 60.0
log = structlog.get_logger()


class FeedRunner:
    """One feed: its two loops, its status, its last error."""

    def __init__(
        self, feed: Feed, settings: ConnectorSettings, names: Names, publisher: Publisher, inbox: Inbox | None = None
    ) -> None:
        self.feed = feed
        self.state = FeedState(settings.feed_state, feed.feed)
        self._settings = settings
        self._fetcher = Fetcher(feed, settings, publisher, self.state, inbox)
        self._worker = MapWorker(RecordMapper(feed, names), settings, publisher)
        self.troubles: dict[str, str] = {}
        self.retries: dict[str, int] = {}
        self.paused = self.state.paused
        self.leader = False
        self.counters = Counters()

    @property
    def status(self) -> str:
        """Status as the Feed entity says it."""
        if self.paused:
            return "stopped"
        return "failing" if self.troubles else "running"

    async def run(self) -> None:
        """Run until cancelled; follow the pause file."""
        while True:
            self.paused = self.state.paused
            if self.paused:
                await asyncio.sleep(_LOOK_S)
                continue
            async with asyncio.TaskGroup() as group:
                loops = [
                    group.create_task(self._keep("map", lambda: self._worker.run(lambda: self._well("map")))),
                    group.create_task(self._keep("fetch", self._fetch_while_leading)),
                ]
                while not self.state.paused:  # noqa: ASYNC110 - another process writes the file
                    await asyncio.sleep(_LOOK_S)
                for loop in loops:
                    loop.cancel()
            self.troubles.clear()
            log.info("feed paused", feed=self.feed.feed)

    async def count(self) -> Counters:
        """Sum the feed's counters over all partitions, and what could not be decoded here."""
        kept = await group_counters(self.feed.feed, self._settings)
        total = sum(kept.values(), Counters())
        undecoded, drift = self._fetcher.rejected, self._fetcher.drift
        self.counters = total + Counters(
            received=undecoded, rejected=undecoded, compared=drift.compared, drifted=drift.drifted
        )
        return self.counters

    def _well(self, loop: str) -> None:
        self.troubles.pop(loop, None)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await loop()
            except Exception as error:
                if asyncio.get_running_loop().time() - began > _LONGEST_PAUSE_S:
                    pause = _FIRST_PAUSE_S
                self.troubles[name] = f"{type(error).__name__}: {error}"
                asked = getattr(error, "retry_s", None) or 0.0
                wait = max(pause * random.uniform(0.8, 1.2), asked)  # noqa: S311 - spreads retries, keeps no secret
                log.warning("feed failed", feed=self.feed.feed, loop=name, error=self.troubles[name], retry_s=wait)
                self.retries[name] = self.retries.get(name, 0) + 1
            else:
                wait = pause
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _fetch_while_leading(self) -> None:
        """Fetch while partition 0 of the records is ours, so that of several processes one fetches."""
        while True:
            await self._worker.leads.wait()
            self.leader = True
            fetch = asyncio.create_task(self._fetcher.run(lambda: self._well("fetch")))
            lost = asyncio.create_task(self._worker.follows.wait())
            try:
                await asyncio.wait({fetch, lost}, return_when=asyncio.FIRST_COMPLETED)
                if fetch.done():
                    fetch.result()
            finally:
                for task in (fetch, lost):
                    task.cancel()
                await asyncio.gather(fetch, lost, return_exceptions=True)
            self.leader = self._worker.leads.is_set()


class Supervisor:
    """All feeds of a process, and the loop that publishes their status and quality."""

    def __init__(self, feeds: list[Feed], settings: ConnectorSettings, names: Names, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self.inbox = Inbox()
        self.runners = {feed.feed: FeedRunner(feed, settings, names, publisher, self.inbox) for feed in feeds}
        self._said: dict[str, tuple[str, Counters, float]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Run every feed until `stop` is set, then end their loops and say their status once more."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(runner.run(), name=name) for name, runner in self.runners.items()]
            tasks.append(group.create_task(self._report()))
            await stop.wait()
            for task in tasks:
                task.cancel()

    def ready(self) -> bool:
        """Whether every feed that is not paused has its mapper running."""
        return all(runner.paused or "map" not in runner.troubles for runner in self.runners.values())

    async def _report(self) -> None:
        while True:
            for name, runner in self.runners.items():
                try:
                    await self._say(name, runner)
                except (KafkaError, OSError) as error:
                    log.warning("status not published", feed=name, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._settings.quality_interval)

    async def _say(self, name: str, runner: FeedRunner) -> None:
        counters = await runner.count()
        status, said, at = self._said.get(name, ("", Counters(), 0.0))
        clock = asyncio.get_running_loop().time()
        if not runner.leader and not runner.paused:
            return
        if (status, said) == (runner.status, counters) and clock - at < _REPEAT_AFTER_S:
            return
        now = datetime.now(UTC)
        entities = platform_entities(name, runner.feed.domain, runner.status, counters, now)
        await self._publisher.send_all(
            Outgoing(
                topics.entities(PLATFORM),
                topics.key(PLATFORM, entity["id"]),
                serialise(
                    Envelope(
                        event=event_id(f"{PLATFORM}-{name}", 0, int(now.timestamp() * 1000), n),
                        feed=PLATFORM,
                        mapping="connectors:1",
                        tenant=TenantId(PLATFORM),
                        domain=PLATFORM,
                        op="merge",
                        received_at=utc(now),
                        entity=entity,
                    )
                ),
            )
            for n, entity in enumerate(entities)
        )
        self._said[name] = (runner.status, counters, clock)
