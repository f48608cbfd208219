"""The ingest worker: envelopes of `entities.*` into the store, effectively once.

Theory of operation. A batch is everything that has come on the worker's partitions, at most `limit` records. Its
records are parsed and admitted; then one transaction moves the positions by compare-and-set, applies the changes per
tenant, and stores the dead letters that the relay will produce. So a record takes effect together with its position or
not at all, and a worker that lost a partition is fenced by the first statement. Application itself is idempotent and
order-free (`broker.core.patch`), so a duplicate that the feed produced changes nothing either.

A record that the database refuses must not stop its partition: the batch is split until it stands alone, and then it
becomes a dead letter of stage `apply`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram
from shapely.errors import ShapelyError

from broker.bus.consume import Batch, Consumer, Message, Source
from broker.bus.produce import BusUnavailable
from broker.core import times, topics
from broker.core.envelope import Envelope
from broker.core.patch import Change, ChangeKind
from broker.store import admission, offsets, outbox, write
from broker.store.offsets import Fenced
from broker.store.pool import Conn, Pool
from broker.workers.admission import Refusal, Rules, admit, dead_letter

__all__ = ["Ingest", "changes_of", "store"]

_log = structlog.get_logger(__name__)
_TAKEN = Counter("datapolis_ingest_records", "Records consumed, by outcome", ["outcome"])
SECONDS = Histogram("datapolis_ingest_seconds", "Time of a batch, by stage", ["stage"])
_LAG = Gauge("datapolis_ingest_lag", "Records that wait on this worker's partitions")

_KINDS: Mapping[str, ChangeKind] = {"merge": "ingest_merge", "replace": "ingest_replace", "delete": "delete"}
_DATA_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.InternalServerError,  # PostGIS reports geometries that it cannot handle so
    ShapelyError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What one record can cause; anything else is the engine's and is waited for, not blamed on the record."""

Decoded: TypeAlias = tuple[Message, Envelope | Refusal]


@dataclass(frozen=True, slots=True)
class Step:
    """Part of a batch: its records, decoded, and how it moves the positions."""

    decoded: Sequence[Decoded]
    steps: Sequence[offsets.Advance]


