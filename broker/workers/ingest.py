"""The ingest worker: envelopes of `entities.*` into the store, effectively once.

Theory of operation. A batch is everything that has come on the worker's partitions, at most `limit` records. One
transaction moves the positions by compare-and-set, applies the changes per tenant, and stores the dead letters that the
relay will produce. A record's key says whose entity it is about; what it says is parsed and admitted while the database
locks the entities, at the latest when its turn comes. So a record takes effect together with
its position or not at all, and a worker that lost a partition is fenced by the first statement. Application itself is
idempotent and order-free (`broker.core.patch`), so a duplicate that the feed produced changes nothing either. The next
batch is fetched while the last of one is stored; of a partition that was lost meanwhile it brings nothing.

A record that the database refuses must not stop its partition: the batch is split until it stands alone, and then it
becomes a dead letter of stage `apply`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram
from shapely.errors import ShapelyError

from broker.bus.consume import Batch, Consumer, Source
from broker.bus.produce import BusUnavailable
from broker.core import times, topics
from broker.core.errors import NgsiLdError
from broker.core.ids import is_uri
from broker.store import admission, offsets, outbox, write
from broker.store.offsets import Fenced
from broker.store.pool import Conn, Pool
from broker.store.write import Unread
from broker.workers.admission import Refusal, Rules, dead_letter
from broker.workers.records import Reader, Record

__all__ = ["Ingest", "store"]

_log = structlog.get_logger(__name__)
_TAKEN = Counter("datapolis_ingest_records", "Records consumed, by outcome", ["outcome"])
SECONDS = Histogram("datapolis_ingest_seconds", "Time of a batch, by stage", ["stage"])
_LAG = Gauge("datapolis_ingest_lag", "Records that wait on this worker's partitions")

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


@dataclass(frozen=True, slots=True)
class Step:
    """Part of a batch: its records, and how it moves the positions."""

    records: Sequence[Record]
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
        batch = await consumer.fetch(self._limit, self._wait_s)
        while not stop.is_set():
            _LAG.set(consumer.lag())
            if batch.messages:
                batch = await self.turn(consumer, batch)
            else:
                batch = await consumer.fetch(self._limit, self._wait_s)

    async def turn(self, consumer: Consumer, batch: Batch) -> Batch:
        """Make a batch take effect and give the next one, which is fetched while the database stores the last of this.

        Raises what `take` and `fetch` raise; what was fetched is then forgotten, and read again from the position.
        """
        reader = Reader(batch.all(), await self.current_rules(), self._optouts)

        async def fetch() -> Batch:
            await reader.taken.wait()
            return await consumer.fetch(self._limit, self._wait_s)

        coming = asyncio.create_task(fetch())
        try:
            await self._read_and_take(reader, batch, consumer.moved)
        except BaseException:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            raise
        reader.taken.set()
        return consumer.renewed(await coming)

    async def take(self, batch: Batch, moved: Callable[[Sequence[offsets.Advance]], None]) -> None:
        """Make a batch take effect, splitting it where the database refuses it. Raises Fenced and transient errors."""
        await self._read_and_take(Reader(batch.all(), await self.current_rules(), self._optouts), batch, moved)

    async def _read_and_take(
        self, reader: Reader, batch: Batch, moved: Callable[[Sequence[offsets.Advance]], None]
    ) -> None:
        started = time.perf_counter()
        ahead = asyncio.create_task(reader.ahead())
        try:
            await self._take(Step(reader.records, batch.steps()), moved)
        finally:
            ahead.cancel()
        SECONDS.labels("decode").observe(reader.spent_s)
        SECONDS.labels("store").observe(time.perf_counter() - started - reader.spent_s)

    async def _take(self, step: Step, moved: Callable[[Sequence[offsets.Advance]], None]) -> None:
        try:
            await self.apply(step)
        except _DATA_FAULTS as error:
            if len(step.records) == 1:
                record = step.records[0]
                found = record.found()
                if isinstance(found, Refusal):
                    raise
                _log.error("ingest.refused", record=found.event, error=type(error).__name__)
                refusal = Refusal("apply", type(error).__name__, "entity", "report it: a check is missing", found.feed)
                await self._take(Step([Record(record.message, None, refusal)], step.steps), moved)
                return
            for part in _halves(step):
                await self._take(part, moved)
            return
        moved(step.steps)
        refused = sum(isinstance(record.verdict, Refusal) for record in step.records)
        _TAKEN.labels("stored").inc(len(step.records) - refused)
        _TAKEN.labels("rejected").inc(refused)

    async def apply(self, step: Step) -> None:
        now = datetime.now(UTC)
        async with self._pool.tx(None) as conn:
            await offsets.advance(conn, self._source.consumer, self._source.owner, step.steps)
            await store(conn, step.records, self._schemas, now, self._prefix)

    async def current_rules(self) -> Rules:
        if self._rules is None or time.monotonic() - self._rules_at > self._rules_s:
            async with self._pool.lend(None) as conn:
                self._schemas = await admission.schemas(conn)
                self._rules = Rules(await admission.grants(conn), self._schemas)
            self._rules_at = time.monotonic()
        return self._rules


async def store(
    conn: Conn, records: Sequence[Record], schemas: Mapping[str, str], now: datetime, prefix: str = ""
) -> None:
    """Apply what is admitted, per tenant, and owe the dead letters; `conn` is in the login role's transaction."""
    by_tenant: dict[str, list[int]] = {}
    changes: list[Unread | None] = []
    for at, record in enumerate(records):
        tenant, entity = _whose(record.message.key)
        if entity and tenant in schemas:
            by_tenant.setdefault(tenant, []).append(at)
            changes.append(Unread(entity, record.change))
        else:  # it will be refused, for its key if for nothing else
            changes.append(None)
    refusals: dict[int, Refusal] = {}
    for tenant in sorted(by_tenant):
        schema, places = schemas[tenant], by_tenant[tenant]
        await conn.execute(f"SET LOCAL ROLE {schema}; SET LOCAL search_path = {schema}, public")
        outcomes = await write.apply(conn, tenant, [one for at in places if (one := changes[at])], now)
        for at, outcome in zip(places, outcomes, strict=True):
            if outcome.error is not None:
                refusals[at] = _refusal(records[at], outcome.error)
    await conn.execute("SET LOCAL ROLE NONE; SET LOCAL search_path = broker, public")
    refusals |= {at: _refusal(records[at], None) for at, change in enumerate(changes) if change is None}
    when = times.of(now)
    await outbox.owe(conn, [dead_letter(records[at].message, refusals[at], when, prefix) for at in sorted(refusals)])


