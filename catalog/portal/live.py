"""The live map's data: what the public may see of a domain right now, read from the broker as the public.

The reader sends no token, so the broker narrows the answer as for anyone; nothing hidden can leak through the portal.
Answers are shared for a few seconds between all who look, which bounds both load and audit records; each names the
moment it was read and its receipts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from catalog.broker import Broker, BrokerRefused, BrokerUnavailable, Entity
from catalog.dataset import Dataset
from catalog.harvest import moment

__all__ = ["LiveMap"]

_PAGE = 1000
_log = structlog.get_logger("catalog.live")


@dataclass(slots=True)
class _Kept:
    body: bytes
    until: float


class LiveMap:
    """Reads and keeps the live GeoJSON of each domain."""

    def __init__(self, public: Broker, ttl_s: float, most: int) -> None:
        self._public, self._ttl_s, self._most = public, ttl_s, most
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def geojson(self, domain: str, datasets: Sequence[Dataset]) -> bytes:
        """The FeatureCollection of a domain, at most `ttl_s` old."""
        async with self._locks.setdefault(domain, asyncio.Lock()):
            kept = self._kept.get(domain)
            if kept is None or kept.until <= time.monotonic():
                body = orjson.dumps(await self._read(domain, datasets))
                kept = self._kept[domain] = _Kept(body, time.monotonic() + self._ttl_s)
            return kept.body

    async def entity(self, dataset: Dataset, entity_id: str) -> dict[str, Any] | None:
        """One entity as the public sees it, with the receipt of this very reading; None when it sees none."""
        try:
            page = await self._public.entities(dataset.type, dataset.tenant, 1, extra={"id": entity_id})
        except BrokerRefused:
            return None
        if not page.entities:
            return None
        return {"entity": page.entities[0], "reading": {"party": "public", "at": _now(), "receipt": page.receipt}}

    async def _read(self, domain: str, datasets: Sequence[Dataset]) -> dict[str, Any]:
        features: list[dict[str, Any]] = []
        readings = []
        for dataset in datasets:
            found, reading = await self._type(dataset)
            features += found
            readings.append(reading)
        return {
            "type": "FeatureCollection",
            "features": features,
            "reading": {"party": "public", "domain": domain, "at": _now(), "types": readings},
        }

    async def _type(self, dataset: Dataset) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        features: list[dict[str, Any]] = []
        seen, total, receipts = 0, 0, []
        about: dict[str, Any] = {"type": dataset.type, "name": dataset.slug}
        try:
            while seen < self._most:
                limit = min(_PAGE, self._most - seen)
                page = await self._public.entities(
                    dataset.type, dataset.tenant, limit, offset=seen, count=True, extra={"pick": "id,type,location"}
                )
                features += [f for e in page.entities if (f := _feature(e, dataset.slug)) is not None]
                total = page.count if page.count is not None else seen + len(page.entities)
                seen += len(page.entities)
                receipts += [page.receipt] if page.receipt else []
                if len(page.entities) < limit or seen >= total:
                    break
        except BrokerRefused as error:
            return [], {**about, "outcome": "refused", "detail": error.detail, "count": 0, "shown": 0, "receipts": []}
        except BrokerUnavailable as error:
            _log.warning("live_read_failed", type=dataset.type, tenant=dataset.tenant, error=str(error))
            detail = "The data could not be read just now."
            return [], {**about, "outcome": "unavailable", "detail": detail, "count": 0, "shown": 0, "receipts": []}
        return features, {**about, "outcome": "read", "count": total, "shown": seen, "receipts": receipts}


def _feature(entity: Entity, name: str) -> dict[str, Any] | None:
    location = entity.get("location")
    if isinstance(location, list):
        location = location[0] if location else None
    geometry = location.get("value") if isinstance(location, dict) else None
    if not isinstance(location, dict) or not isinstance(geometry, dict) or "type" not in geometry:
        return None
    at = moment(location.get("observedAt"))
    properties = {"type": name, "observedAt": at.isoformat() if at else None}
    return {"type": "Feature", "id": entity["id"], "geometry": geometry, "properties": properties}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
