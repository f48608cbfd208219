"""Outbound calls: only to public addresses, or to the private ranges that the city admits.

The check is made on the address that is about to be connected, so a name that resolves to another address between
check and use changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import aiohttp

__all__ = ["session"]

Ranges = Sequence[IPv4Network | IPv6Network]


def _guard(allowed: Ranges) -> Callable[[Any], socket.socket]:
    def factory(addr_info: Any) -> socket.socket:
        family, kind, proto, _, address = addr_info
        ip = ip_address(address[0])
        if not ip.is_global and not any(ip in net for net in allowed):
            raise PermissionError(f"{ip} is not a public address and DATAPOLIS_EGRESS_ALLOW does not admit it")
        sock = socket.socket(family=family, type=kind, proto=proto)
        sock.setblocking(False)
        return sock

    return factory


def session(allowed: Ranges, timeout_s: float) -> aiohttp.ClientSession:
    """Open an HTTP client whose every connection is checked and whose every call ends within `timeout_s`."""
    connector = aiohttp.TCPConnector(socket_factory=_guard(allowed))
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout_s))
