"""The log in the database: pending records in, leaves, nodes and checkpoints out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from policies.audit.tree import Node
from policies.store.connect import Conn

__all__ = [
    "Leaf",
    "Pending",
    "checkpoint",
    "leaf",
    "lock",
    "nodes",
    "pending",
    "put_checkpoint",
    "put_key",
    "put_nodes",
    "sequence",
    "size",
    "vkey",
]

_LOCK = 7_233_110


@dataclass(frozen=True, slots=True)
class Pending:
    """A record that waits to be sequenced."""

    id: str
    c: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """A sequenced record; `record` and `salt` are None once erased."""

    seq: int
    id: str
    record: str | None
    salt: bytes | None
    c: bytes


async def lock(conn: Conn) -> bool:
    """Take the sealer's lock for the life of the connection; False if another holds it."""
    taken: bool = await conn.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
    return taken


async def size(conn: Conn) -> int:
    """Count the leaves."""
    found: int = await conn.fetchval("SELECT coalesce(max(seq) + 1, 0) FROM policies.audit_leaf")
    return found


async def pending(conn: Conn, most: int) -> list[Pending]:
    """Read pending records, oldest first."""
    rows = await conn.fetch("SELECT id, c FROM policies.audit_pending ORDER BY at, id LIMIT $1", most)
    return [Pending(str(row["id"]), row["c"]) for row in rows]


async def sequence(conn: Conn, first: int, records: Sequence[Pending], leaves: Sequence[bytes]) -> None:
    """Move records into the log from position `first`."""
    await conn.fetchval(
        "SELECT policies.sequence_audit($1, $2::uuid[], $3::bytea[])", first, [r.id for r in records], list(leaves)
    )


async def put_nodes(conn: Conn, made: Mapping[Node, bytes]) -> None:
    """Store the complete subtrees above the leaves."""
    above = [(node, value) for node, value in made.items() if node[0] > 0]
    await conn.execute(
        "INSERT INTO policies.audit_node (level, pos, hash) SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])",
        [node[0] for node, _ in above],
        [node[1] for node, _ in above],
        [value for _, value in above],
    )


async def nodes(conn: Conn, wanted: Sequence[Node]) -> dict[Node, bytes]:
    """Read nodes; KeyError if one is not there."""
    rows = await conn.fetch(
        """
        SELECT level, pos, hash FROM policies.audit_node
        JOIN unnest($1::int[], $2::bigint[]) AS u (level, pos) USING (level, pos)
        UNION ALL
        SELECT 0, seq, leaf FROM policies.audit_leaf WHERE seq = ANY ($3::bigint[])
        """,
        [level for level, _ in wanted if level],
        [pos for level, pos in wanted if level],
        [pos for level, pos in wanted if not level],
    )
    found = {(row["level"], row["pos"]): row["hash"] for row in rows}
    missing = [node for node in wanted if node not in found]
    if missing:
        raise KeyError(f"the log lacks the node {missing[0]}")
    return found


async def put_checkpoint(conn: Conn, leaves: int, root: bytes, note: str) -> None:
    """Store a signed checkpoint."""
    await conn.execute("INSERT INTO policies.checkpoint (size, root, note) VALUES ($1, $2, $3)", leaves, root, note)


async def checkpoint(conn: Conn) -> asyncpg.Record | None:
    """Read the newest checkpoint: size, root, note, at."""
    return await conn.fetchrow("SELECT size, root, note, at FROM policies.checkpoint ORDER BY size DESC LIMIT 1")


async def put_key(conn: Conn, key: str) -> None:
    """Publish the log's verifier key."""
    await conn.execute("INSERT INTO policies.log_key (vkey) VALUES ($1) ON CONFLICT DO NOTHING", key)


async def vkey(conn: Conn) -> str | None:
    """Read the log's newest verifier key."""
    found: str | None = await conn.fetchval("SELECT vkey FROM policies.log_key ORDER BY since DESC LIMIT 1")
    return found


async def leaf(conn: Conn, id_: str) -> Leaf | None:
    """Find a sequenced record by its id."""
    row = await conn.fetchrow("SELECT seq, id, record, salt, c FROM policies.audit_leaf WHERE id = $1", id_)
    return Leaf(row["seq"], str(row["id"]), row["record"], row["salt"], row["c"]) if row else None
