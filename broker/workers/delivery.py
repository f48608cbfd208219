"""Delivery of what the ledger owes: at least once, in order per (subscription, entity), no receiver slowing another.

Each subscription is a line of its own with a bound on calls under way. Within a line every entity is a queue: its next
notification goes out only after the outcome of the one before is committed. A failed call backs the entity off; a
receiver that cannot be reached backs its whole line off. What memory does not hold waits in the ledger and is read when
the line gets short, so a receiver that is down for days costs rows, not memory.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from broker.remote.client import Answer
from broker.store import ledger
from broker.store.ledger import Debt, Outcome, State
from broker.store.pool import Pool
from policies import EngineUnavailable

__all__ = ["Delivery", "Limits", "Send", "Sent", "TooSoon", "Withheld"]

_log = structlog.get_logger(__name__)
_SENT = Counter("datapolis_notify_tries", "Calls of receivers, by outcome", ["outcome"])
_WAITING = Gauge("datapolis_notify_waiting", "Notifications that wait in this worker's memory")

_UNDECIDED_S = 0.5

LineKey = tuple[str, str]
"""Tenant, subscription."""


class Withheld(Exception):
    """The notification may not or need not be sent any more; the text says why."""


class TooSoon(Exception):
    """The receiver is to be left alone for `wait_s` after a failure."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Sent:
    """What the receiver answered. `rest`: after which entity the next page begins. `until`: no try later than that.

    `cooldown_s`: how long the receiver is left alone if it failed.
    """

    answer: Answer
    rest: str | None = None
    until: datetime | None = None
    cooldown_s: float | None = None


Send = Callable[[Debt, State | None], Awaitable[Sent]]
"""Render and send one notification; those by the clock have no state. Raises Withheld, TooSoon, EngineUnavailable."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and patience."""

    calls: int = 256
    calls_per_line: int = 8
    line: int = 2000
    tries: int = 12
    age_s: float = 86_400.0
    first_s: float = 0.5
    longest_s: float = 600.0

    def back_off_s(self, tries: int) -> float:
        """Return how long to wait after so many tries, with jitter so that receivers do not get waves."""
        return min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 30)) * random.uniform(0.5, 1.5)  # noqa: S311


@dataclass(slots=True)
class _Line:
    """What waits for one subscription. `beyond`: the ledger holds more, with ids above `last`."""

    queues: dict[str, deque[Debt]] = field(default_factory=dict)
    ready: deque[str] = field(default_factory=deque)
    length: int = 0
    calls: int = 0
    failures: int = 0
    open_at: float = 0.0
    last: int = 0
    beyond: bool = False


