"""HTTP polling: one URL whose answer changes, its further pages, or windows of time that follow each other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import orjson

from connectors.errors import FeedError, Rejected, Unreachable
from connectors.expression import guarded
from connectors.feed import HttpSource
from connectors.settings import Network
from connectors.sources.payload import Payload
from connectors.sources.web import Answer, Web
from connectors.specs.sources import Window

__all__ = ["HttpPoll", "Unreachable"]


class HttpPoll:
    """Yields each new answer of a URL; raises Unreachable when there is none, and the supervisor backs off."""

    def __init__(self, spec: HttpSource, allow: Sequence[Network]) -> None:
        self._spec = spec
        self._web = Web(allow, spec.timeout, spec.max_bytes, spec.headers)
        self._web.check(spec.url)
        self._next = guarded(spec.next, "source.next") if spec.next else None

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload, None]:
        """Yield answers whose bytes differ from the last; `place` is {etag, modified, sha256}, or {window}."""
        async with self._web:
            while True:
                began = asyncio.get_running_loop().time()
                if self._spec.window is not None:
                    async for payload in self._windows(self._spec.window, place):
                        yield payload
                else:
                    answer = await self._web.ask(self._spec.url, place, post=self._body())
                    if answer is not None:
                        async for payload in self._pages(answer, self._spec.url, answer.known):
                            yield payload
                spent = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.0, self._spec.every - spent))

    async def _pages(self, answer: Answer, url: str, place: dict[str, Any]) -> AsyncIterator[Payload]:
        """Yield a first page and those it leads to; only the last carries the place, so that a stop begins anew."""
        for _ in range(self._spec.max_pages):
            following = self._following(answer, url)
            yield Payload(answer.name, io.BytesIO(answer.body), place if following is None else {})
            if following is None:
                return
            found = await self._web.ask(following, {})
            if found is None:
                return
            answer, url = found, following
        raise Unreachable(f"{self._spec.url}: more than source.max_pages {self._spec.max_pages} pages")

    def _following(self, answer: Answer, url: str) -> str | None:
        if self._next is None:
            return None
        try:
            found = self._next(orjson.loads(answer.body))
        except (orjson.JSONDecodeError, Rejected):
            return None  # what the page is worth, its decoder tells
        if not isinstance(found, str) or not found:
            return None
        whole = urljoin(url, found)
        if urlsplit(whole)[:2] != urlsplit(self._spec.url)[:2]:
            raise Unreachable(f"{url}: its next page {whole} is on another server; headers and trust end there")
        return self._web.check(whole)

    async def _windows(self, window: Window, place: dict[str, Any]) -> AsyncIterator[Payload]:
        """Yield the windows from the last one's end up to now; each is asked for again until it was taken whole."""
        while True:
            end = datetime.now(UTC) - timedelta(seconds=window.delay)
            known = place.get("window")
            since = datetime.fromisoformat(known) if known else _since(window, end)
            if since >= end:
                return
            until = min(since + timedelta(seconds=window.span), end)
            url = _asked(self._spec.url, window, since - timedelta(seconds=window.overlap), until)
            answer = await self._web.ask(url, {})
            if answer is None:
                return
            async for payload in self._pages(answer, url, {"window": until.isoformat()}):
                yield payload

    def _body(self) -> str | None:
        post = self._spec.post
        return None if post is None else post.replace("{now}", datetime.now(UTC).isoformat(timespec="seconds"))


def _since(window: Window, now: datetime) -> datetime:
    if window.begin is None:
        return now - timedelta(seconds=window.span)
    begin = window.begin
    if begin.tzinfo is None:
        raise FeedError("source.window.begin: has no offset; write it as 2026-01-01T00:00:00Z")
    return begin


def _asked(url: str, window: Window, since: datetime, until: datetime) -> str:
    scheme, host, path, query, _ = urlsplit(url)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    for name, instant in ((window.since, since), (window.until, until)):
        if name:
            asked[name] = instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return urlunsplit((scheme, host, path, urlencode(asked), ""))
