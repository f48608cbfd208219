"""What row 4 is measured against: the same page, read from the same rows, parsed, renamed and written anew."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import orjson
from starlette.types import Receive, Scope, Send

from tests.bench.buses import SCHEMA

__all__ = ["app"]

_TYPE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
_SQL = f"""
SELECT e.id, e.types, e.names, e.segs FROM {SCHEMA}.entity_type t JOIN {SCHEMA}.entities e ON e.id = t.id
WHERE t.type = $1 ORDER BY t.id LIMIT 100
"""  # noqa: S608 - our own names
_made: list[asyncpg.Pool] = []
_making = asyncio.Lock()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a page of 100."""
    if scope["type"] != "http":
        return
    async with _making:
        if not _made:
            dsn = os.environ["DATAPOLIS_DSN_BROKER"]
            _made.append(await asyncpg.create_pool(dsn, min_size=4, max_size=8, server_settings={"role": SCHEMA}))
    rows = await _made[0].fetch(_SQL, _TYPE)
    page = []
    for row in rows:
        entity = {"id": row["id"], "type": [one.rpartition("/")[2] for one in row["types"]]}
        for name, segment in zip(row["names"], row["segs"], strict=True):
            entity[name.rpartition("/")[2]] = orjson.loads(segment)
        page.append(entity)
    body = orjson.dumps(page)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
