"""Resolve a request's @context (CIM 009 V1.9.1, 5.5.5, 5.5.7, 5.5.10, 6.3.5).

Theory of operation. A @context is a URL, an object of terms, or an array of these. `Contexts.resolve` fetches what it
names, flattens everything to plain term maps in order, drops the core @contexts among them (ours comes last, always)
and builds an `Active`, which is kept by its content: two requests that say the same thing share one.

Core and built-in contexts come from `ontologies`; the city's own are given at construction. Others are fetched by the
session that the process hands in, which refuses private addresses (also after a redirect, since it checks each
connection), and kept in the durable `Storage`, so that a restart with the network off still knows them. Requests for a
URL that is being fetched wait for that fetch.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson

from broker.core.errors import BadRequestData, LdContextNotAvailable
from broker.ld.active import Active, content_hash
from ontologies import load

__all__ = ["MAX_BYTES", "MAX_PARTS", "Contexts", "Storage", "link_context"]

MAX_BYTES: Final = 1_000_000
MAX_PARTS: Final = 64
_MAX_INLINE_BYTES: Final = 1_000_000
_MAX_ACTIVE: Final = 64
_MAX_SOURCES: Final = 512
_MAX_COUNTED: Final = 4096
_MAX_REDIRECTS: Final = 5
_LINK_REL: Final = "http://www.w3.org/ns/json-ld#context"
_LIVES_S: Final = 86_400.0
"""How long a fetched context is fresh where its server does not say (5.13.1)."""

_RETRY_S: Final = 60.0
_REFUSED_KEYWORDS: Final = ("@import", "@propagate")


class Storage(Protocol):
    """Where fetched contexts are kept."""

    async def load_context(self, url: str) -> tuple[bytes, bool] | None:
        """Return the document stored for this URL, None if there is none.

        The flag says that it is stale: to be fetched again, and to serve while that fails.
        """

    async def store_context(self, url: str, body: bytes, lives_s: float) -> None:
        """Keep the document of this URL, in the place of what was there, fresh for so many seconds."""


class _Budget:
    """Bounds the parts of one @context, and so ends one that includes itself."""

    def __init__(self) -> None:
        self.left = MAX_PARTS

    def spend(self) -> None:
        """Count a part."""
        self.left -= 1
        if self.left < 0:
            raise BadRequestData(f"@context: more than {MAX_PARTS} parts (does it include itself?)")


class Contexts:
    """Resolves and remembers @contexts; one per process."""

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        storage: Storage | None = None,
        local: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        """`session` is to check every address it connects to; None: nothing is fetched. `local`: URL to document."""
        self._session = session
        self._storage = storage
        self._timeout_s = timeout_s
        self._documents: dict[str, Any] = dict(local or {})
        self._pending: dict[str, asyncio.Task[Any]] = {}
        self._by_source: OrderedDict[bytes, Active] = OrderedDict()
        self._by_content: OrderedDict[str, Active] = OrderedDict()
        self.core = Active()
        self.used: Counter[str] = Counter()
        """How often each URL was named by a request since somebody last took the counts (5.13.3.5)."""

    def known(self, source: Any) -> Active | None:
        """Return the active context of a source that was resolved before, without waiting; None if it was not."""
        if source is None:
            return self.core
        key = _source_key(source)
        found = self._by_source.get(key)
        if found is not None:
            self._by_source.move_to_end(key)
        return found

    async def resolve(self, source: Any) -> Active:
        """Return the active context of a @context as the request gave it (None: the core alone).

        Raises BadRequestData if it is no @context, LdContextNotAvailable if a document cannot be had.
        """
        if source is None:
            return self.core
        key = _source_key(source)
        found = self._by_source.get(key)
        if found is not None:
            self._by_source.move_to_end(key)
            self._use(source)
            return found
        flat: list[dict[str, Any]] = []
        await self._flatten(source, "", flat, _Budget())
        content = content_hash(flat)
        same = self._by_content.get(content)
        found = Active(flat, source) if same is None else same.under(source)
        _remember(self._by_content, content, found, _MAX_ACTIVE)
        _remember(self._by_source, key, found, _MAX_SOURCES)
        self._use(source)
        return found

    def _use(self, source: Any) -> None:
        """Count a use of the URLs in a @context."""
        if len(self.used) > _MAX_COUNTED:
            self.used.clear()
        self.used.update(one for one in (source if isinstance(source, list) else (source,)) if isinstance(one, str))

    def forget(self, url: str) -> None:
        """Forget a document that has changed, and every context that may have been built with it."""
        self._documents.pop(url, None)
        self._by_source.clear()
        self.used.pop(url, None)

    def check(self, source: Any) -> None:
        """Check a @context that is to be stored, without fetching what it names. BadRequestData if it is none."""
        _source_key(source)
        Active(_inline(source))

    async def reload(self, url: str) -> None:
        """Fetch a document anew and put it in the place of the stored one (5.13.5.4).

        Raises LdContextNotAvailable, and leaves the stored one, if it cannot be had or is no @context.
        """
        body, lives_s = await self._fetch(url)
        try:
            self.check(_context_of(body, url))
        except BadRequestData as error:
            raise LdContextNotAvailable(f"@context {url}: {error.detail}") from error
        if self._storage is not None:
            await self._storage.store_context(url, body, lives_s)
        self.forget(url)

    async def _flatten(self, source: Any, base: str, flat: list[dict[str, Any]], budget: _Budget) -> None:
        """Add the term maps of a @context to `flat`, in order; relative URLs are read against `base`."""
        budget.spend()
        if isinstance(source, str):
            url = urljoin(base, source) if base else source
            if url not in _CORE_URLS:
                await self._flatten(await self._document(url), url, flat, budget)
        elif isinstance(source, list):
            for one in source:
                await self._flatten(one, base, flat, budget)
        elif isinstance(source, dict):
            flat.append(_terms(source))
        elif source is not None:
            raise BadRequestData(f"@context: {source!r:.60} is neither a URL nor an object nor an array of these")

    async def _document(self, url: str) -> Any:
        """Return the @context of the document at a URL: built in, known, stored, or fetched."""
        if url in load.contexts():
            return load.context(url)["@context"]
        if url in self._documents:
            return self._documents[url]
        if "\0" in url:
            raise BadRequestData("@context: a URL with the character U+0000")
        task = self._pending.get(url)
        if task is None:
            task = asyncio.create_task(self._obtain(url))
            self._pending[url] = task
            task.add_done_callback(lambda _: self._pending.pop(url, None))
        return await asyncio.shield(task)

    async def _obtain(self, url: str) -> Any:
        stored = await self._storage.load_context(url) if self._storage else None
        if stored is not None and not stored[1]:
            context = _context_of(stored[0], url)
        else:
            try:
                body, lives_s = await self._fetch(url)
                context = _context_of(body, url)
            except (LdContextNotAvailable, BadRequestData):
                if stored is None:
                    raise
                body, lives_s = stored[0], _RETRY_S
                context = _context_of(body, url)
            if self._storage is not None:
                await self._storage.store_context(url, body, lives_s)
        if len(self._documents) >= _MAX_SOURCES:
            self._documents.clear()
        self._documents[url] = context
        return context

    async def _fetch(self, url: str) -> tuple[bytes, float]:
        """Fetch a document; return it with the seconds for which it is fresh."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise BadRequestData(f"@context: {url!r:.200} is not an http or https URL")
        if self._session is None:
            raise LdContextNotAvailable(f"@context {url}: not stored here, and this process fetches none")
        try:
            async with self._session.get(
                url,
                headers={"Accept": "application/ld+json, application/json;q=0.9"},
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                max_redirects=_MAX_REDIRECTS,
            ) as answer:
                if answer.status != 200:
                    raise LdContextNotAvailable(f"@context {url}: answered {answer.status}, 200 is needed")
                lives_s = _fresh_s(answer.headers)
                body = await answer.content.read(MAX_BYTES + 1)
                while len(body) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES + 1 - len(body))):
                    body += more
        except TimeoutError as error:
            raise LdContextNotAvailable(f"@context {url}: no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            raise LdContextNotAvailable(f"@context {url}: cannot be fetched ({reason})") from error
        if len(body) > MAX_BYTES:
            raise LdContextNotAvailable(f"@context {url}: longer than {MAX_BYTES} bytes")
        return body, lives_s


_CORE_URLS: Final = frozenset(url for url in load.contexts() if "uri.etsi.org/ngsi-ld" in url)


def link_context(values: list[str]) -> str | None:
    """Return the URL that `Link` headers give as JSON-LD context (6.3.5), None if none does; two are BadRequestData."""
    found: list[str] = []
    for value in values:
        for part in _link_parts(value):
            url, *parameters = part
            rels = {name: text for name, _, text in (one.partition("=") for one in parameters)}
            if _LINK_REL in rels.get("rel", "").strip('"').split():
                found.append(url)
    if len(found) > 1:
        raise BadRequestData("Link: more than one JSON-LD @context")
    return found[0] if found else None


def _link_parts(value: str) -> list[list[str]]:
    """Split a Link header into links: target, then parameters. What is no link is BadRequestData."""
    links: list[list[str]] = []
    rest = value.strip()
    while rest:
        end = rest.find(">")
        if not rest.startswith("<") or end < 0:
            raise BadRequestData(f"Link: {value!r:.120} is no Link header")
        link = [rest[1:end]]
        rest = rest[end + 1 :]
        quoted, start = False, 0
        at = 0
        for at, char in enumerate(rest):
            if char == '"':
                quoted = not quoted
            elif not quoted and char == ";":
                link.append(rest[start:at].strip())
                start = at + 1
            elif not quoted and char == ",":
                break
        else:
            at = len(rest)
        link.append(rest[start:at].strip())
        links.append([link[0], *filter(None, link[1:])])
        rest = rest[at + 1 :].strip()
    return links


def _fresh_s(headers: Mapping[str, str]) -> float:
    """Return for how long an answer is fresh, by its Cache-Control or Expires (RFC 9111), at least a second."""
    for directive in headers.get("Cache-Control", "").lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name in ("no-store", "no-cache"):
            return 1.0
        if name == "max-age" and value.strip('"').isdigit():
            return float(max(1, min(int(value.strip('"')), 10**8)))
    if "Expires" in headers:
        try:
            left = (parsedate_to_datetime(headers["Expires"]) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 1.0
        return max(1.0, min(left, 1e8))
    return _LIVES_S


def _inline(source: Any) -> list[dict[str, Any]]:
    """Return the term maps that a @context has in itself, checked."""
    if isinstance(source, dict):
        return [_terms(source)]
    if isinstance(source, list):
        return [terms for one in source for terms in _inline(one)]
    if isinstance(source, str) or source is None:
        return []
    raise BadRequestData(f"@context: {source!r:.60} is neither a URL nor an object nor an array of these")


def _terms(source: dict[str, Any]) -> dict[str, Any]:
    """Check one term map of a user's @context and free it of what could bind the core's terms (5.5.7)."""
    if "@context" in source:
        raise BadRequestData("@context: an object with @context inside a @context; give its content, or an array")
    for keyword in _REFUSED_KEYWORDS:
        if keyword in source:
            raise BadRequestData(f"@context: {keyword} is not taken in a user @context")
    found: dict[str, Any] = {}
    for name, definition in source.items():
        if name == "@protected":
            continue
        if isinstance(definition, dict):
            if "@context" in definition:
                raise BadRequestData(f"@context: the term {name!r:.60} has a scoped context, which 5.5.7 bars")
            definition = {key: value for key, value in definition.items() if key != "@protected"}
        found[name] = definition
    return found


def _context_of(body: bytes, url: str) -> Any:
    """Return the @context member of a context document."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise BadRequestData(f"@context {url}: not JSON ({error})") from error
    if not isinstance(document, dict) or "@context" not in document:
        raise BadRequestData(f"@context {url}: a JSON object with a member @context is needed")
    return document["@context"]


def _source_key(source: Any) -> bytes:
    if isinstance(source, str):
        return source.encode()
    try:
        key = orjson.dumps(source)
    except TypeError as error:
        raise BadRequestData("@context: not JSON") from error
    if len(key) > _MAX_INLINE_BYTES:
        raise BadRequestData(f"@context: longer than {_MAX_INLINE_BYTES} bytes")
    return key


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
