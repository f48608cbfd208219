"""Put the catalogue together from what is stored, and keep it for a moment."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from catalog.city import City
from catalog.dataset import Catalogue, Dataset, Harvest, around, datasets
from catalog.evidence import Verdict
from catalog.portal.view import DomainView, domain_view
from catalog.store import rounds
from catalog.store.connect import Pool
from catalog.store.rounds import DomainRecord

__all__ = ["Reader", "State"]

_KEEP_S = 0.5
_QUICK_S = 0.05
_KEEP_FOR = 20


@dataclass(frozen=True, slots=True)
class State:
    """Everything stored, as of one reading. `ordered` are all datasets by their ids, for walks in pages."""

    records: tuple[DomainRecord, ...]
    datasets: dict[str, tuple[Dataset, ...]]
    ordered: tuple[Dataset, ...] = field(default=())
    ids: tuple[str, ...] = field(default=())

    def views(self, now: datetime) -> list[DomainView]:
        """Every domain, judged at a moment."""
        return [domain_view(r, self.datasets[r.harvest.domain.name], now) for r in self.records]

    def view(self, domain: str, now: datetime) -> DomainView | None:
        """One domain, judged at a moment."""
        found = next((r for r in self.records if r.harvest.domain.name == domain), None)
        return domain_view(found, self.datasets[domain], now) if found else None

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
    """Reads the stored rounds; all who ask within half a second share one reading, and within twenty times as long as
    the reading took where there are very many domains."""

    def __init__(self, pool: Pool, city: City, base_url: str, broker_url: str) -> None:
        self._pool, self.city, self._base_url, self._broker_url = pool, city, base_url.rstrip("/"), broker_url
        self._kept: State | None = None
        self._catalogue: tuple[State, Catalogue] | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def state(self) -> State:
        """What is stored now."""
        async with self._lock:
            if self._kept is None or self._until <= time.monotonic():
                began = time.monotonic()
                async with self._pool.acquire() as conn:
                    read = await rounds.load(conn)
                self._kept = self._state(read)
                now = time.monotonic()
                self._until = now + max(_KEEP_S, _KEEP_FOR * (now - began - _QUICK_S))
            return self._kept

    def _state(self, read: list[DomainRecord]) -> State:
        records = tuple(self._with_unread(read))
        found = {
            r.harvest.domain.name: datasets(r.harvest, self.city.agent(r.harvest.domain.owner), r.issued)
            for r in records
        }
        ordered = tuple(sorted((d for each in found.values() for d in each), key=lambda d: d.id))
        return State(records, found, ordered, tuple(d.id for d in ordered))

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
