"""Sealing: every record once, in a tree that only grows, under signatures that outsiders check."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from policies.audit import append, prepare, tree
from policies.audit.checkpoint import LogKey, NoteError, open_note
from policies.audit.seal import Sealer, seal_once
from policies.store import log
from tests.fixtures.postgres import Database
from tests.policies.audit.test_record import record

ORIGIN = "log.city.example"


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    return LogKey.load(ORIGIN, tmp_path / "log.pem")


def test_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "log.pem"
    first = LogKey.load(ORIGIN, path)
    assert LogKey.load(ORIGIN, path).vkey == first.vkey
    assert path.stat().st_mode & 0o777 == 0o600
    name, key_id, _ = first.vkey.split("+", 2)
    assert (name, len(key_id)) == (ORIGIN, 8)


def test_notes(key: LogKey, tmp_path: Path) -> None:
    note = key.sign(3, b"r" * 32)
    opened = open_note(note, key.vkey)
    assert (opened.origin, opened.size, opened.root) == (ORIGIN, 3, b"r" * 32)
    assert note.startswith(f"{ORIGIN}\n3\ncnJy")
    with pytest.raises(NoteError, match="does not match"):
        open_note(note.replace("\n3\n", "\n4\n"), key.vkey)
    with pytest.raises(NoteError, match="not signed by"):
        open_note(note, LogKey.load(ORIGIN, tmp_path / "other.pem").vkey)
    with pytest.raises(NoteError, match="no checkpoint of"):
        open_note(note, LogKey.load("elsewhere", tmp_path / "log.pem").vkey)
    with pytest.raises(NoteError):
        open_note("nonsense", key.vkey)


async def test_rounds_grow_one_tree(conn: asyncpg.Connection, key: LogKey) -> None:
    pending = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
    made = []
    for count in (1, 2, 5, 30, 7):
        batch = [prepare(record(entities=n)) for n in range(count)]
        await append(conn, batch)
        made += batch
        while await seal_once(conn, key, most=11):
            pass
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == 0
    assert await seal_once(conn, key) == 0
    rows = await conn.fetch("SELECT seq, id, record, salt, c, leaf FROM policies.audit_leaf ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(pending + 45))
    assert {str(row["id"]) for row in rows} >= {item.id for item in made}
    assert [row["leaf"] for row in rows] == [tree.leaf_hash(row["c"]) for row in rows]

    nodes = tree.append(0, {}, [row["leaf"] for row in rows])
    checkpoints = await conn.fetch("SELECT size, root, note FROM policies.checkpoint ORDER BY size")
    assert checkpoints[-1]["size"] == len(rows)
    for point in checkpoints:
        opened = open_note(point["note"], key.vkey)
        assert (opened.size, opened.root) == (point["size"], point["root"])
        assert opened.root == tree.root(opened.size, nodes)

    item = await log.leaf(conn, made[-1].id)
    assert item is not None
    size = len(rows)
    fetched = await log.nodes(conn, tree.plan(lambda found: tree.inclusion(item.seq, size, found)))
    path = tree.inclusion(item.seq, size, fetched)
    assert tree.verify_inclusion(tree.leaf_hash(made[-1].c), item.seq, size, path, checkpoints[-1]["root"])


async def test_erased_records_keep_their_proof(conn: asyncpg.Connection, key: LogKey) -> None:
    before, after = prepare(record()), prepare(record())
    await append(conn, [before, after])
    await conn.fetchval("SELECT policies.erase_audit($1)", before.id)
    await seal_once(conn, key)
    await conn.fetchval("SELECT policies.erase_audit($1)", after.id)
    for item in (before, after):
        found = await log.leaf(conn, item.id)
        assert found is not None
        assert (found.record, found.salt, found.c) == (None, None, item.c)


async def test_a_failed_round_leaves_nothing(conn: asyncpg.Connection, key: LogKey) -> None:
    await append(conn, [prepare(record())])
    pending = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
    with pytest.raises(asyncpg.RaiseError, match="the log has grown past 5"):
        await log.sequence(conn, 5, await log.pending(conn, 1), [b"x" * 32])
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == pending
    assert await log.size(conn) == 0
    assert await log.checkpoint(conn) is None


async def holding(sealer: Sealer) -> None:
    for _ in range(500):
        if sealer.holds:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the sealer did not take the lock within 5 s")


async def test_one_sealer_at_a_time(conn: asyncpg.Connection, pg: Database, key: LogKey) -> None:
    first, second = (Sealer(pg.dsn("policies"), key, 0.05) for _ in range(2))
    stop_first, stop_second = asyncio.Event(), asyncio.Event()
    one = asyncio.create_task(first.run(stop_first))
    await holding(first)
    two = asyncio.create_task(second.run(stop_second))
    made = [prepare(record()) for _ in range(20)]
    for item in made:
        await append(conn, [item])
    await asyncio.sleep(0.3)
    assert (first.holds, second.holds, first.ready, second.ready) == (True, False, True, True)
    stop_first.set()
    await one
    await holding(second)
    await append(conn, [prepare(record())])
    stop_second.set()
    await two
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == 0
    assert first.sealed + second.sealed == await log.size(conn)
    assert await log.vkey(conn) == key.vkey
