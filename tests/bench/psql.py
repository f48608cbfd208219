"""psql as the yardstick of writes: COPY of ready rows into temporary tables, then one merge into the engine's tables.

The temporary tables compress as the tables do, so that nothing is compressed twice or more thoroughly on the way.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from broker.core import change as change_event
from broker.core import patch, times
from broker.core.entity import LOCATION

__all__ = ["SCHEMA", "TEMPORARY", "Rows", "Session", "merge"]

SCHEMA: Final = "t_" + hashlib.sha256(b"default").hexdigest()[:16]

_MERGE: Final = f"""
BEGIN;
SET LOCAL search_path = {SCHEMA}, public;
TRUNCATE pg_temp.e, pg_temp.t, pg_temp.o, pg_temp.h;
\\copy pg_temp.e FROM '{{folder}}/e'
\\copy pg_temp.t FROM '{{folder}}/t'
\\copy pg_temp.o FROM '{{folder}}/o'
INSERT INTO entities AS x SELECT id, types, scopes, names, segs, vals, ST_GeomFromEWKB(location), meta, created_at,
    modified_at, expires_at, version FROM pg_temp.e
ON CONFLICT (id) DO UPDATE SET types = excluded.types, names = excluded.names, segs = excluded.segs,
    vals = excluded.vals, location = coalesce(excluded.location, x.location), meta = excluded.meta,
    modified_at = excluded.modified_at, version = excluded.version;
INSERT INTO entity_type SELECT * FROM pg_temp.t ON CONFLICT DO NOTHING;
INSERT INTO broker.outbox (tenant, entity, payload) SELECT * FROM pg_temp.o;
{{history}}
COMMIT;
\\echo done
"""  # noqa: S608 - our own schema name
_HISTORY = r"""
\copy pg_temp.h FROM '{folder}/h'
INSERT INTO history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body)
SELECT * FROM pg_temp.h ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE
SET received_at = excluded.received_at, event = excluded.event, kind = excluded.kind, body = excluded.body
WHERE (excluded.received_at, excluded.event) >= (h.received_at, h.event);
"""
TEMPORARY: Final = f"""
SET synchronous_commit = on;
SET default_toast_compression = lz4;
CREATE TEMP TABLE e (id text, types text[], scopes text[], names text[], segs text[], vals jsonb, location bytea,
    meta jsonb, created_at timestamptz, modified_at timestamptz, expires_at timestamptz, version bigint)
    WITH (toast_tuple_target = 4080);
CREATE TEMP TABLE t (type text, id text);
CREATE TEMP TABLE o (tenant text, entity text, payload text);
CREATE TEMP TABLE h (entity text, attr text, dataset_id text, observed_at timestamptz, received_at timestamptz,
    event text, kind text, body text);
GRANT ALL ON e, t, o, h TO {SCHEMA};
\\echo done
"""


class Rows:
    """The rows that changes come to, as COPY files: the engine's own, worked out by its pure function."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {"e": [], "t": [], "o": [], "h": []}

    def add(
        self, entity_id: str, results: Sequence[patch.Result], now: datetime, cause: str, row: patch.Row | None
    ) -> None:
        """Add an entity: the row that its changes have come to, all their events and history."""
        if row is None:
            raise RuntimeError("the engine stores nothing")
        location = next((one.geo[LOCATION] for one in reversed(results) if LOCATION in one.geo), None)
        self._files["e"].append(
            _line(
                row.id, _array(row.types), None, _array(row.names), _array(row.segs), orjson.dumps(row.vals).decode(),
                None if location is None else "\\x" + location.hex(), orjson.dumps(row.meta).decode(),
                row.created_at.isoformat(), row.modified_at.isoformat(), None, str(row.version),
            )
        )  # fmt: skip
        self._files["t"].extend(_line(one, row.id) for one in row.types)
        for one in results:
            if one.op is not None:
                event = change_event.payload(
                    "default", entity_id, row.types, one.version, times.of(now), one.op, one.attrs, cause
                )
                self._files["o"].append(_line("default", entity_id, event.decode()))
        self._files["h"].extend(
            _line(one.entity, one.attr, one.dataset_id, one.observed_at, one.received_at, one.event, one.kind, one.body)
            for one in patch.distinct([one for result in results for one in result.history])
        )

    def write(self, folder: Path) -> None:
        """Write the files."""
        for name, lines in self._files.items():
            (folder / name).write_text("".join(lines))


def merge(folder: Path | str, *, history: bool) -> str:
    """Write the script that copies and merges what `Rows` wrote into the folder."""
    return _MERGE.replace("{history}", _HISTORY if history else "").replace("{folder}", str(folder))


class Session:
    """One open psql session."""

    def __init__(self, dsn: str) -> None:
        self._process = subprocess.Popen(
            [shutil.which("psql") or "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str) -> None:
        """Run a script that ends by echoing `done`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("psql has no pipes")
        self._process.stdin.write(script)
        self._process.stdin.flush()
        while (line := self._process.stdout.readline().strip()) != "done":
            if self._process.poll() is not None or not line:
                raise RuntimeError(f"psql ended: {line}")

    def close(self) -> None:
        """End the session."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _array(items: Sequence[str]) -> str:
    return "{" + ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in items) + "}"


def _line(*values: str | None) -> str:
    shown = (
        "\\N" if one is None else one.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for one in values
    )
    return "\t".join(shown) + "\n"
