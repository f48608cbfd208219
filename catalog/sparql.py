"""Read-only SPARQL over the catalog, by an existing engine (Oxigraph), in a process of its own.

A query may take as long as it likes there, but its process is ended when the time is up. It has bounded memory, no data
but the catalog's, which is public, and it can open neither file nor socket, so that SERVICE and LOAD reach nothing.
`python -m catalog.sparql` is that process: frames of a length and JSON.
"""

from __future__ import annotations

import asyncio
import re
import resource
import struct
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import orjson
import pyoxigraph

__all__ = ["Engine", "QueryError", "QueryTimeout"]

_MEMORY = 2 * 1024**3
_FRAME = struct.Struct(">I")
_MOST = 32 * 1024 * 1024
_FORMS = {
    "application/sparql-results+json": pyoxigraph.QueryResultsFormat.JSON,
    "application/sparql-results+xml": pyoxigraph.QueryResultsFormat.XML,
    "text/csv": pyoxigraph.QueryResultsFormat.CSV,
    "text/tab-separated-values": pyoxigraph.QueryResultsFormat.TSV,
}
_GRAPH_FORMS = {
    "text/turtle": pyoxigraph.RdfFormat.TURTLE,
    "application/n-triples": pyoxigraph.RdfFormat.N_TRIPLES,
    "application/rdf+xml": pyoxigraph.RdfFormat.RDF_XML,
}
_SERVICE = re.compile(r"\bSERVICE\s*(SILENT\b)?\s*[<?$\w]", re.IGNORECASE)


class QueryError(ValueError):
    """The query is not right, or not allowed here; the text says why."""


class QueryTimeout(Exception):
    """The query took longer than it may."""


class Engine:
    """One engine process; it is started at the first query and anew after one that had to be ended."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._loaded: object = None
        self._lock = asyncio.Lock()

    async def query(self, text: str, accept: str, mark: object, turtle: bytes) -> tuple[str, bytes]:
        """The media type and body of the answer, over the graph `turtle`, which is loaded when `mark` is another one
        than before. Raises QueryError or QueryTimeout."""
        if _SERVICE.search(text):  # said early and plainly; that nothing can be called is the process's own doing
            raise QueryError("SERVICE is not available here: the catalog asks no other endpoint on your behalf")
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout_s * 4):
                    if self._process is None or self._process.returncode is not None:
                        self._process, self._loaded = await self._start(), None
                    if self._loaded != mark:
                        await self._ask({"load": turtle.decode()})
                        self._loaded = mark
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._ask({"query": text, "accept": accept})
            except (TimeoutError, asyncio.IncompleteReadError, BrokenPipeError, ConnectionError) as error:
                await self._end()
                raise QueryTimeout(f"the query took more than {self._timeout_s:g} s or too much memory") from error
            except asyncio.CancelledError:
                await self._end()
                raise
        if "error" in answer:
            raise QueryError(answer["error"])
        return answer["media"], answer["body"].encode()

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "catalog.sparql",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        )

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin and self._process.stdout  # noqa: S101, PT018
        data = orjson.dumps(message)
        self._process.stdin.write(_FRAME.pack(len(data)) + data)
        await self._process.stdin.drain()
        (size,) = _FRAME.unpack(await self._process.stdout.readexactly(_FRAME.size))
        answer: dict[str, Any] = orjson.loads(await self._process.stdout.readexactly(size))
        return answer

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def main() -> None:
    """Answer frames from standard input until it ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    store = pyoxigraph.Store()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # no file and no socket can be opened from here on
    while (message := _read(source)) is not None:
        if "load" in message:
            store = pyoxigraph.Store()
            store.load(message["load"].encode(), pyoxigraph.RdfFormat.TURTLE)
            answer: dict[str, Any] = {}
        else:
            answer = _answer(store, message["query"], message["accept"])
        data = orjson.dumps(answer)
        sink.write(_FRAME.pack(len(data)) + data)
        sink.flush()


def _read(source: BinaryIO) -> dict[str, Any] | None:
    head = source.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    found: dict[str, Any] = orjson.loads(source.read(_FRAME.unpack(head)[0]))
    return found


def _answer(store: pyoxigraph.Store, text: str, accept: str) -> dict[str, Any]:
    try:
        results = store.query(text)
        if isinstance(results, pyoxigraph.QueryTriples):
            media = accept if accept in _GRAPH_FORMS else "text/turtle"
            body = results.serialize(format=_GRAPH_FORMS[media])
        else:
            media = accept if accept in _FORMS else "application/sparql-results+json"
            body = results.serialize(format=_FORMS[media])
    except (SyntaxError, ValueError, RuntimeError, OSError) as error:
        return {"error": str(error)}
    found = bytes(body or b"")
    if len(found) > _MOST:
        return {"error": f"the answer has over {_MOST} bytes; use LIMIT"}
    return {"media": media, "body": found.decode()}


if __name__ == "__main__":
    main()
