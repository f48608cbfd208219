"""HTTP polling: conditional requests, a bound on time and size, no redirects, permitted addresses only."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from connectors.egress import CheckedResolver, check_literal
from connectors.errors import FeedError
from connectors.feed import HttpSource
from connectors.settings import Network
from connectors.sources.payload import Payload

__all__ = ["HttpPoll", "Unreachable"]

_BLOCK = 65_536


class Unreachable(Exception):
    """The source did not give an answer that could be used; the text says why."""


class HttpPoll:
    """Yields each new answer of a URL; raises Unreachable when there is none, and the supervisor backs off."""

    def __init__(self, spec: HttpSource, allow: Sequence[Network]) -> None:
        if "${" in spec.url:
            raise FeedError(f"source.url: {spec.url}: the variable is not set")
        check_literal(spec.url, allow)
        self._spec = spec
        self._allow = allow

    async def payloads(self, place: dict[str, Any]) -> AsyncIterator[Payload]:
        """Yield answers whose bytes differ from the last; `place` is {etag, modified, sha256}."""
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(self._allow), limit=2)
        timeout = aiohttp.ClientTimeout(total=self._spec.timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._spec.headers) as session:
            while True:
                began = asyncio.get_running_loop().time()
                payload = await self._ask(session, place)
                if payload is not None:
                    yield payload
                spent = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.0, self._spec.every - spent))

    async def _ask(self, session: aiohttp.ClientSession, known: dict[str, Any]) -> Payload | None:
        headers = {}
        if known.get("etag"):
            headers["If-None-Match"] = known["etag"]
        if known.get("modified"):
            headers["If-Modified-Since"] = known["modified"]
        try:
            async with session.get(self._spec.url, headers=headers, allow_redirects=False) as answer:
                if answer.status == 304:
                    return None
                if answer.status != 200:
                    where = f" to {answer.headers['Location']}" if "Location" in answer.headers else ""
                    raise Unreachable(
                        f"{self._spec.url} answered {answer.status}{where}; set source.url to what serves it"
                    )
                body = await self._read(answer)
                etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self._spec.url}: {type(error).__name__}: {error.__cause__ or error}") from error
        digest = hashlib.sha256(body).hexdigest()
        if digest == known.get("sha256"):
            return None
        name = urlsplit(self._spec.url).path.rsplit("/", 1)[-1] or "answer"
        place = {"etag": etag, "modified": modified, "sha256": digest}
        return Payload(f"{name}@{digest[:12]}", io.BytesIO(body), place)

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for block in answer.content.iter_chunked(_BLOCK):
            size += len(block)
            if size > self._spec.max_bytes:
                raise Unreachable(f"{self._spec.url}: the answer exceeds source.max_bytes {self._spec.max_bytes}")
            parts.append(block)
        return b"".join(parts)
