"""Databases and SFTP against real peers: what is new comes once, in order, and nothing is lost at a mark's edge."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import asyncssh
import pytest
from pydantic import SecretStr

from connectors.errors import FeedError, Unreachable
from connectors.sources.sftp import SftpFolder
from connectors.sources.sql import SqlPoll
from connectors.specs.systems import SftpSource, SqlSource
from tests.fixtures.postgres import Database

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


async def rows_of(source: SqlPoll, place: dict[str, Any], batches: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    payloads = source.payloads(place)
    for _ in range(batches):
        payload = await asyncio.wait_for(anext(payloads), 10)
        found += json.loads(payload.stream.read())
        place.update(payload.after(0, done=True))
    await payloads.aclose()
    return found


def sql(dsn: str, **members: Any) -> SqlPoll:
    given = {"kind": "sql", "dsn": dsn, "table": "readings", "mark": "changed", "id": "id", "batch": 2, "every": 0.2}
    return SqlPoll(SqlSource.model_validate({**given, **members}), LOOPBACK)


async def test_postgres_table_by_high_water_mark(pg: Database) -> None:
    """Five rows, three of one instant across a batch's edge; a later row comes alone, a place survives as JSON."""
    conn = await asyncpg.connect(pg.dsn("admin"))
    await conn.execute(
        "CREATE SCHEMA plant; CREATE TABLE plant.readings (id bigint, changed timestamptz, level numeric, secret text, "
        "at point); INSERT INTO plant.readings SELECT n, '2026-01-01T00:00:00.123456Z'::timestamptz + "
        "CASE WHEN n IN (2, 3, 4) THEN interval '1 s' ELSE n * interval '1 s' END, n / 2.0, 'no', NULL "
        "FROM generate_series(1, 5) AS n"
    )
    await conn.execute("CREATE VIEW plant.seen AS SELECT * FROM plant.readings")
    place: dict[str, Any] = {}
    dsn = pg.dsn("admin")
    found = await rows_of(sql(dsn, table="plant.readings", columns=("level",)), place, 3)
    assert [(one["id"], one["level"]) for one in found] == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0), (5, 2.5)]
    assert set(found[0]) == {"id", "changed", "level"}
    place = json.loads(json.dumps(place))
    await conn.execute("INSERT INTO plant.readings VALUES (6, '2026-01-01T00:00:05.123456Z', 3, 'no', NULL)")
    (last,) = await rows_of(sql(dsn, table="plant.seen", columns=("level",)), place, 1)
    assert last["id"] == 6
    await conn.execute("INSERT INTO plant.readings VALUES (7, now(), 3, 'no', NULL)")
    late = sql(dsn, table="plant.readings", lag="1h")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rows_of(late, place, 1), 1)
    await conn.close()


async def test_postgres_says_what_is_wrong(pg: Database) -> None:
    for members, said in (
        ({"table": "nowhere"}, "no such table"),
        ({"table": "broker.tenants"}, "no column 'changed'"),
    ):
        with pytest.raises(FeedError, match=said):
            await rows_of(sql(pg.dsn("admin"), **members), {}, 1)
    spec = SqlSource(kind="sql", dsn=SecretStr(pg.dsn("admin")), table="t", mark="m", id="i")
    with pytest.raises(FeedError, match="DATAPOLIS_EGRESS_ALLOW"):
        await rows_of(SqlPoll(spec, ()), {}, 1)
    with pytest.raises(Unreachable, match="Invalid"):
        await rows_of(sql(pg.dsn("admin").replace(":", ":x", 2).replace(":x//", "://")), {}, 1)


async def test_sqlite_table(tmp_path: Path) -> None:
    path = tmp_path / "plant.db"
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE readings (id INTEGER, changed INTEGER, level REAL, raw BLOB)")
        conn.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", [(n, n // 3, n / 2, b"\1") for n in range(7)])
    conn.close()
    place: dict[str, Any] = {}
    found = await rows_of(sql(f"sqlite://{path}"), place, 4)
    assert [one["id"] for one in found] == list(range(7))
    assert found[6] == {"id": 6, "changed": 2, "level": 3.0, "raw": "01"}
    assert place == {"mark": 2, "id": 6}
    with pytest.raises(Unreachable, match="unable to open"):
        await rows_of(sql(f"sqlite://{tmp_path / 'none.db'}"), {}, 1)


class Server(asyncssh.SSHServer):
    """Lets one user in."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("city", "right")


@pytest.fixture
async def sftp(tmp_path: Path) -> AsyncIterator[tuple[int, str, Path]]:
    """A real SFTP server on a folder: its port, its host key, the folder."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    folder = tmp_path / "out"
    folder.mkdir()

    def serve(channel: asyncssh.SSHServerChannel[Any]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(tmp_path).encode())

    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=Server, sftp_factory=serve)
    yield server.get_port(), key.export_public_key().decode().strip(), folder
    server.close()
    await server.wait_closed()


def folder_of(port: int, host_key: str, **members: Any) -> SftpFolder:
    given = {
        "kind": "sftp", "host": "127.0.0.1", "port": port, "path": "/out/*.csv", "username": "city",
        "password": "right", "host_key": host_key, "every": 0.2, "timeout": 5,
    }  # fmt: skip
    return SftpFolder(SftpSource.model_validate({**given, **members}), LOOPBACK)


async def test_sftp_files_come_once_and_again_when_they_change(sftp: tuple[int, str, Path]) -> None:
    port, host_key, folder = sftp
    (folder / "a.csv").write_text("id\n1\n")
    (folder / "b.csv").write_text("id\n2\n")
    (folder / "c.txt").write_text("no")
    place: dict[str, Any] = {}
    payloads = folder_of(port, host_key).payloads(place)
    found = []
    for _ in range(2):
        payload = await asyncio.wait_for(anext(payloads), 10)
        found.append((payload.name, payload.stream.read()))
        place.update(payload.after(1, done=True))
    assert found == [("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n")]
    waiting = asyncio.ensure_future(anext(payloads))
    await asyncio.sleep(0.6)
    assert not waiting.done()
    (folder / "a.csv").write_text("id\n1\n3\n")
    os.utime(folder / "a.csv", (1, 1))
    payload = await asyncio.wait_for(waiting, 10)
    assert (payload.name, payload.stream.read()) == ("a.csv", b"id\n1\n3\n")
    await payloads.aclose()


async def test_sftp_refusals(sftp: tuple[int, str, Path]) -> None:
    port, host_key, folder = sftp
    (folder / "a.csv").write_text("0123456789")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    for source, said in (
        (folder_of(port, host_key, password="wrong"), "PermissionDenied"),
        (folder_of(port, other), "HostKeyNotVerifiable"),
        (folder_of(port, host_key, max_bytes=5), "more than source.max_bytes"),
    ):
        with pytest.raises(Unreachable, match=said):
            await asyncio.wait_for(anext(source.payloads({})), 10)
