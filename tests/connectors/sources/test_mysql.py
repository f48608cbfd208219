"""MariaDB by high-water mark against a real server: every row once, in order, also at a mark's edge and after kills."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from connectors.declare import apply_topics
from connectors.errors import FeedError, Unreachable
from connectors.feed import load
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT
from tests.connectors.kafka_reader import read_topic, wait_for, wait_for_events
from tests.connectors.sources.test_systems import rows_of, sql
from tests.connectors.test_cli import free_port
from tests.connectors.test_pipeline import _running, _until

Make = Callable[..., ConnectorSettings]
PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
KILLS, ROWS = (10, 2_000) if PROVE else (2, 150)
METERS = """
feed: meters
title: Meters of the city's works
domain: environment
source: {kind: sql, dsn: "DSN", table: meters, mark: changed, id: id, every: 200ms, batch: 50}
decoder: {kind: json}
key: to_string(id)
minimise: {keep: [id, changed, level]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'meter', to_string(id))
    observedAt: time(changed)
    attributes: {temperature: {value: level, unitCode: CEL}}
"""


@pytest.fixture
def works(mariadb: str) -> Iterator[pymysql.Connection[Any]]:
    parts = urlsplit(mariadb)
    conn = pymysql.connect(
        host="127.0.0.1", port=parts.port or 0, user="root", password=parts.password or "", database="city",
        autocommit=True, init_command="SET time_zone = '+00:00'",
    )  # fmt: skip
    with conn.cursor() as cursor:
        cursor.execute("DROP DATABASE city")
        cursor.execute("CREATE DATABASE city")
        cursor.execute("USE city")
    yield conn
    conn.close()


def run(conn: pymysql.Connection[Any], text: str, *rows: tuple[object, ...]) -> None:
    with conn.cursor() as cursor:
        if rows:
            cursor.executemany(text, rows)
        else:
            cursor.execute(text)


async def test_table_by_high_water_mark(mariadb: str, works: pymysql.Connection[Any]) -> None:
    """Five rows, three of one instant across a batch's edge; a later row comes alone, a place survives as JSON."""
    run(works, "CREATE TABLE readings (id BIGINT, changed TIMESTAMP(6) NULL, level DECIMAL(9,3), secret TEXT)")
    for n in range(1, 6):
        second = 1 if n in {2, 3, 4} else n
        run(works, "INSERT INTO readings VALUES (%s, %s, %s, 'no')", (n, f"2026-01-01 00:00:0{second}.123456", n / 2))
    place: dict[str, Any] = {}
    found = await rows_of(sql(mariadb, columns=("level",)), place, 3)
    assert [(one["id"], one["level"]) for one in found] == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0), (5, 2.5)]
    assert set(found[0]) == {"id", "changed", "level"}
    assert found[4]["changed"] == "2026-01-01T00:00:05.123456+00:00"
    place = json.loads(json.dumps(place))
    run(works, "INSERT INTO readings VALUES (6, '2026-01-01 00:00:05.123456', 3, 'no')")
    run(works, "CREATE VIEW seen AS SELECT * FROM readings")
    (last,) = await rows_of(sql(mariadb, table="city.seen", columns=("level",)), place, 1)
    assert last["id"] == 6
    run(works, "INSERT INTO readings VALUES (7, now(6), 3, 'no')")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rows_of(sql(mariadb, lag="1h"), place, 1), 1)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("DECIMAL(20,2)", ["9.50", "10.25", "100.00"]),
        ("DATETIME(3)", ["2026-01-01 09:00:00.001", "2026-01-01 10:00:00.000", "2026-01-02 00:00:00.999"]),
        ("DATE", ["2025-12-31", "2026-01-01", "2026-10-01"]),
        ("VARCHAR(10)", ["a", "b", "c"]),
        ("BIGINT UNSIGNED", ["9", "10", "18446744073709551615"]),
    ],
)
async def test_marks_of_every_kind(mariadb: str, works: pymysql.Connection[Any], kind: str, values: list[str]) -> None:
    run(works, f"CREATE TABLE readings (id INT, changed {kind}, `100% odd` INT)")
    run(works, "INSERT INTO readings VALUES (%s, %s, %s)", *((n, value, n) for n, value in enumerate(values)))
    place: dict[str, Any] = {}
    found: list[int] = []
    for _ in values:
        rows = await rows_of(sql(mariadb, batch=1), place, 1)
        place = json.loads(json.dumps(place))
        found += [one["100% odd"] for one in rows]
    assert found == [0, 1, 2]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rows_of(sql(mariadb, batch=1), place, 1), 0.7)


async def test_it_says_what_is_wrong_and_writes_nothing(mariadb: str, works: pymysql.Connection[Any]) -> None:
    run(works, "CREATE TABLE other (id INT)")
    for members, said in (({"table": "nowhere"}, "no such table"), ({"table": "other"}, "no column 'changed'")):
        with pytest.raises(FeedError, match=said):
            await rows_of(sql(mariadb, **members), {}, 1)
    with pytest.raises(Unreachable, match="Access denied"):
        await rows_of(sql(mariadb.replace("root:", "root:x")), {}, 1)
    with pytest.raises(FeedError, match="mysql://"):
        sql("oracle://x/y")


