"""A field that no feed declares, and a personal one that is declared as such, are nowhere after ingest.

The scan first proves, place by place, that it finds a value that was put there on purpose.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path

import asyncpg
import pytest

from connectors.declare import apply_topics
from connectors.feed import load
from connectors.publish import Outgoing, Publisher
from connectors.remap import group_counters
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT, profile
from tests.connectors.test_pipeline import STATIONS
from tests.faults.places import Places
from tests.faults.processes import Worker, consumed, until, workers
from tests.faults.runs import environment
from tests.faults.streams import contents, permit
from tests.fixtures.postgres import Database

CANARY = f"canary-{uuid.uuid4().hex}"
PERSON = f"Zoe {uuid.uuid4().hex}"
STREET = f"Elm{uuid.uuid4().hex}"
TYPE = "https://smartdatamodels.org/dataModel.Weather/WeatherObserved"
GOOD, BAD = 40, 4


def rows() -> str:
    lines = ["id,when,temp,owner,street,secret"]
    lines += [f"s{n},2026-01-01T00:00:00,{n}.5,{PERSON},{STREET},{CANARY}" for n in range(GOOD)]
    lines += [f"x,2026-01-01T00:00:00,warm,{PERSON},{STREET},{CANARY}", f"too,few,{CANARY}",
              f"y,2026-01-01T00:00:00,999,{PERSON},{STREET},{CANARY}", f",,1,{PERSON},{STREET},{CANARY}"]  # fmt: skip
    return "\n".join(lines) + "\n"


async def planted(places: Places, publisher: Publisher, outputs: dict[str, Path]) -> None:
    """Put a value of its own into every place, and see that the scan finds it there and nowhere else."""
    needles: dict[str, str] = {}
    for topic in ("feeds.stations.records", "entities.mobility", "dead.stations", "changes", "entities.platform"):
        needles[f"topic {topic}"] = f"planted-{uuid.uuid4().hex}"
        body = b'{"planted": "%s"}' % needles[f"topic {topic}"].encode()
        await publisher.send_all([Outgoing(topic, b"planted", body)])
    stored, gone = (f"planted-{uuid.uuid4().hex}" for _ in range(2))
    conn = await asyncpg.connect(places.database.dsn("admin"))
    try:
        await conn.execute("CREATE TABLE public.planted (value text)")
        await conn.executemany("INSERT INTO public.planted VALUES ($1)", [(stored,), (gone,)])
        await conn.execute("DELETE FROM public.planted WHERE value = $1", gone)
    finally:
        await conn.close()
    log = profile("test").folder / "logs" / f"planted-{uuid.uuid4().hex}.log"
    for name, path in {**outputs, "engine logs": log}.items():
        needles[name] = f"planted-{uuid.uuid4().hex}"
        with (path / "planted" if path.is_dir() else path).open("a") as file:
            file.write(needles[name] + "\n")
    try:
        found = await places.holding(stored, gone, *needles.values())
    finally:
        log.unlink()
    assert found == [{"dump", "wal"}, {"wal"}, *({name} for name in needles)]


@pytest.mark.timeout(300)
async def test_nothing_undeclared_and_nobody_personal_is_left_anywhere(
    pg: Database, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    city, state, source = tmp_path / "city", tmp_path / "state", tmp_path / "in" / "stations.csv"
    (city / "feeds").mkdir(parents=True)
    source.parent.mkdir()
    state.mkdir()
    (city / "context.jsonld").write_bytes((ROOT / "city" / "context.jsonld").read_bytes())
    declared = (STATIONS % source).replace("domain: environment", "domain: mobility")
    (city / "feeds" / "stations.yaml").write_text(declared)
    source.write_text(rows())
    os.utime(source, (time.time() - 5, time.time() - 5))
    settings = ConnectorSettings.model_validate(
        {"city": city, "state": state, "kafka": kafka, "topic_prefix": topic_prefix}
    )
    feed = load(city / "feeds" / "stations.yaml")
    await apply_topics([feed], ["mobility"], settings, 2, 1)
    await permit(pg.dsn("policies"), types=[TYPE], feed="stations")
    outputs = {name: tmp_path / f"{name}.log" for name in ("connectors", "ingest", "relay")} | {"state": state}
    places = await Places.begin(pg, kafka, topic_prefix, outputs)
    variables = {**environment(pg, kafka, topic_prefix), "DATAPOLIS_CITY": str(city), "DATAPOLIS_STATE": str(state),
                 "DATAPOLIS_LOG_LEVEL": "debug", "DATAPOLIS_QUALITY_INTERVAL": "0.5"}  # fmt: skip
    mapper = Worker("connectors", [], variables, outputs["connectors"], program=("connectors", "run"))
    ingest, relay = (Worker(name, [name], variables, outputs[name]) for name in ("ingest", "relay"))
    conn = await asyncpg.connect(pg.dsn("admin"))
    try:
        async with workers(mapper, ingest, relay):
            for one in (mapper, ingest, relay):
                one.start()

            async def mapped() -> bool:
                return (
                    sum(one.received for one in (await group_counters("stations", settings)).values()) == GOOD + BAD - 2
                )

            await until(mapped, within_s=120, what="mapped records", worker=mapper)

            async def stored() -> bool:
                return await consumed(conn, "ingest") >= GOOD

            await until(stored, within_s=60, what="stored entities", worker=ingest)
            await asyncio.sleep(1)
            assert [one.stop() for one in (mapper, ingest, relay)] == [0, 0, 0]
    finally:
        await conn.close()
    assert len((await contents(pg.dsn("admin"))).entities) == GOOD
    stored_id, *absent = await places.holding("WeatherObserved:test:s1", CANARY, PERSON, STREET)
    assert stored_id >= {"topic entities.mobility", "topic changes", "dump", "wal"}
    assert absent == [set(), set(), set()]
    async with Publisher(settings) as publisher:
        await planted(places, publisher, outputs)
