"""GBFS by discovery: gbfs.json says where the files are, each file's `ttl` says when it may have changed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson

from connectors.errors import Unreachable
from connectors.settings import Network
from connectors.sources.payload import Payload
from connectors.sources.web import Web
from connectors.specs.sources import GbfsSource

__all__ = ["GbfsPoll", "files_of"]

_LONGEST_S = 3600.0


class GbfsPoll:
    """Yields each file of the wanted ones when its bytes have changed; the payload's name begins with the file's."""

    def __init__(self, spec: GbfsSource, allow: Sequence[Network]) -> None:
        self._spec = spec
        self._web = Web(allow, spec.timeout, spec.max_bytes, spec.headers)
        self._web.check(spec.url)

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload, None]:
        """Yield files; `place` maps a file's name to {etag, modified, sha256}."""
        clock = asyncio.get_running_loop().time
        due: dict[str, float] = {}
        urls: dict[str, str] = {}
        looked = 0.0
        async with self._web:
            while True:
                if not urls or clock() >= looked:
                    urls = await self._discover()
                    looked = clock() + _LONGEST_S
                for name, url in urls.items():
                    if clock() < due.get(name, 0.0):
                        continue
                    answer = await self._web.ask(self._web.check(url), place.get(name, {}))
                    due[name] = clock() + self._spec.every
                    if answer is not None:
                        due[name] = clock() + max(self._spec.every, _ttl(answer.body))
                        label = f"{name}@{answer.known['sha256'][:12]}"
                        yield Payload(label, io.BytesIO(answer.body), {name: answer.known})
                await asyncio.sleep(max(0.05, min(due.values(), default=0.0) - clock()))

    async def _discover(self) -> dict[str, str]:
        answer = await self._web.ask(self._spec.url, {})
        if answer is None:
            raise Unreachable(f"{self._spec.url}: gave no discovery file")
        found = files_of(answer.body, self._spec.language)
        missing = [name for name in self._spec.files if name not in found]
        if missing:
            raise Unreachable(
                f"{self._spec.url}: has no {', '.join(missing)}; there are {', '.join(sorted(found)) or 'none'}"
            )
        return {name: found[name] for name in self._spec.files}


def files_of(body: bytes, language: str | None) -> dict[str, str]:
    """Read a discovery file: file name to URL. Versions 1 and 2 list the files by language, version 3 once."""
    try:
        data = orjson.loads(body)["data"]
        listed = data.get("feeds")
        if listed is None:
            listed = data.get(language or "", next(iter(data.values())))["feeds"]
        return {str(one["name"]): str(one["url"]) for one in listed}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise Unreachable("the answer is no GBFS discovery file (gbfs.json); is source.url right?") from error


def _ttl(body: bytes) -> float:
    try:
        found = orjson.loads(body).get("ttl", 0)
    except (orjson.JSONDecodeError, AttributeError):
        return 0.0
    return min(float(found), _LONGEST_S) if isinstance(found, int | float) else 0.0
