"""Put the catalogue together from what is stored, and keep it for a moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.city import City
from catalog.dataset import Catalogue, Dataset, Harvest, datasets
from catalog.portal.view import DomainView, domain_view
from catalog.readiness import Verdict
from catalog.store import rounds
from catalog.store.connect import Pool
from catalog.store.rounds import DomainRecord

__all__ = ["Reader", "State"]

_KEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class State:
    """Everything stored, as of one reading."""

    records: tuple[DomainRecord, ...]
    datasets: dict[str, tuple[Dataset, ...]]

    def views(self, now: datetime) -> list[DomainView]:
        """Every domain, judged at a moment."""
        return [domain_view(r, self.datasets[r.harvest.domain.name], now) for r in self.records]

    def all_datasets(self) -> tuple[Dataset, ...]:
        """The datasets of all domains in the city's order."""
        return tuple(d for r in self.records for d in self.datasets[r.harvest.domain.name])


class Reader:
    """Reads the stored rounds; readers within half a second share one reading."""

    def __init__(self, pool: Pool, city: City, base_url: str, broker_url: str) -> None:
        self._pool, self.city, self._base_url, self._broker_url = pool, city, base_url.rstrip("/"), broker_url
        self._kept: State | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def state(self) -> State:
        """What is stored now."""
        async with self._lock:
            if self._kept is None or self._until <= time.monotonic():
                async with self._pool.acquire() as conn:
                    records = self._with_unread(await rounds.load(conn))
                self._kept = State(
                    tuple(records),
                    {
                        r.harvest.domain.name: datasets(r.harvest, self.city.agent(r.harvest.domain.owner), r.issued)
                        for r in records
                    },
                )
                self._until = time.monotonic() + _KEEP_S
            return self._kept

    def _with_unread(self, records: list[DomainRecord]) -> list[DomainRecord]:
        """The records, and the domains that the city declares but nobody has read yet."""
        read = {r.harvest.domain.name for r in records}
        now = datetime.now(UTC)
        missing = [d for d in self.city.domains if d.name not in read]
        return [*records, *(DomainRecord(Harvest(d, now), now, Verdict(d.name, now, ()), None, ()) for d in missing)]

    def catalogue(self, state: State) -> Catalogue:
        """The catalogue of a reading."""
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
        )
