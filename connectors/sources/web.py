"""One way to ask the web: bounded in time and size, no redirects, permitted addresses only, unchanged answers known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from connectors.egress import CheckedResolver, check_literal
from connectors.errors import FeedError, Unreachable
from connectors.settings import Network

__all__ = ["Answer", "Web"]

_BLOCK = 65_536
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is new, a name for it, and what to remember to know it again."""

    body: bytes
    name: str
    known: dict[str, Any]


class Web:
    """A client of some pages. Use as an async context."""

    def __init__(
        self, allow: Sequence[Network], timeout_s: float, max_bytes: int, headers: Mapping[str, str] | None = None
    ) -> None:
        for value in (headers or {}).values():
            if "${" in value:
                raise FeedError(f"source.headers: {value}: the variable is not set")
        self._allow = allow
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._max_bytes = max_bytes
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Web:
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(self._allow), limit=2)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def check(self, url: str) -> str:
        """Refuse a URL with an unset variable or a barred address. FeedError."""
        if "${" in url:
            raise FeedError(f"source.url: {url}: the variable is not set")
        check_literal(url, self._allow)
        return url

    async def ask(self, url: str, known: Mapping[str, Any], *, post: str | None = None) -> Answer | None:
        """Get a page; None where it is as `known` says. Unreachable where there is no answer that can be used."""
        if self._session is None:
            raise RuntimeError("a Web is used as an async context")
        headers = {}
        if known.get("etag"):
            headers["If-None-Match"] = known["etag"]
        if known.get("modified"):
            headers["If-Modified-Since"] = known["modified"]
        method = "GET" if post is None else "POST"
        try:
            async with self._session.request(method, url, data=post, headers=headers, allow_redirects=False) as answer:
                if answer.status == 304:
                    return None
                if answer.status != 200:
                    raise _refused(url, answer)
                body = await self._read(url, answer)
                etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{url}: {type(error).__name__}: {error.__cause__ or error}") from error
        digest = hashlib.sha256(body).hexdigest()
        if digest == known.get("sha256"):
            return None
        name = urlsplit(url).path.rsplit("/", 1)[-1] or "answer"
        return Answer(body, f"{name}@{digest[:12]}", {"etag": etag, "modified": modified, "sha256": digest})

    async def _read(self, url: str, answer: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for block in answer.content.iter_chunked(_BLOCK):
            size += len(block)
            if size > self._max_bytes:
                raise Unreachable(f"{url}: the answer exceeds source.max_bytes {self._max_bytes}")
            parts.append(block)
        return b"".join(parts)


def _refused(url: str, answer: aiohttp.ClientResponse) -> Unreachable:
    where = f" to {answer.headers['Location']}" if "Location" in answer.headers else ""
    told = _wait_s(answer.headers.get("Retry-After")) if answer.status in {429, 503} else None
    later = f"; it asks to wait {told:g} s" if told else "; set source.url to what serves it"
    return Unreachable(f"{url} answered {answer.status}{where}{later}", retry_s=told)


def _wait_s(value: str | None) -> float | None:
    """Read Retry-After: seconds or a date; at most an hour."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_S)
