"""Run declarations of tests/data over recorded files without Kafka, and count what became of every record."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.decoders import decoder
from connectors.errors import Rejection
from connectors.feed import Feed, FileSource, load
from connectors.fetch import prepare
from connectors.mapping import Mapper
from connectors.names import load_names
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT

__all__ = ["SOURCES", "Outcome", "declared", "through"]

SOURCES = ROOT / "tests" / "data" / "sources"


@dataclass
class Outcome:
    """What a feed made of its files."""

    records: int = 0
    entities: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[str, str, str, str]] = field(default_factory=list)


def declared(path: Path, data: Path, **changes: str) -> Feed:
    """Load a declaration; `changes` are put in for words of its text."""
    return load(path, {"DATAPOLIS_DATA": str(data), **changes})


def files(feed: Feed) -> Iterator[Path]:
    """Yield the files of a feed's source."""
    assert isinstance(feed.source, FileSource)
    yield from (Path(one) for one in sorted(glob.glob(feed.source.path)))


def through(feed: Feed) -> Outcome:
    """Decode, minimise, map and check everything that the feed's files hold."""
    mapper = Mapper(feed, load_names(SOURCES / "context.jsonld"))
    step, decode, found = prepare(feed, ConnectorSettings()), decoder(feed.decoder), Outcome()
    now = datetime.now(UTC)
    for path in files(feed):
        with path.open("rb") as stream:
            for decoded in decode(stream, path.name):
                found.records += 1
                kept = step(decoded, path.name)
                outcomes = [kept] if isinstance(kept, Rejection) else mapper.map(kept[1], now)
                for one in outcomes:
                    if isinstance(one, Rejection):
                        found.rejected.append((decoded.position, one.stage, one.rule, one.field))
                    else:
                        found.entities.append(one)
    return found
