"""Recorded files through decoding, minimisation, mapping and checks, without Kafka."""

from __future__ import annotations

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

__all__ = ["FORMATS", "Outcome", "formats", "through"]

FORMATS = ROOT / "tests" / "data" / "formats"
"""A small city whose feeds read the recorded time series, maps, city models and Things."""


@dataclass(slots=True)
class Outcome:
    """What became of a file's records."""

    records: int = 0
    entities: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[list[str]] = field(default_factory=list)


def formats() -> list[str]:
    """Name the feeds of that city."""
    return sorted(path.stem for path in (FORMATS / "feeds").glob("*.yaml"))


def through(name: str, data: Path, state: Path) -> Outcome:
    """Take a feed's whole file."""
    feed: Feed = load(FORMATS / "feeds" / f"{name}.yaml", {"DATAPOLIS_DATA": str(data)})
    assert isinstance(feed.source, FileSource)
    settings = ConnectorSettings.model_validate({"city": FORMATS, "state": state})
    mapper, step = Mapper(feed, load_names(FORMATS / "context.jsonld")), prepare(feed, settings)
    outcome = Outcome()
    now = datetime.now(UTC)
    path = Path(feed.source.path)
    with path.open("rb") as stream:
        for decoded in decoder(feed.decoder)(stream, path.name):
            outcome.records += 1
            found = step(decoded, path.name)
            for one in [found] if isinstance(found, Rejection) else mapper.map(found[1], now):
                if isinstance(one, Rejection):
                    outcome.rejected.append([decoded.position.rsplit("#", 1)[-1], one.stage, one.rule, one.field])
                else:
                    outcome.entities.append(one)
    return outcome
