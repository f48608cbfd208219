"""A few rows of a dataset as the public sees them, read from the broker without a token and kept for a while.

Theory of operation. What was read counts as new for half a minute. After that a page still shows it, with the moment at
which it was read, while it is read again behind the page; after some minutes it is forgotten. Rows that were read under
other rules than those of now are never shown. A page waits a moment for what has not been read at all, says what is
still being read, and asks for itself again soon; without JavaScript a link asks for a page that waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from catalog.broker import Broker, BrokerRefused, BrokerUnavailable, Entity
from catalog.dataset import Dataset, local_name

__all__ = ["Sample", "Samples"]

_ROWS = 5
_COLUMNS = 7
_NEW_S = 30.0
_KEEP_S = 300.0
_WAIT_S = 0.03
_PATIENT_S = 5.0
_KEPT = 500
_AT_ONCE = 4
_log = structlog.get_logger("catalog.sample")


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of text below names of columns. `refused`: the public may not read them; `waiting`: they are being read;
    `away`: they could not be read."""

    dataset: Dataset
    outcome: Literal["read", "refused", "waiting", "away"] = "read"
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Kept:
    sample: Sample
    read_at: float
    revision: int


class Samples:
    """Reads samples; all who look share one reading. `revision` tells the rules' revision, under which it was made."""

    def __init__(self, public: Broker, revision: Callable[[], int]) -> None:
        self._public, self._revision = public, revision
        self._kept: dict[str, _Kept] = {}
        self._reading: dict[str, asyncio.Task[Sample]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of(self, datasets: Sequence[Dataset], patient: bool = False) -> list[Sample]:
        """A sample of each dataset that the public may read. Who is patient waits until they have been read."""
        public = [d for d in datasets if d.public]
        tasks = {d.id: task for d in public if (task := self._task(d)) is not None}
        awaited = [task for id_, task in tasks.items() if patient or self._good(id_) is None]
        if awaited:
            await asyncio.wait(awaited, timeout=_PATIENT_S if patient else _WAIT_S)
        return [self._shown(d, tasks.get(d.id)) for d in public]

    async def close(self) -> None:
        """End the readings that are under way."""
        under_way = list(self._reading.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _shown(self, dataset: Dataset, task: asyncio.Task[Sample] | None) -> Sample:
        """What has just been read, else what was read before."""
        if task is not None and task.done() and (sample := task.result()).outcome != "away":
            return sample
        if (kept := self._good(dataset.id)) is not None:
            return kept.sample
        return Sample(dataset, "away" if task is not None and task.done() else "waiting")

    def _good(self, id_: str) -> _Kept | None:
        """What was read before, if it may still be shown."""
        kept = self._kept.get(id_)
        if kept is None or time.monotonic() - kept.read_at > _KEEP_S or kept.revision != self._revision():
            return None
        return kept

    def _task(self, dataset: Dataset) -> asyncio.Task[Sample] | None:
        """The reading of a dataset that is under way, or a new one; none where what was read is new."""
        kept = self._good(dataset.id)
        if kept is not None and time.monotonic() - kept.read_at <= _NEW_S:
            return None
        task = self._reading.get(dataset.id)
        if task is None:
            task = self._reading[dataset.id] = asyncio.create_task(self._one(dataset))
            task.add_done_callback(lambda _: self._reading.pop(dataset.id, None))
        return task

    async def _one(self, dataset: Dataset) -> Sample:
        async with self._turns:
            revision = self._revision()
            sample = await self._read(dataset)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        if sample.outcome != "away":
            self._kept[dataset.id] = _Kept(sample, time.monotonic(), revision)
        return sample

    async def _read(self, dataset: Dataset) -> Sample:
        try:
            page = await self._public.entities(dataset.type, dataset.tenant, _ROWS)
        except BrokerRefused:
            return Sample(dataset, "refused")
        except BrokerUnavailable as error:
            _log.warning("sample_read_failed", type=dataset.type, tenant=dataset.tenant, error=str(error))
            return Sample(dataset, "away")
        return _table(dataset, page.entities)


def _table(dataset: Dataset, entities: Sequence[Entity]) -> Sample:
    """The members that most rows have, as columns after the id."""
    counts: dict[str, int] = {}
    for entity in entities:
        for name in entity:
            if name not in ("id", "type", "@context"):
                counts[name] = counts.get(name, 0) + 1
    names = sorted(counts, key=lambda name: (name == "location", -counts[name]))[:_COLUMNS]
    rows = tuple((str(e["id"]), *(_text(e.get(name)) for name in names)) for e in entities)
    return Sample(dataset, "read", ("id", *(local_name(name) for name in names)), rows)


def _text(attribute: Any) -> str:
    """An attribute's value as text: of several instances the first, of a point its coordinates."""
    one = attribute[0] if isinstance(attribute, list) and attribute else attribute
    if not isinstance(one, dict):
        return "" if one is None else str(one)
    value = next((one[key] for key in ("value", "object", "vocab", "languageMap") if key in one), "")
    if isinstance(value, dict):
        if value.get("type") == "Point":
            return ", ".join(f"{c:.5f}" for c in value["coordinates"][:2])
        value = value.get("@value", value.get("type", value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
