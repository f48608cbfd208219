"""MariaDB and MySQL tables and views by high-water mark: one batch of rows beyond the last (mark, id).

Read-only transactions in UTC; identifiers are checked against the catalogue, values are arguments. A TIMESTAMP is an
instant and says so; a DATETIME has no zone, and the mapping gives it one. Blocking: call it in a thread.
"""

from __future__ import annotations

import ssl
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pymysql
import pymysql.cursors

from connectors.errors import FeedError
from connectors.specs.systems import SqlSource

__all__ = ["ERRORS", "PORT", "SCHEMES", "read_batch"]

SCHEMES = frozenset({"mysql", "mariadb"})
PORT = 3306
ERRORS = (pymysql.MySQLError,)
_CASTS = {"decimal": "DECIMAL(65,30)", "datetime": "DATETIME(6)", "timestamp": "DATETIME(6)", "date": "DATE"}


def read_batch(spec: SqlSource, dsn: str, place: dict[str, Any]) -> tuple[list[bytes], dict[str, Any]]:
    """Return the next rows as JSON, and the place after them; no rows where nothing is new."""
    conn = _connection(spec, dsn)
    try:
        with conn.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute("START TRANSACTION READ ONLY")
            kinds = _kinds(cursor, spec)
            text, arguments = _statement(spec, kinds, place)
            cursor.execute(text, arguments)
            found: list[dict[str, Any]] = list(cursor.fetchall())
    finally:
        conn.close()
    rows = [orjson.dumps({name: _json(value, kinds[name]) for name, value in row.items()}) for row in found]
    after = {"mark": _place(found[-1][spec.mark]), "id": _place(found[-1][spec.id])} if found else {}
    return rows, after


def _connection(spec: SqlSource, dsn: str) -> pymysql.Connection[pymysql.cursors.DictCursor]:
    parts = urlsplit(dsn)
    return pymysql.connect(
        host=parts.hostname or "localhost",
        port=parts.port or PORT,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
        charset="utf8mb4",
        connect_timeout=max(1, int(spec.timeout)),
        read_timeout=max(1, int(spec.timeout)),
        cursorclass=pymysql.cursors.DictCursor,
        program_name="datapolis-connectors",
        ssl=ssl.create_default_context() if "tls=true" in parts.query.split("&") else None,
    )


def _kinds(cursor: pymysql.cursors.DictCursor, spec: SqlSource) -> dict[str, str]:
    schema, _, table = spec.table.rpartition(".")
    cursor.execute(
        "SELECT column_name AS name, data_type AS kind FROM information_schema.columns "
        "WHERE table_schema = coalesce(%s, database()) AND table_name = %s",
        (schema or None, table),
    )
    kinds = {row["name"]: row["kind"].lower() for row in cursor.fetchall()}
    if not kinds:
        raise FeedError(f"source.table: {spec.table}: there is no such table or view, or it may not be read")
    missing = [name for name in (spec.mark, spec.id, *spec.columns) if name not in kinds]
    if missing:
        raise FeedError(f"source: {spec.table} has no column {missing[0]!r}; there are {', '.join(sorted(kinds))}")
    return kinds


def _statement(spec: SqlSource, kinds: dict[str, str], place: dict[str, Any]) -> tuple[str, list[Any]]:
    names = dict.fromkeys([*(spec.columns or kinds), spec.mark, spec.id])
    where, arguments = ["TRUE"], list[Any]()
    if "mark" in place:
        mark, tie = _argument(kinds[spec.mark]), _argument(kinds[spec.id])
        where.append(f"(`{spec.mark}` > {mark} OR (`{spec.mark}` = {mark} AND `{spec.id}` > {tie}))")
        arguments += [place["mark"], place["mark"], place["id"]]
    if spec.lag:
        where.append(f"`{spec.mark}` <= %s")
        arguments.append((datetime.now(UTC) - timedelta(seconds=spec.lag)).strftime("%Y-%m-%d %H:%M:%S.%f"))
    listed = ", ".join(_quoted(name) for name in names)
    table = ".".join(_quoted(part) for part in spec.table.split("."))
    return (
        f"SELECT {listed} FROM {table} WHERE {' AND '.join(where)} "  # noqa: S608 - names from the catalogue
        f"ORDER BY `{spec.mark}`, `{spec.id}` LIMIT {spec.batch}",
        arguments,
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _argument(kind: str) -> str:
    """A place travels as JSON; what is text there is compared as its column's own type."""
    return f"CAST(%s AS {_CASTS[kind]})" if kind in _CASTS else "%s"


def _place(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, bytes):
        raise FeedError("source: a mark or id of bytes cannot be kept; name a column of numbers, text or times")
    return value if isinstance(value, int | float | str) else str(value)


def _json(value: Any, kind: str) -> Any:
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if kind == "timestamp" else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if kind == "json" and isinstance(value, str):
        return orjson.loads(value)
    return value
