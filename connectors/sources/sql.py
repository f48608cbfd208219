"""SQL tables and views by high-water mark: PostgreSQL, MariaDB and MySQL, and SQLite files.

The place is the last row's (mark, id), remembered after Kafka has the batch, so a kill repeats a batch and loses none.
"""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import orjson

from connectors.egress import check_host
from connectors.errors import FeedError, Unreachable
from connectors.settings import Network
from connectors.sources import mysql
from connectors.sources.payload import Payload
from connectors.specs.closed import revealed
from connectors.specs.systems import SqlSource

__all__ = ["SqlPoll"]

Batch = tuple[list[bytes], dict[str, Any]]


class SqlPoll:
    """Yields batches of new rows as JSON arrays."""

    def __init__(self, spec: SqlSource, allow: Sequence[Network]) -> None:
        self._spec = spec
        self._allow = allow
        self._dsn = revealed(spec.dsn)
        scheme = urlsplit(self._dsn).scheme
        if scheme not in {"postgresql", "postgres", "sqlite"} | mysql.SCHEMES:
            raise FeedError(f"source.dsn: begins with {scheme!r}; it is postgresql://.., mysql://.. or sqlite:///path")
        self._batches = self._postgres_batches
        if scheme == "sqlite":
            self._batches = self._lite_batches
        elif scheme in mysql.SCHEMES:
            self._batches = self._mysql_batches

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload, None]:
        """Yield rows beyond `place` ({mark, id}); raises Unreachable where the database does not answer."""
        while True:
            try:
                async for rows, after in self._batches(place):
                    yield Payload(self._spec.table, io.BytesIO(b"[" + b",".join(rows) + b"]"), after)
            except (asyncpg.PostgresError, sqlite3.Error, *mysql.ERRORS, OSError, TimeoutError) as error:
                raise Unreachable(f"{self._spec.table}: {type(error).__name__}: {error}") from error
            await asyncio.sleep(self._spec.every)

    async def _postgres_batches(self, place: dict[str, Any]) -> AsyncIterator[Batch]:
        host, port = urlsplit(self._dsn).hostname or "localhost", urlsplit(self._dsn).port or 5432
        await check_host(host, port, self._allow)
        conn = await asyncpg.connect(
            self._dsn, timeout=self._spec.timeout, command_timeout=self._spec.timeout,
            server_settings={"default_transaction_read_only": "on", "application_name": "datapolis-connectors"},
        )  # fmt: skip
        try:
            statement = await self._statement(conn)
            while True:
                arguments = [place.get("mark"), place.get("id")]
                if self._spec.lag:
                    arguments.append(_until(self._spec.lag).isoformat())
                found = await conn.fetch(statement, *arguments)
                if not found:
                    return
                last = found[-1]
                yield [row["record"].encode() for row in found], {"mark": last["mark"], "id": last["tie"]}
                if len(found) < self._spec.batch:
                    return
        finally:
            await conn.close(timeout=5)

    async def _statement(self, conn: asyncpg.Connection[asyncpg.Record]) -> str:
        """Write the query; marks travel as text and are cast to their columns' types, whatever these are."""
        spec = self._spec
        rows = await conn.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) AS kind FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped", _quoted(spec.table),
        )  # fmt: skip
        kinds = {row["attname"]: row["kind"] for row in rows}
        _known(spec, kinds)
        mark, tie = f'r."{spec.mark}"', f'r."{spec.id}"'
        names = ", ".join(f'"{name}"' for name in _columns(spec, kinds))
        lag = f" AND {mark} <= $3::text::{kinds[spec.mark]}" if spec.lag else ""
        return (  # identifiers are checked against the catalogue, values are arguments
            f"SELECT row_to_json(r)::text AS record, {mark}::text AS mark, {tie}::text AS tie "  # noqa: S608
            f"FROM (SELECT {names} FROM {_quoted(spec.table)}) AS r WHERE ($1::text IS NULL OR "
            f"({mark}, {tie}) > ($1::text::{kinds[spec.mark]}, $2::text::{kinds[spec.id]})){lag} "
            f"ORDER BY {mark}, {tie} LIMIT {spec.batch}"
        )

    async def _mysql_batches(self, place: dict[str, Any]) -> AsyncIterator[Batch]:
        host, port = urlsplit(self._dsn).hostname or "localhost", urlsplit(self._dsn).port or mysql.PORT
        await check_host(host, port, self._allow)
        while True:
            rows, after = await asyncio.to_thread(mysql.read_batch, self._spec, self._dsn, dict(place))
            if rows:
                yield rows, after
            if len(rows) < self._spec.batch:
                return

    async def _lite_batches(self, place: dict[str, Any]) -> AsyncIterator[Batch]:
        while True:
            rows, after = await asyncio.to_thread(self._lite_batch, dict(place))
            if rows:
                yield rows, after
            if len(rows) < self._spec.batch:
                return

    def _lite_batch(self, place: dict[str, Any]) -> Batch:
        spec = self._spec
        path = Path(urlsplit(self._dsn).path)
        conn = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=spec.timeout)
        try:
            kinds = {row[1]: row[2] for row in conn.execute(f"PRAGMA table_info({_quoted(spec.table)})")}
            _known(spec, kinds)
            names = _columns(spec, kinds)
            where, arguments = [], []
            if "mark" in place:
                where.append(f'("{spec.mark}", "{spec.id}") > (?, ?)')
                arguments += [place["mark"], place["id"]]
            if spec.lag:
                where.append(f'"{spec.mark}" <= ?')
                arguments.append(_until(spec.lag).strftime("%Y-%m-%d %H:%M:%S"))
            condition = f" WHERE {' AND '.join(where)}" if where else ""
            found = conn.execute(
                f"SELECT {', '.join(_quoted(name) for name in names)} FROM {_quoted(spec.table)}{condition} "  # noqa: S608
                f'ORDER BY "{spec.mark}", "{spec.id}" LIMIT {spec.batch}',
                arguments,
            ).fetchall()
        finally:
            conn.close()
        records = [dict(zip(names, row, strict=True)) for row in found]
        after = {"mark": records[-1][spec.mark], "id": records[-1][spec.id]} if records else {}
        return [orjson.dumps(one, default=_bytes) for one in records], after


def _known(spec: SqlSource, kinds: dict[str, str]) -> None:
    if not kinds:
        raise FeedError(f"source.table: {spec.table}: there is no such table or view, or it may not be read")
    missing = [name for name in (spec.mark, spec.id, *spec.columns) if name not in kinds]
    if missing:
        raise FeedError(f"source: {spec.table} has no column {missing[0]!r}; there are {', '.join(sorted(kinds))}")


def _columns(spec: SqlSource, kinds: dict[str, str]) -> list[str]:
    return list(dict.fromkeys([*(spec.columns or kinds), spec.mark, spec.id]))


def _quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def _until(lag_s: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=lag_s)


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError
