"""A few rows of a dataset as the public sees them, read from the broker without a token and kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from catalog.broker import Broker, BrokerRefused, BrokerUnavailable, Entity
from catalog.dataset import Dataset, local_name

__all__ = ["Sample", "Samples"]

_ROWS = 5
_COLUMNS = 7
_KEEP_S = 30.0
_WAIT_S = 0.12
_KEPT = 500
_log = structlog.get_logger("catalog.sample")


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of text below names of columns. `refused`: the public may not read them; `waiting`: they are being read."""

    dataset: Dataset
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    refused: bool = False
    waiting: bool = False


class Samples:
    """Reads samples; all who look within half a minute share one reading. A page waits only a moment for those that are
    still being read, and shows them the next time."""

    def __init__(self, public: Broker) -> None:
        self._public = public
        self._kept: dict[str, tuple[float, Sample]] = {}
        self._reading: dict[str, asyncio.Task[Sample]] = {}

    async def of(self, datasets: Sequence[Dataset]) -> list[Sample]:
        """A sample of each dataset that the public may read."""
        public = [d for d in datasets if d.public]
        tasks = [self._task(d) for d in public]
        if tasks:
            await asyncio.wait(tasks, timeout=_WAIT_S)
        shown = zip(public, tasks, strict=True)
        return [task.result() if task.done() else Sample(d, waiting=True) for d, task in shown]

    async def close(self) -> None:
        """End the readings that are under way."""
        under_way = list(self._reading.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _task(self, dataset: Dataset) -> asyncio.Task[Sample]:
        """The reading of a dataset that is under way, or a new one."""
        task = self._reading.get(dataset.id)
        if task is None:
            task = self._reading[dataset.id] = asyncio.create_task(self._one(dataset))
            task.add_done_callback(lambda _: self._reading.pop(dataset.id, None))
        return task

    async def _one(self, dataset: Dataset) -> Sample:
        kept = self._kept.get(dataset.id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        sample = await self._read(dataset)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        if sample.rows or sample.refused:
            self._kept[dataset.id] = (time.monotonic() + _KEEP_S, sample)
        return sample

    async def _read(self, dataset: Dataset) -> Sample:
        try:
            page = await self._public.entities(dataset.type, dataset.tenant, _ROWS)
        except BrokerRefused:
            return Sample(dataset, refused=True)
        except BrokerUnavailable as error:
            _log.warning("sample_read_failed", type=dataset.type, tenant=dataset.tenant, error=str(error))
            return Sample(dataset)
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
    return Sample(dataset, ("id", *(local_name(name) for name in names)), rows)


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
