"""Recorded data in full: exact counts, every rejection with its rule, ten entities of each feed compared whole."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.declare import apply_topics
from connectors.decoders import decoder
from connectors.errors import Rejection
from connectors.feed import load
from connectors.fetch import Fetcher, prepare
from connectors.mapping import Mapper
from connectors.names import load_names
from connectors.publish import Publisher
from connectors.remap import MapWorker, RecordMapper, group_counters
from connectors.settings import ConnectorSettings
from connectors.state import FeedState
from docker.local.stack import ROOT

CITY = ROOT / "city"
EXPECTED = ROOT / "tests" / "data" / "recorded"
KEY = "recorded-data-test-key-0123456789ab"
FILES = {
    "kcm-vehicles": "transit/gtfs-rt/king-county-metro-vehicle-positions-1.pb",
    "valencia-air": "timeseries/air_quality_valencia_hourly_2019_2023.csv.gz",
    "nyc-311": "open311/nyc311_animals_2025.csv",
}
COUNTS = {"kcm-vehicles": (627, 627, 0), "valencia-air": (43_824, 43_536, 288), "nyc-311": (4_969, 4_907, 62)}
Result = tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, str, Rejection]]]


def _settings(tmp_path: Path, **members: object) -> ConnectorSettings:
    keys = {"requests": SecretStr(KEY)}
    return ConnectorSettings.model_validate({"city": CITY, "state": tmp_path, "domain_keys": keys, **members})


def _through(name: str, data: Path, settings: ConnectorSettings) -> Result:
    """Decode, minimise, map and check a whole recorded file without Kafka."""
    feed = load(CITY / "feeds" / f"{name}.yaml", {"DATAPOLIS_DATA": str(data)})
    mapper, step = Mapper(feed, load_names(CITY / "context.jsonld")), prepare(feed, settings)
    entities: list[tuple[str, dict[str, Any]]] = []
    rejected: list[tuple[str, str, Rejection]] = []
    now = datetime.now(UTC)
    with (data / FILES[name]).open("rb") as stream:
        for decoded in decoder(feed.decoder)(stream, name):
            found = step(decoded, name)
            if isinstance(found, Rejection):
                rejected.append((decoded.position, "", found))
                continue
            for outcome in mapper.map(found[1], now):
                if isinstance(outcome, Rejection):
                    rejected.append((decoded.position, found[0], outcome))
                else:
                    entities.append((decoded.position, outcome))
    return entities, rejected


@pytest.mark.parametrize("name", COUNTS)
def test_every_record_is_accounted_for(name: str, data: Path | None, tmp_path: Path) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    entities, rejected = _through(name, data, _settings(tmp_path))
    received, mapped, refused = COUNTS[name]
    assert (len(entities) + len(rejected), len(entities), len(rejected)) == (received, mapped, refused)
    rules = json.loads((EXPECTED / "rejections.json").read_text(encoding="utf-8"))[name]
    assert {(one.stage, one.rule, one.field) for _, _, one in rejected} <= {("check", rules["rule"], rules["field"])}
    if name == "valencia-air":
        lines = [line for first, last in rules["lines"] for line in range(first, last + 1)]
        assert [position for position, _, _ in rejected] == [f"{name}:{line}" for line in lines]
    else:
        assert [key for _, key, _ in rejected] == rules["records"]
    _assert_ten(name, [entity for _, entity in entities])


def _assert_ten(name: str, entities: list[dict[str, Any]]) -> None:
    expected = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    assert len(expected) == 10
    found = {json.dumps(entity, sort_keys=True) for entity in entities}
    by_id: Counter[str] = Counter(entity["id"] for entity in entities)
    for entity in expected:
        assert json.dumps(entity, sort_keys=True) in found, entity["id"]
        assert by_id[entity["id"]] == (43_536 if name == "valencia-air" else 1)


def test_no_address_of_a_request_is_left(data: Path | None, tmp_path: Path) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    entities, rejected = _through("nyc-311", data, _settings(tmp_path))
    text = json.dumps([entity for _, entity in entities]) + repr(rejected)
    for address in ("285 COZINE AVENUE", "COZINE AVENUE", "VAN SICLEN", "1000 5 AVENUE", "40.65651334", "1017039"):
        assert address not in text


@pytest.mark.timeout(120)
async def test_requests_through_kafka_count_the_same(
    data: Path | None, tmp_path: Path, kafka: str, topic_prefix: str
) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    settings = _settings(tmp_path, kafka=kafka, topic_prefix=topic_prefix)
    feed = load(CITY / "feeds" / "nyc-311.yaml", {"DATAPOLIS_DATA": str(data)})
    await apply_topics([feed], ["requests"], settings, partitions=3, replication=1)
    taken = asyncio.Event()
    async with Publisher(settings) as publisher:
        fetcher = Fetcher(feed, settings, publisher, FeedState(settings.feed_state, feed.feed))
        worker = MapWorker(RecordMapper(feed, load_names(CITY / "context.jsonld")), settings, publisher)
        tasks = [asyncio.create_task(fetcher.run(taken.set)), asyncio.create_task(worker.run(lambda: None))]
        try:
            await asyncio.wait_for(taken.wait(), 60)
            async with asyncio.timeout(60):
                while sum(one.received for one in worker.counters.values()) < 4_969:  # noqa: ASYNC110 - Kafka tells nobody
                    await asyncio.sleep(0.2)
                await asyncio.sleep(0.5)
            kept = await group_counters(feed.feed, settings)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(one.received for one in kept.values()) == 4_969
    assert sum(one.mapped for one in kept.values()) == 4_907
    assert sum(one.rejected for one in kept.values()) == 62
    assert len(kept) == 3


def test_stand_ins_from_packages(tmp_path: Path) -> None:
    from connectors.sources.files import locate

    for name, count in (("seattle-weather", 8_759), ("montreal-carshare", 249)):
        feed = load(CITY / "feeds" / f"{name}.yaml", {})
        assert feed.source.kind == "file"
        mapper, step = Mapper(feed, load_names(CITY / "context.jsonld")), prepare(feed, _settings(tmp_path))
        with Path(locate(feed.source.path)).open("rb") as stream:
            found = [step(decoded, name) for decoded in decoder(feed.decoder)(stream, name)]
        now = datetime.now(UTC)
        outcomes = [outcome for one in found if isinstance(one, tuple) for outcome in mapper.map(one[1], now)]
        assert len(outcomes) == count
        assert not any(isinstance(outcome, Rejection) for outcome in outcomes)
