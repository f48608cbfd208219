"""Try a feed's declaration on a sample before anything runs: entities, violations, and what minimisation took away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.decoders import decoder
from connectors.drift import KINDS, Drift
from connectors.errors import FeedError, Rejection
from connectors.feed import Feed
from connectors.fetch import open_source, prepare
from connectors.mapping import Mapper
from connectors.names import Names
from connectors.settings import ConnectorSettings
from connectors.sources.payload import Messages
from connectors.state import FeedState

__all__ = ["Trial", "try_file", "try_source"]


@dataclass(slots=True)
class Trial:
    """What a sample gave. `removed` counts fields that minimisation took away, `changed` those it coarsened or hid.

    `drift` is what differs from the baseline that the running feed has learnt; empty where it has none.
    """

    records: int = 0
    entities: list[dict[str, Any]] = field(default_factory=list)
    violations: list[tuple[str, Rejection]] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    drift: dict[str, Counter[str]] = field(default_factory=dict)


def try_file(
    feed: Feed, names: Names, settings: ConnectorSettings, sample: Path, limit: int, topic: str | None = None
) -> Trial:
    """Run up to `limit` records of a file through decoding, minimisation, mapping and checks.

    `topic`: the MQTT topic that the sample is taken to have come on.
    """
    try:
        stream = sample.open("rb")
    except OSError as error:
        raise FeedError(f"{sample}: cannot be read: {error.strerror}") from error
    with stream:
        return _tried(feed, names, settings, stream, topic or sample.name, limit)


async def try_source(feed: Feed, names: Names, settings: ConnectorSettings, limit: int, timeout_s: float) -> Trial:
    """Take one payload from the feed's own source and try it."""
    payloads = open_source(feed, settings).payloads({})
    try:
        async with asyncio.timeout(timeout_s):
            found = await anext(payloads)
        payload = found.payloads[0] if isinstance(found, Messages) else found
        return _tried(feed, names, settings, payload.stream, payload.name, limit)
    except TimeoutError as error:
        raise FeedError(f"{feed.feed}: the source gave nothing in {timeout_s:g} s; try --sample FILE") from error
    finally:
        await payloads.aclose()


def _tried(feed: Feed, names: Names, settings: ConnectorSettings, stream: Any, name: str, limit: int) -> Trial:
    mapper, step = Mapper(feed, names), prepare(feed, settings)
    trial = Trial()
    drift = Drift(feed.minimise.keep, KINDS.get(feed.decoder.kind))
    drift.restore(FeedState(settings.feed_state, feed.feed).read("schema"))
    now = datetime.now(UTC)
    for decoded in decoder(feed.decoder)(stream, name):
        if trial.records >= limit:
            break
        trial.records += 1
        for what, path in () if drift.learning or decoded.record is None else drift.differences(decoded.record):
            trial.drift.setdefault(what, Counter())[path] += 1
        found = step(decoded, name)
        if isinstance(found, Rejection):
            trial.violations.append((decoded.position, found))
            continue
        _compare(decoded.record or {}, found[1], trial)
        for outcome in mapper.map(found[1], now):
            if isinstance(outcome, Rejection):
                trial.violations.append((decoded.position, outcome))
            else:
                trial.entities.append(outcome)
    return trial


def _compare(before: Mapping[str, Any], after: Mapping[str, Any], trial: Trial) -> None:
    kept = dict(_leaves(after))
    for path, value in _leaves(before):
        if path not in kept:
            trial.removed[path] += 1
        elif kept[path] != value:
            trial.changed[path] += 1


def _leaves(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/")
        else:
            yield path, value
