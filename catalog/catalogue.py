"""Put the catalogue together from what is stored, and keep it for a moment."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from starlette.concurrency import run_in_threadpool

from catalog.city import City
from catalog.dataset import Catalogue, Dataset, Harvest, around, datasets
from catalog.evidence import Verdict, status_at
from catalog.portal.view import DomainView, domain_view
from catalog.store import rounds
from catalog.store.connect import Pool, lent
from catalog.store.rounds import DomainRecord

__all__ = ["Reader", "State"]

_KEEP_S = 0.5
_QUICK_S = 0.1
_KEEP_FOR = 5
_LATE = 3
_MANY = 50
"""Domains from which on a reading is put together in a thread."""


@dataclass(frozen=True)
class State:
    """Everything stored, as of one reading. `ordered` are all datasets by their ids, for walks in pages."""

    records: tuple[DomainRecord, ...]
    datasets: dict[str, tuple[Dataset, ...]]
    ordered: tuple[Dataset, ...] = field(default=())
    ids: tuple[str, ...] = field(default=())

    @cached_property
    def domains(self) -> dict[str, DomainRecord]:
        """The domains by name."""
        return {r.harvest.domain.name: r for r in self.records}

    @cached_property
    def titles(self) -> dict[str, str]:
        """What the domains are called, by name."""
        return {name: r.harvest.domain.title for name, r in self.domains.items()}

    def views(self, now: datetime, start: int = 0, limit: int | None = None) -> list[DomainView]:
        """The domains in the city's order, all or some of them, judged at a moment."""
        shown = self.records[start : None if limit is None else start + limit]
        return [domain_view(r, self.datasets[r.harvest.domain.name], now) for r in shown]

    def view(self, domain: str, now: datetime) -> DomainView | None:
        """One domain, judged at a moment."""
        found = self.domains.get(domain)
        return domain_view(found, self.datasets[domain], now) if found else None

    def governed(self, now: datetime) -> int:
        """How many domains are at governed readiness at a moment."""
        return sum(status_at(r.verdict, now).status == "governed" for r in self.records)

    def all_datasets(self) -> tuple[Dataset, ...]:
        """The datasets of all domains in the city's order."""
        return tuple(d for r in self.records for d in self.datasets[r.harvest.domain.name])

    def find(self, id_: str) -> Dataset | None:
        """A dataset by its id."""
        at = bisect_left(self.ids, id_)
        return self.ordered[at] if at < len(self.ids) and self.ids[at] == id_ else None

    def after(self, last: str, limit: int) -> Sequence[Dataset]:
        """The next datasets behind an id, whether or not there still is one of that id."""
        start = bisect_right(self.ids, last) if last else 0
        return self.ordered[start : start + limit]


class Reader:
    """Reads the stored rounds; all who ask within half a second share one reading.

    A reading that takes long, as where there are very many domains, is made behind those who ask: they go on with the
    one before it, unless that is older than some times what a reading takes: then they wait.
    """

    def __init__(self, pool: Pool, city: City, base_url: str, broker_url: str) -> None:
        self._pool, self.city, self._base_url, self._broker_url = pool, city, base_url.rstrip("/"), broker_url
        self._kept: State | None = None
        self._catalogue: tuple[State, Catalogue] | None = None
        self._until = 0.0
        self._took = 0.0
        self._lock = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None

    async def state(self) -> State:
        """What is stored now. Raises what reading raises, also where that was done behind those who asked before."""
        async with self._lock:
            now = time.monotonic()
            if self._kept is None or (self._until <= now and self._took <= _QUICK_S):
                await self._read()
            elif self._behind is None and self._until <= now:
                self._behind = asyncio.create_task(self._read())
            if self._behind is not None and (self._behind.done() or now - self._until > _LATE * self._took):
                under_way, self._behind = self._behind, None
                await under_way
            assert self._kept is not None  # noqa: S101 - there is one from the first reading on
            return self._kept

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._behind is not None:
            self._behind.cancel()
            await asyncio.gather(self._behind, return_exceptions=True)

    async def _read(self) -> None:
        began = time.monotonic()
        async with lent(self._pool) as conn:
            rows = await rounds.fetch(conn)
        if len(rows.harvests) < _MANY:
            self._kept = self._state(rows)
        else:
            self._kept = await run_in_threadpool(self._state, rows)
        now = time.monotonic()
        self._took = now - began
        self._until = now + max(_KEEP_S, _KEEP_FOR * self._took if self._took > _QUICK_S else 0.0)

    def _state(self, rows: rounds.Rows) -> State:
        before = self._kept
        known = before.domains if before else {}
        records = tuple(self._with_unread(rounds.records(rows, known)))
        found = {r.harvest.domain.name: self._datasets(r, before, rows.scores) for r in records}
        ordered = tuple(sorted((d for each in found.values() for d in each), key=lambda d: d.id))
        return State(records, found, ordered, tuple(d.id for d in ordered))

    def _datasets(self, record: DomainRecord, before: State | None, scores: dict[str, int]) -> tuple[Dataset, ...]:
        """A domain's datasets with their scores; those of the reading before where nothing has changed."""
        domain = record.harvest.domain
        known = before.domains.get(domain.name) if before else None
        if before and known and record.facts and (known.facts, known.issued) == (record.facts, record.issued):
            found = before.datasets[domain.name]
        else:
            found = datasets(record.harvest, self.city.agent(domain.owner), record.issued)
        if all(d.metadata == scores.get(d.id) for d in found):
            return found
        return tuple(replace(d, metadata=scores.get(d.id)) for d in found)

    def _with_unread(self, records: list[DomainRecord]) -> list[DomainRecord]:
        """The records, and the domains that the city declares but nobody has read yet."""
        read = {r.harvest.domain.name for r in records}
        now = datetime.now(UTC)
        missing = [d for d in self.city.domains if d.name not in read]
        return [*records, *(DomainRecord(Harvest(d, now), now, Verdict(d.name, now, ()), None, ()) for d in missing)]

    def catalogue(self, state: State, only: Sequence[Dataset] | None = None) -> Catalogue:
        """The catalogue of a reading: all its datasets, or some of them."""
        if self._catalogue is None or self._catalogue[0] is not state:
            self._catalogue = (state, self._whole(state))
        whole = self._catalogue[1]
        return whole if only is None else replace(whole, datasets=tuple(only))

    def _whole(self, state: State) -> Catalogue:
        found = state.all_datasets()
        now = datetime.now(UTC)
        return Catalogue(
            self.city.name,
            self.city.languages[0],
            self._base_url,
            self._broker_url,
            found,
            min((d.issued for d in found), default=now),
            max((d.modified for d in found), default=now),
            self.city.publisher,
            around(d.extent for d in found),
        )
