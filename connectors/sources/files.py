"""Files: one, those of a glob pattern, or one inside an installed package; watched for growth and change."""

from __future__ import annotations

import asyncio
import glob
import hashlib
import importlib.util
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from connectors.errors import FeedError
from connectors.feed import FileSource
from connectors.sources.payload import Payload

__all__ = ["FileWatch", "locate"]

_HEAD = 65_536
_SETTLED_S = 1.0  # a file written to within the last second may end inside a row
_PACKAGE = "package://"


def locate(path: str) -> str:
    """Turn `package://name/inner/path` into a file's path; FeedError if the package is not installed."""
    if "${" in path:
        raise FeedError(f"source.path: {path}: the variable is not set")
    if not path.startswith(_PACKAGE):
        return path
    name, _, inner = path.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FeedError(f"source.path: {path}: package {name} is not installed; uv add {name}")
    return str(Path(spec.origin).parent / inner)


class FileWatch:
    """Yields each file once; a file that grew from where it was left, a changed one (other head) from its start."""

    def __init__(self, spec: FileSource) -> None:
        self._spec = spec
        self._pattern = locate(spec.path)

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload, None]:
        """Yield files that have something new; `place` maps a path to {rows, size, mtime, head}."""
        while True:
            for path in self._found():
                payload = self._payload(path, place)
                if payload is not None:
                    with payload.stream:
                        yield payload
            await asyncio.sleep(self._spec.every)

    def _found(self) -> list[Path]:
        return [Path(name) for name in sorted(glob.glob(self._pattern))]

    def _payload(self, path: Path, place: dict[str, Any]) -> Payload | None:
        status = path.stat()
        if time.time() - status.st_mtime < _SETTLED_S:
            return None
        before = place.get(str(path), {})
        if (status.st_size, status.st_mtime_ns) == (before.get("size"), before.get("mtime")) and before.get("done"):
            return None
        if status.st_size > self._spec.max_bytes:
            raise FeedError(f"{path}: {status.st_size} bytes, more than source.max_bytes {self._spec.max_bytes}")
        stream = path.open("rb")
        first = min(_HEAD, before.get("size", _HEAD), status.st_size)
        head = hashlib.sha256(stream.read(first)).hexdigest()
        same = before.get("head") == head and status.st_size >= before.get("size", 0)
        if before and not same:
            stream.seek(0)
            head = hashlib.sha256(stream.read(_HEAD)).hexdigest()
        stream.seek(0)
        skip = int(before.get("rows", 0)) if same else 0
        entry = {"size": status.st_size, "mtime": status.st_mtime_ns, "head": head, "rows": skip}
        return Payload(path.name, stream, {**place, str(path): entry}, skip, entry=str(path))