@pytest.mark.timeout(120)
async def test_a_restarted_feed_takes_up_where_it_was(
    mariadb: str, works: pymysql.Connection[Any], city: Path, make_settings: Make, kafka: str, topic_prefix: str
) -> None:
    """120 rows by three processes one after the other, some rows while none runs: each once in Kafka."""
    run(works, "CREATE TABLE meters (id BIGINT PRIMARY KEY, changed TIMESTAMP(6) NULL, level DOUBLE, owner TEXT)")

    def add(first: int, last: int) -> None:
        rows = [(n, f"2026-01-01 00:{n // 60:02}:{n % 60:02}", n / 4) for n in range(first, last)]
        run(works, "INSERT INTO meters VALUES (%s, %s, %s, 'Ana')", *rows)

    path = city / "feeds" / "meters.yaml"
    path.write_text(METERS.replace("DSN", mariadb))
    feed, settings = load(path), make_settings(kafka=kafka, topic_prefix=topic_prefix)
    await apply_topics([feed], ["environment"], settings, partitions=1, replication=1)
    topic = f"{topic_prefix}feeds.meters.records"
    for first, last in ((0, 60), (60, 110), (110, 120)):
        add(first, last)
        async with _running([feed], settings) as supervisor:
            await _until(lambda: all(one.leader for one in supervisor.runners.values()), 40)
            await wait_for(kafka, topic, 1, last, 40)
            envelopes = await wait_for_events(kafka, f"{topic_prefix}entities.environment", 1, last, 40)
    records = [json.loads(one.value) for one in await read_topic(kafka, topic, 1)]
    assert [one["id"] for one in records] == list(range(120))
    assert records[61] == {"id": 61, "changed": "2026-01-01T00:01:01+00:00", "level": 15.25}
    assert [one["entity"]["id"].rsplit(":", 1)[-1] for one in envelopes.values()] == [str(n) for n in range(120)]


def _start(settings: ConnectorSettings) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    env |= {
        "DATAPOLIS_CITY": str(settings.city), "DATAPOLIS_STATE": str(settings.state),
        "DATAPOLIS_KAFKA": settings.kafka, "DATAPOLIS_TOPIC_PREFIX": settings.topic_prefix,
        "DATAPOLIS_ADMIN_PORT": str(free_port()), "DATAPOLIS_SESSION_MS": "6000",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "connectors", "run"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


@pytest.mark.timeout(240)
async def test_killed_processes_lose_no_row_and_double_none(
    mariadb: str, works: pymysql.Connection[Any], city: Path, make_settings: Make, kafka: str, topic_prefix: str
) -> None:
    """The connector's process is killed (SIGKILL) in the midst of the table; rows come in meanwhile.

    A batch whose place was not noted yet comes again, as records of its own: what it says of an entity and an instant
    is said already. So each row is there, and each is one instance.
    """
    run(works, "CREATE TABLE meters (id BIGINT PRIMARY KEY, changed TIMESTAMP(6) NULL, level DOUBLE, owner TEXT)")

    def add(first: int, last: int) -> None:
        rows = [(n, f"2026-01-01 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}", n / 4) for n in range(first, last)]
        run(works, "INSERT INTO meters VALUES (%s, %s, %s, 'Ana')", *rows)

    path = city / "feeds" / "meters.yaml"
    path.write_text(METERS.replace("DSN", mariadb).replace("batch: 50", "batch: 5"))
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, session_ms=6000)
    await apply_topics([load(path)], ["environment"], settings, partitions=1, replication=1)
    records, entities = f"{topic_prefix}feeds.meters.records", f"{topic_prefix}entities.environment"
    process = _start(settings)
    try:
        for kill in range(1, KILLS + 1):
            add((kill - 1) * ROWS, kill * ROWS)
            await wait_for(kafka, records, 1, (kill - 1) * ROWS + 1, 60)
            process.kill()
            process.wait()
            process = _start(settings)
        add(KILLS * ROWS, KILLS * ROWS + 7)
        total = KILLS * ROWS + 7
        instances: dict[tuple[str, str], set[float]] = {}
        async with asyncio.timeout(90):
            while len(instances) < total:
                for one in await read_topic(kafka, entities, 1):
                    entity = json.loads(one.value)["entity"]
                    (level,) = (member for member in entity.values() if isinstance(member, dict))
                    instances.setdefault((entity["id"], level["observedAt"]), set()).add(level["value"])
                await asyncio.sleep(0.2)
    finally:
        process.kill()
        process.wait()
    assert {one.rsplit(":", 1)[-1]: values for (one, _), values in instances.items()} == {
        str(n): {n / 4} for n in range(total)
    }
    ids = [json.loads(one.value)["id"] for one in await read_topic(kafka, records, 1)]
    assert set(ids) == set(range(total))
    assert len(ids) <= total + 5 * KILLS, "more came again than the batch in hand at each kill"
