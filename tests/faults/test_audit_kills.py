"""SIGKILL of any process of a loaded run: every answer that a client received has its audit record, and no record
lacks its request.

Clients note what they send and the receipt that they get. After the kills each receipt must be found, committed to as
the receipt says and telling the same request; and each record must be of a request that a client had sent. They speak
HTTP over a socket of their own per request, since a client library sends a GET whose connection broke once more.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from broker.core.patch import Change
from broker.store import write
from broker.store.pool import Pool
from docker.local.stack import ROOT
from policies.audit.record import commitment
from tests.fixtures.broker import BrokerProcess, broker_process
from tests.fixtures.governed import DEFAULT_SCHEMA, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer, issuer

__all__ = ["issuer"]

LIVES = int(os.environ.get("DATAPOLIS_KILLS", "20" if os.environ.get("DATAPOLIS_PROVE") == "1" else "1"))
CUTS = 3
CLIENTS = 8
_TYPE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
_PATH = "/ngsi-ld/v1"


@dataclass(slots=True)
class Notes:
    """What clients sent, by their request's text, and the receipts of the answers they received whole."""

    sent: Counter[str] = field(default_factory=Counter)
    received: dict[str, str] = field(default_factory=dict)


@contextmanager
def own_process(database: Database, issuer: TestIssuer, opa: str, log: Path) -> Iterator[BrokerProcess]:
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": str(ROOT / "city")}
    with broker_process(database, environment, workers=2, log=log) as running:
        yield running


def serving(process: subprocess.Popen[bytes]) -> list[int]:
    """Name the processes that serve under a broker's supervisor."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in found.split() if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _asked(turn: int, mark: str) -> tuple[str, str]:
    """Choose a request; all but each twelfth are told apart by their entity."""
    if turn % 12 == 0:
        return "GET", "/entities/urn:ngsi-ld:Vehicle:1"
    if turn % 3 == 0:
        return "DELETE", f"/entities/{mark}"
    return "GET", f"/entities/{mark}" if turn % 3 == 1 else f"/entities?id={mark}&type=Vehicle"


async def exchange(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]] | None:
    """Send one request once; the answer's status and headers, None where it did not come whole."""
    said = {"Host": "127.0.0.1", "Connection": "close", **headers}
    lines = [f"{method} {_PATH}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
    try:
        async with asyncio.timeout(8):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write("\r\n".join(lines).encode())
                whole = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, found, body = whole.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *rest = head.decode("latin-1").split("\r\n")
    given = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return (int(first.split()[1]), given) if len(body) == int(given.get("content-length", "0")) else None


async def client(url: str, headers: dict[str, str], number: int, notes: Notes, stop: asyncio.Event) -> None:
    """Read and write without pause; an answer that does not come whole is none."""
    port, turn = int(url.rpartition(":")[2]), 0
    while not stop.is_set():
        turn += 1
        method, path = _asked(turn, f"urn:ngsi-ld:Vehicle:{number}-{turn}")
        notes.sent[f"{method} {_PATH}{path}"] += 1
        answer = await exchange(port, method, path, headers)
        if answer is None:
            await asyncio.sleep(0.02)
            continue
        receipt = answer[1].get("datapolis-audit")
        assert receipt is not None or answer[0] == 503, f"{answer[0]} without a receipt"
        if receipt is not None:
            notes.received[receipt] = f"{method} {_PATH}{path}"


async def checked(database: Database, notes: Notes) -> int:
    """Hold the receipts against the records, both ways; the number of records."""
    conn = await asyncpg.connect(database.dsn("admin"))
    rows = await conn.fetch("SELECT id, record, salt, c FROM policies.audit_pending WHERE record LIKE '%\"ngsi-ld\"%'")
    await conn.close(timeout=5)
    stored = {str(row["id"]): row for row in rows}
    for receipt, request in notes.received.items():
        number, _, c = receipt.partition(":")
        assert number in stored, f"an answer to {request} has no record"
        row = stored[number]
        record = orjson.loads(row["record"])
        assert commitment(row["salt"], row["record"]) == row["c"] == bytes.fromhex(c)
        assert record["request"] == request, "the record tells of another request"
    told = Counter(orjson.loads(row["record"])["request"] for row in rows)
    assert not told - notes.sent, f"records without a request: {list((told - notes.sent).items())[:3]}"
    return len(rows)


@pytest.mark.timeout(120 + 60 * LIVES)
async def test_every_answer_has_its_record_and_no_record_lacks_its_request(
    pg: Database, opa: str, issuer: TestIssuer, tmp_path: Path
) -> None:
    admit_city(pg)
    pool = Pool(pg.dsn("broker"), size=1)
    vehicle: dict[str, Any] = {"id": "urn:ngsi-ld:Vehicle:1", "type": [_TYPE]}
    async with pool.tx(DEFAULT_SCHEMA) as conn:
        await write.apply(conn, "default", [Change("create", vehicle["id"], vehicle)], datetime.now(UTC))
    await pool.close()
    token = issuer.token("urn:party:mobility-dept", "department")
    headers = {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceManagement"}
    notes = Notes()
    chance = random.Random(7)  # noqa: S311 - reproducible
    for life in range(LIVES):
        with own_process(pg, issuer, opa, tmp_path / "log") as running:
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(client(running.url, headers, life * CLIENTS + number, notes, stop))
                try:
                    for _ in range(CUTS):
                        await asyncio.sleep(0.4 + chance.random())
                        await cut(running)
                    await asyncio.sleep(0.4 + chance.random())
                    kill(running, chance, whole=life % 2 == 0)
                    await asyncio.sleep(0.3)
                finally:
                    stop.set()
    records = await checked(pg, notes)
    assert len(notes.received) > 20 * LIVES
    assert sum(notes.sent.values()) > len(notes.received), "no answer was lost: the kills came too late"
    print(  # noqa: T201 - the figures of a proof
        f"\naudit: {LIVES} kills, {LIVES * CUTS} times every connection to the database; "
        f"{sum(notes.sent.values())} requests, {len(notes.received)} answers received, {records} records"
    )


async def cut(running: BrokerProcess) -> None:
    """Kill the database's side of every connection."""
    conn = await asyncpg.connect(running.database.dsn("admin"))
    await conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    await conn.close(timeout=5)


def kill(running: BrokerProcess, chance: random.Random, *, whole: bool) -> None:
    """Kill one serving process, or the supervisor with all of them."""
    victims = serving(running.process)
    if whole:
        running.process.kill()
    for pid in victims if whole else [chance.choice(victims)]:
        os.kill(pid, signal.SIGKILL)