def _whose(key: bytes) -> tuple[str, str]:
    """Say whose entity a record is about, by its key; nothing ("") where the key names none."""
    try:
        tenant, entity = topics.split_key(key)
    except ValueError:
        return "", ""
    return (tenant, entity) if is_uri(entity) else ("", "")


def _refusal(record: Record, error: NgsiLdError | None) -> Refusal:
    """Say why a record was refused: at the door, or by the write engine."""
    found = record.found()
    if isinstance(found, Refusal):
        return found
    if error is None:
        return Refusal("admit", "key", "key", "key the record by tenant, NUL, entity id", found.feed)
    return Refusal("apply", error.name, "entity", "see the rule", found.feed)


def _halves(step: Step) -> list[Step]:
    """Split a step in two that, one after the other, move the positions as the whole does."""
    middle = len(step.records) // 2
    first, second = step.records[:middle], step.records[middle:]
    at = {(one.topic, one.partition): one for one in step.steps}
    ahead: list[offsets.Advance] = []
    behind: list[offsets.Advance] = []
    for place, whole in at.items():
        cut = [one.message.offset + 1 for one in first if _place(one) == place]
        rest = any(_place(one) == place for one in second)
        if not cut:
            behind.append(whole)
        elif not rest:
            ahead.append(whole)
        else:
            ahead.append(offsets.Advance(*place, whole.expected, cut[-1], whole.generation))
            behind.append(offsets.Advance(*place, cut[-1], whole.next, whole.generation))
    return [Step(first, ahead), Step(second, behind)]


def _place(record: Record) -> tuple[str, int]:
    return record.message.topic, record.message.partition
