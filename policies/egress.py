"""Outbound calls: only to addresses that `broker.core.egress` permits, checked at each connection."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import aiohttp

from broker.core.egress import Ranges, permitted, refusal

__all__ = ["guard", "session"]


def guard(allowed: Ranges) -> Callable[[Any], socket.socket]:
    """Make aiohttp's socket factory that refuses (PermissionError) to connect to an address that may not be called."""

    def factory(addr_info: Any) -> socket.socket:
        family, kind, proto, _, address = addr_info
        if not permitted(address[0], allowed):
            raise PermissionError(errno.EACCES, refusal(address[0]))
        made = socket.socket(family=family, type=kind, proto=proto)
        made.setblocking(False)
        return made

    return factory


def session(allowed: Ranges, timeout_s: float) -> aiohttp.ClientSession:
    """Open an HTTP client whose every connection is checked and whose every call ends within `timeout_s`."""
    connector = aiohttp.TCPConnector(socket_factory=guard(allowed))
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout_s))
