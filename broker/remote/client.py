"""Calls to the outside: every connection is checked, every call ends in time.

The check is made on the address about to be connected, so that a name which resolves to another address between check
and use changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

import aiohttp

__all__ = ["Answer", "Client", "Ranges", "ranges"]

Ranges: TypeAlias = Sequence[IPv4Network | IPv6Network]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered; `status` None: none came, for the reason in `error`."""

    status: int | None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def ranges(text: str) -> Ranges:
    """Parse comma-separated CIDRs; ValueError names the wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Client:
    """An HTTP client for receivers. `allowed`: private ranges that may be called."""

    def __init__(self, allowed: Ranges, *, timeout_s: float = 5.0, connections: int = 512) -> None:
        self._timeout_s = timeout_s
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, limit_per_host=64, socket_factory=_guard(allowed)),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self.session.close()

    async def post(self, uri: str, body: bytes, headers: Mapping[str, str], timeout_s: float | None = None) -> Answer:
        """POST and return what came of it; never raises for what the receiver does."""
        timeout = aiohttp.ClientTimeout(total=min(timeout_s or self._timeout_s, self._timeout_s))
        try:
            async with self.session.post(
                uri, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return Answer(response.status, None if response.status < 300 else f"HTTP {response.status}")
        except TimeoutError:
            return Answer(None, f"no answer within {timeout.total} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:300])


def _guard(allowed: Ranges) -> Callable[[Any], socket.socket]:
    def factory(address_info: Any) -> socket.socket:
        family, kind, proto, _, address = address_info
        ip = ip_address(address[0].partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if (not ip.is_global or ip.is_multicast) and not any(ip in net for net in allowed):
            reason = f"{ip} is not a public address and DATAPOLIS_EGRESS_ALLOW does not admit it"
            raise PermissionError(errno.EACCES, reason)
        made = socket.socket(family=family, type=kind, proto=proto)
        made.setblocking(False)
        return made

    return factory
