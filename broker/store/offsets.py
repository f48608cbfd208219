"""Where consumers stand in Kafka, by compare-and-set (CONTRACTS: Kafka topics, apply rule).

A position moves in the transaction that holds what was consumed. Claiming a partition raises its generation; a worker
that lost it without knowing changes 0 rows, gets `Fenced`, rolls back and joins its group anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["Advance", "Fenced", "Position", "advance", "claim", "hold", "owns", "positions"]

_SQL = load("offsets")


class Fenced(Exception):
    """Another worker owns the partition, or has moved its position: nothing of this transaction may stay."""


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset to consume, and the generation under which it was claimed."""

    next: int
    generation: int


@dataclass(frozen=True, slots=True)
class Advance:
    """A step of one partition from `expected` to `next` under `generation`."""

    topic: str
    partition: int
    expected: int
    next: int
    generation: int


async def claim(conn: Conn, consumer: str, owner: str, topic: str, partition: int) -> Position:
    """Take the partition: whoever held it before is fenced from now on."""
    row = await conn.fetchrow(_SQL["claim"], consumer, topic, partition, owner)
    assert row is not None, "INSERT .. RETURNING gives a row"  # noqa: S101 - a guarantee of SQL
    return Position(row["next"], row["generation"])


async def advance(conn: Conn, consumer: str, owner: str, steps: Sequence[Advance]) -> None:
    """Move the positions, all or none; Fenced if any is not where, or whose, it was thought to be."""
    if not steps:
        return
    tag = await conn.execute(
        _SQL["advance"],
        consumer,
        owner,
        [s.topic for s in steps],
        [s.partition for s in steps],
        [s.expected for s in steps],
        [s.next for s in steps],
        [s.generation for s in steps],
    )
    if tag != f"UPDATE {len(steps)}":
        raise Fenced(f"{consumer}: {tag} where {len(steps)} partitions were expected")


async def owns(conn: Conn, consumer: str, owner: str, claims: Sequence[tuple[str, int, int]]) -> bool:
    """Say whether `owner` still holds all of these (topic, partition, generation)."""
    held = await conn.fetchval(
        _SQL["owns"], consumer, owner, [c[0] for c in claims], [c[1] for c in claims], [c[2] for c in claims]
    )
    return bool(held == len(claims))


async def hold(conn: Conn, consumer: str, owner: str, claims: Sequence[tuple[str, int, int]]) -> None:
    """Keep others from claiming these (topic, partition, generation) until the transaction ends; Fenced if one has."""
    held = await conn.fetch(
        _SQL["hold"], consumer, owner, [c[0] for c in claims], [c[1] for c in claims], [c[2] for c in claims]
    )
    if len(held) != len(claims):
        raise Fenced(f"{consumer}: {len(held)} of {len(claims)} partitions are still held")


async def positions(conn: Conn, consumer: str) -> dict[tuple[str, int], int]:
    """Return the next offset of every partition that the consumer has ever claimed."""
    return {(row["topic"], row["partition"]): row["next"] for row in await conn.fetch(_SQL["positions"], consumer)}