class Ingest:
    """Runs until `stop` is set. The rules are read anew every `rules_s`; `optouts` is a live set."""

    def __init__(
        self,
        pool: Pool,
        source: Source,
        optouts: Container[tuple[str, str]],
        *,
        prefix: str = "",
        limit: int = 2000,
        wait_s: float = 0.2,
        rules_s: float = 1.0,
    ) -> None:
        self._pool = pool
        self._source = source
        self._optouts = optouts
        self._prefix = prefix
        self._limit = limit
        self._wait_s = wait_s
        self._rules_s = rules_s
        self._rules: Rules | None = None
        self._schemas: Mapping[str, str] = {}
        self._rules_at = 0.0
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`. Joins anew after being fenced, and waits for engines that are away."""
        while not stop.is_set():
            consumer = Consumer(self._source, self._pool)
            try:
                await consumer.start()
                self.ready.set()
                await self._consume(consumer, stop)
            except Fenced as error:
                _log.warning("ingest.fenced", owner=self._source.owner, detail=str(error))
            except (BusUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("ingest.waiting", reason=repr(error))
                await asyncio.sleep(1.0)
            finally:
                self.ready.clear()
                await consumer.close()

    async def _consume(self, consumer: Consumer, stop: asyncio.Event) -> None:
        while not stop.is_set():
            batch = await consumer.fetch(self._limit, self._wait_s)
            _LAG.set(consumer.lag())
            if batch.messages:
                await self.take(batch, consumer.moved)

    async def take(self, batch: Batch, moved: Callable[[Sequence[offsets.Advance]], None]) -> None:
        """Make a batch take effect, splitting it where the database refuses it. Raises Fenced and transient errors."""
        rules = await self.current_rules()
        started = time.perf_counter()
        decoded = [(message, _admit(message, rules, self._optouts)) for message in batch.all()]
        SECONDS.labels("decode").observe(time.perf_counter() - started)
        await self._take(Step(decoded, batch.steps()), moved)

    async def _take(self, step: Step, moved: Callable[[Sequence[offsets.Advance]], None]) -> None:
        started = time.perf_counter()
        try:
            await self.apply(step)
        except _DATA_FAULTS as error:
            if len(step.decoded) == 1:
                message, found = step.decoded[0]
                if isinstance(found, Refusal):
                    raise
                _log.error("ingest.refused", record=found.event, error=type(error).__name__)
                refusal = Refusal("apply", type(error).__name__, "entity", "report it: a check is missing", found.feed)
                await self._take(Step([(message, refusal)], step.steps), moved)
                return
            for part in _halves(step):
                await self._take(part, moved)
            return
        moved(step.steps)
        SECONDS.labels("store").observe(time.perf_counter() - started)
        refused = sum(isinstance(found, Refusal) for _, found in step.decoded)
        _TAKEN.labels("stored").inc(len(step.decoded) - refused)
        _TAKEN.labels("rejected").inc(refused)

    async def apply(self, step: Step) -> None:
        now = datetime.now(UTC)
        async with self._pool.tx(None) as conn:
            await offsets.advance(conn, self._source.consumer, self._source.owner, step.steps)
            await store(conn, step.decoded, self._schemas, now, self._prefix)

    async def current_rules(self) -> Rules:
        if self._rules is None or time.monotonic() - self._rules_at > self._rules_s:
            async with self._pool.lend(None) as conn:
                self._schemas = await admission.schemas(conn)
                self._rules = Rules(await admission.grants(conn), self._schemas)
            self._rules_at = time.monotonic()
        return self._rules


async def store(
    conn: Conn, decoded: Sequence[Decoded], schemas: Mapping[str, str], now: datetime, prefix: str = ""
) -> None:
    """Apply what was admitted, per tenant, and owe the dead letters; `conn` is in the login role's transaction."""
    admitted: dict[str, list[tuple[Message, Envelope]]] = {}
    letters = []
    at = times.of(now)
    for message, found in decoded:
        if isinstance(found, Refusal):
            letters.append(dead_letter(message, found, at, prefix))
        else:
            admitted.setdefault(found.tenant, []).append((message, found))
    for tenant in sorted(admitted):
        schema = schemas[tenant]
        await conn.execute(f"SET LOCAL ROLE {schema}; SET LOCAL search_path = {schema}, public")
        changes = [changes_of(envelope) for _, envelope in admitted[tenant]]
        outcomes = await write.apply(conn, tenant, changes, now)
        for (message, envelope), outcome in zip(admitted[tenant], outcomes, strict=True):
            if outcome.error is not None:
                reason = Refusal("apply", outcome.error.name, "entity", "see the rule", envelope.feed)
                letters.append(dead_letter(message, reason, at, prefix))
    await conn.execute("SET LOCAL ROLE NONE; SET LOCAL search_path = broker, public")
    await outbox.owe(conn, letters)


def _admit(message: Message, rules: Rules, optouts: Container[tuple[str, str]]) -> Envelope | Refusal:
    try:
        return admit(message, rules, optouts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _log.error("ingest.undecodable", topic=message.topic, offset=message.offset, error=type(error).__name__)
        return Refusal("envelope", type(error).__name__, "", "report it: a check is missing", topics.UNKNOWN_FEED)


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


def _halves(step: Step) -> list[Step]:
    """Split a step in two that, one after the other, move the positions as the whole does."""
    middle = len(step.decoded) // 2
    first, second = step.decoded[:middle], step.decoded[middle:]
    at = {(one.topic, one.partition): one for one in step.steps}
    ahead: list[offsets.Advance] = []
    behind: list[offsets.Advance] = []
    for place, whole in at.items():
        cut = [message.offset + 1 for message, _ in first if (message.topic, message.partition) == place]
        rest = any((message.topic, message.partition) == place for message, _ in second)
        if not cut:
            behind.append(whole)
        elif not rest:
            ahead.append(whole)
        else:
            ahead.append(offsets.Advance(*place, whole.expected, cut[-1], whole.generation))
            behind.append(offsets.Advance(*place, cut[-1], whole.next, whole.generation))
    return [Step(first, ahead), Step(second, behind)]
