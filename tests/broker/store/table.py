"""A tenant's `entities` table filled with given documents, for tests of compiled conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from broker.core import segments
from broker.core.entity import LOCATION, Doc
from broker.core.match import Meta
from broker.core.query import Node
from broker.store.compile import compile_flag, compile_where
from tests.fixtures.postgres import Database

__all__ = ["Table"]


class Table:
    """Runs its own event loop, so that Hypothesis tests can use it."""

    def __init__(self, database: Database) -> None:
        self.runner = asyncio.Runner()
        self.conn: asyncpg.Connection[Any] = self.run(asyncpg.connect(database.dsn("admin")))
        schema = self.run(self.conn.fetchval("SELECT broker.create_tenant('queries')"))
        self.run(self.conn.execute(f"SET search_path = {schema}, public; SET plan_cache_mode = force_custom_plan"))

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def close(self) -> None:
        self.run(self.conn.close())
        self.runner.close()

    def fill(self, docs: Sequence[Doc], metas: Sequence[Meta]) -> None:
        """Replace what the table holds."""
        self.run(self._fill(docs, metas))

    async def _fill(self, docs: Sequence[Doc], metas: Sequence[Meta]) -> None:
        rows, types, geos = [], [], []
        for doc, meta in zip(docs, metas, strict=True):
            parts = segments.segments(doc)
            rows.append(
                (
                    doc["id"],
                    doc["type"],
                    doc.get("scope"),
                    parts.names,
                    parts.segs,
                    orjson.dumps(parts.vals).decode(),
                    parts.geo.get(LOCATION),
                    orjson.dumps(meta.attrs).decode(),
                    *(datetime.fromisoformat(str(at)) for at in (meta.created_at, meta.modified_at)),
                )
            )
            types += [(one, doc["id"]) for one in doc["type"]]
            geos += [(doc["id"], name, shape) for name, shape in parts.geo.items() if name != LOCATION]
        async with self.conn.transaction():
            await self.conn.execute("DELETE FROM entities; DELETE FROM entity_type; DELETE FROM entity_geo")
            await self.conn.executemany(
                "INSERT INTO entities "
                "(id, types, scopes, names, segs, vals, location, meta, created_at, modified_at, version) "
                "VALUES ($1, $2, $3, $4, $5, $6, ST_GeomFromEWKB($7), $8, $9, $10, 1)",
                rows,
            )
            await self.conn.executemany("INSERT INTO entity_type VALUES ($1, $2)", types)
            await self.conn.executemany(
                "INSERT INTO entity_geo (id, attr, geom) VALUES ($1, $2, ST_GeomFromEWKB($3))", geos
            )

    def find(self, node: Node) -> set[str]:
        """Return the ids of the entities that meet the condition."""
        found = compile_where(node)
        rows = self.run(self.conn.fetch(f"SELECT id FROM entities e WHERE {found.sql}", *found.params))  # noqa: S608
        return {row["id"] for row in rows}

    def flags(self, nodes: Sequence[Node], where: Node) -> dict[str, list[bool]]:
        """Return per found entity the truth of each condition."""
        params: list[object] = []
        columns = ["id"]
        for node in nodes:
            flag = compile_flag(node, 1 + len(params))
            params += flag.params
            columns.append(flag.sql)
        found = compile_where(where, 1 + len(params))
        sql = f"SELECT {', '.join(columns)} FROM entities e WHERE {found.sql}"  # noqa: S608
        rows = self.run(self.conn.fetch(sql, *params, *found.params))
        return {row["id"]: list(row)[1:] for row in rows}

    def plan(self, node: Node, rest: str = "") -> str:
        """Return the plan of finding the entities."""
        found = compile_where(node)
        sql = f"EXPLAIN SELECT id FROM entities e WHERE {found.sql} {rest}"  # noqa: S608
        rows = self.run(self.conn.fetch(sql, *found.params))
        return "\n".join(row[0] for row in rows)
