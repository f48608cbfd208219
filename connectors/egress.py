"""Which addresses a connector may call: public ones, and what the operator admits (`DATAPOLIS_EGRESS_ALLOW`)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from broker.core.egress import Ranges, permitted
from connectors.errors import FeedError

__all__ = ["CheckedResolver", "check_host", "check_literal"]


def check_literal(url: str, allow: Ranges) -> None:
    """Refuse a URL whose host is itself a barred IP address; names are checked when they resolve."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not permitted(host, allow):
        raise FeedError(f"{url}: the address {host} is not public; admit its network with DATAPOLIS_EGRESS_ALLOW")


async def check_host(host: str, port: int, allow: Ranges) -> None:
    """Refuse a host that a feed names, for protocols whose clients resolve by themselves. FeedError if it is barred."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FeedError(f"{host}: cannot be resolved: {error}") from error
    barred = sorted({str(item[4][0]) for item in found if not permitted(str(item[4][0]), allow)})
    if barred:
        raise FeedError(f"{host}: the address {barred[0]} is not public; admit its network with DATAPOLIS_EGRESS_ALLOW")


class CheckedResolver(AbstractResolver):
    """Resolve names, keeping only permitted addresses, at the time of the call (so that no second look-up differs)."""

    def __init__(self, allow: Ranges) -> None:
        self._allow = allow
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve `host`; OSError if no address of it may be called."""
        found = await self._inner.resolve(host, port, family)
        kept = [item for item in found if permitted(item["host"], self._allow)]
        if not kept:
            raise OSError(f"{host}: resolves to no public address; admit its network with DATAPOLIS_EGRESS_ALLOW")
        return kept

    async def close(self) -> None:
        """Release the resolver."""
        await self._inner.close()
