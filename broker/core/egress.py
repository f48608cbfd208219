"""Which addresses the platform may call: public ones, and the private ranges that the operator admits.

One rule for every outbound call, checked on the address that is about to be connected, so that a name which resolves to
another address between check and use changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

__all__ = ["Ranges", "permitted", "ranges", "refusal"]

Ranges: TypeAlias = Sequence[IPv4Network | IPv6Network]


def ranges(text: str) -> Ranges:
    """Parse comma-separated CIDRs (`DATAPOLIS_EGRESS_ALLOW`); ValueError names the wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def permitted(address: str, allowed: Ranges) -> bool:
    """Say whether an IP address may be called; an IPv4 address written as IPv6 counts as what it is."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    return ip.is_global and not ip.is_multicast


def refusal(address: str) -> str:
    """The sentence that tells why an address is not called."""
    return f"{address} is not a public address and DATAPOLIS_EGRESS_ALLOW does not admit it"