class Delivery:
    """Delivers the notifications of the partitions that it owns."""

    def __init__(self, pool: Pool, send: Send, limits: Limits = Limits()) -> None:
        self._pool = pool
        self._send = send
        self._limits = limits
        self._lines: dict[LineKey, _Line] = {}
        self._states: dict[tuple[str, str, int], State] = {}
        self._owned: frozenset[int] = frozenset()
        self._calls: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._settling = asyncio.Event()
        self._wake = asyncio.Event()
        self._draining = False
        self._running = False
        self._epoch = 0

    async def own(self, partitions: Collection[int]) -> None:
        """Deliver for these partitions from now on: forget what is in memory, read what waits for them."""
        await self._halt()
        self._epoch += 1
        self._owned = frozenset(partitions)
        self._lines.clear()
        self._states.clear()
        after = 0
        while self._owned:
            async with self._pool.lend(None) as conn:
                debts = await ledger.waiting(conn, sorted(self._owned), after, 5000)
            self._queue(debts)
            if len(debts) < 5000:
                break
            after = debts[-1].id
        self._draining = False
        self._wake.set()

    def add(self, debts: Sequence[Debt], kept: Sequence[State]) -> None:
        """Take up notifications that have just been committed."""
        if len(self._states) < 4 * self._limits.line:
            self._states |= {(s.tenant, s.entity, s.version): s for s in kept}
        self._queue(debts)
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._running = True
        self._draining = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._settle())
                group.create_task(self._age())
                await self._pump()
        finally:
            self._running = False

    async def drain(self) -> None:
        """Start no more calls, and wait until those under way are settled."""
        self._draining = True
        while self._calls:
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _halt(self) -> None:
        """End the calls under way: settled while `run` runs, else broken off (they stay waiting in the ledger)."""
        if not self._running:
            for call in self._calls:
                call.cancel()
        await self.drain()

    async def _pump(self) -> None:
        while True:
            self._wake.clear()
            pause = await self._start()
            _WAITING.set(sum(line.length for line in self._lines.values()))
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _queue(self, debts: Iterable[Debt]) -> None:
        now = datetime.now(UTC)
        for debt in debts:
            line = self._lines.setdefault((debt.tenant, debt.subscription), _Line())
            if line.beyond or line.length >= self._limits.line:
                line.beyond = True
                continue
            self._enter(line, debt, now)

    def _enter(self, line: _Line, debt: Debt, now: datetime) -> None:
        line.last = debt.id
        line.length += 1
        queue = line.queues.get(debt.entity)
        if queue is not None:
            queue.append(debt)
            return
        line.queues[debt.entity] = deque((debt,))
        wait_s = 0.0 if debt.retry_at is None else (debt.retry_at - now).total_seconds()
        self._release(line, debt.entity, wait_s)

    def _release(self, line: _Line, entity: str, wait_s: float) -> None:
        """Let the entity's next notification go out after a while."""
        if wait_s <= 0:
            line.ready.append(entity)
            self._wake.set()
            return
        epoch = self._epoch

        def later() -> None:
            if epoch == self._epoch:
                line.ready.append(entity)
                self._wake.set()

        asyncio.get_running_loop().call_later(wait_s, later)

    async def _start(self) -> float:
        """Start what may go out now; return after how many seconds to look again."""
        now = asyncio.get_running_loop().time()
        pause = 5.0
        if self._draining:
            return pause
        for key, line in list(self._lines.items()):
            if line.beyond and line.length <= self._limits.line // 4:
                await self._refill(key, line)
            if not line.length and not line.calls and not line.failures:
                del self._lines[key]
                continue
            if line.ready and line.open_at > now:
                pause = min(pause, line.open_at - now)
                continue
            bound = self._limits.calls_per_line if not line.failures else 1
            while line.ready and line.calls < bound and len(self._calls) < self._limits.calls:
                line.calls += 1
                task = asyncio.create_task(self._call(line, line.queues[line.ready.popleft()][0], self._epoch))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
        return pause

    async def _refill(self, key: LineKey, line: _Line) -> None:
        async with self._pool.lend(None) as conn:
            debts = await ledger.waiting_of(conn, *key, sorted(self._owned), line.last, self._limits.line)
        line.beyond = len(debts) == self._limits.line
        now = datetime.now(UTC)
        for debt in debts:
            self._enter(line, debt, now)

    async def _call(self, line: _Line, debt: Debt, epoch: int) -> None:
        """Try one notification, commit the outcome, and let the entity's next one follow."""
        pause_s = _UNDECIDED_S
        try:
            outcome = await self._try(line, debt)
            if outcome is not None:
                done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._outcomes.append((outcome, done))
                self._settling.set()
                await done
        except TooSoon as reason:
            outcome, pause_s = None, reason.wait_s
        except (EngineUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("notify.undecided", subscription=debt.subscription, reason=repr(error))
            outcome = None
        finally:
            line.calls -= 1
            self._wake.set()
        if epoch == self._epoch:
            self._after(line, debt, outcome, pause_s)

    def _after(self, line: _Line, debt: Debt, outcome: Outcome | None, pause_s: float) -> None:
        queue = line.queues[debt.entity]
        if outcome is None:
            self._release(line, debt.entity, pause_s)
            return
        if outcome.status == "waiting":
            queue[0] = replace(debt, tries=outcome.tries, retry_at=None)
            wait_s = (outcome.retry_at - outcome.at).total_seconds() if outcome.retry_at else 0.0
            self._release(line, debt.entity, wait_s)
            return
        queue.popleft()
        line.length -= 1
        self._states.pop((debt.tenant, debt.entity, debt.version), None)
        if queue:
            self._release(line, debt.entity, 0.0)
        else:
            del line.queues[debt.entity]

    async def _try(self, line: _Line, debt: Debt) -> Outcome | None:
        state = None if debt.by_clock else await self._state(debt)
        if state is None and not debt.by_clock:
            return self._outcome(debt, "dead", False, "the change is not kept any more")
        try:
            sent = await self._send(debt, state)
        except Withheld as reason:
            _SENT.labels("withheld").inc()
            return self._outcome(debt, "dead", False, str(reason))
        except (TooSoon, EngineUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise
        except Exception as error:
            # One notification that cannot be made must not hold up its entity for ever: it is tried again, then dead.
            _log.exception("notify.unmade", tenant=debt.tenant, subscription=debt.subscription, entity=debt.entity)
            sent = Sent(Answer(500, f"{type(error).__name__}: {error}"[:300]))
        if sent.answer.ok:
            line.failures, line.open_at = 0, 0.0
            _SENT.labels("delivered").inc()
            return replace(self._outcome(debt, "delivered", True, None), rest=sent.rest)
        return self._failed(line, debt, sent)

    async def _state(self, debt: Debt) -> State | None:
        key = (debt.tenant, debt.entity, debt.version)
        found = self._states.get(key)
        if found is None:
            async with self._pool.lend(None) as conn:
                found = (await ledger.states(conn, [key])).get(key)
        return found

    def _failed(self, line: _Line, debt: Debt, sent: Sent) -> Outcome:
        limits, answer = self._limits, sent.answer
        _SENT.labels("failed").inc()
        _log.info("notify.failed", tenant=debt.tenant, subscription=debt.subscription, reason=answer.error)
        if answer.status is None or answer.status >= 500 or answer.status == 429:
            line.failures += 1
            line.open_at = asyncio.get_running_loop().time() + limits.back_off_s(line.failures)
        else:
            line.failures, line.open_at = 0, 0.0
        if sent.cooldown_s is not None:
            line.open_at = max(line.open_at, asyncio.get_running_loop().time() + sent.cooldown_s)
        now = datetime.now(UTC)
        retry_at = now + timedelta(seconds=limits.back_off_s(debt.tries + 1))
        if (
            debt.tries + 1 >= limits.tries
            or (debt.due_at is not None and (now - debt.due_at).total_seconds() > limits.age_s)
            or (sent.until is not None and retry_at > sent.until)
        ):
            return self._outcome(debt, "dead", True, answer.error)
        return self._outcome(debt, "waiting", True, answer.error, retry_at)

    def _outcome(
        self, debt: Debt, status: ledger.Status, sent: bool, error: str | None, retry_at: datetime | None = None
    ) -> Outcome:
        return Outcome(
            debt.id,
            debt.tenant,
            debt.subscription,
            status,
            sent,
            debt.tries + sent,
            datetime.now(UTC),
            retry_at,
            error,
        )

    async def _settle(self) -> None:
        """Commit outcomes; those that arrive while a transaction runs go into the next one."""
        while True:
            await self._settling.wait()
            self._settling.clear()
            group, self._outcomes = self._outcomes, []
            try:
                async with self._pool.tx(None) as conn:
                    pages = await ledger.settle(conn, [outcome for outcome, _ in group])
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("notify.settle", reason=repr(error))
                self._outcomes = group + self._outcomes
                self._settling.set()
                await asyncio.sleep(0.5)
                continue
            for _, done in group:
                if not done.done():
                    done.set_result(None)
            self.add(pages, ())

    async def _age(self) -> None:
        """Settle, once a minute, what has waited too long: a receiver that is gone for good gets no more tries."""
        while True:
            await asyncio.sleep(60)
            async with self._pool.lend(None) as conn:
                debts = await ledger.overdue(
                    conn, sorted(self._owned), datetime.now(UTC) - timedelta(seconds=self._limits.age_s), 5000
                )
            if not debts:
                continue
            outcomes = [self._outcome(debt, "dead", False, "waited too long") for debt in debts]
            async with self._pool.tx(None) as conn:
                await ledger.settle(conn, outcomes)
            await self.own(self._owned)
