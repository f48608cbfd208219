"""Who this context source is (CIM 009 V1.9.1, 5.15.1, 5.2.40)."""

from __future__ import annotations

import hashlib
from datetime import timedelta

__all__ = ["alias", "duration", "source_id"]


def alias(url: str, tenant: str) -> str:
    """Return the pseudonym (RFC 7230, 5.7.1) of a tenant of the broker at a URL: every worker gives the same."""
    return f"datapolis-{_digest(url, tenant)}"


def source_id(url: str, tenant: str) -> str:
    """Return the URI of a tenant of the broker at a URL."""
    return f"urn:ngsi-ld:ContextSource:{_digest(url, tenant)}"


def duration(passed: timedelta) -> str:
    """Write a duration in whole seconds as ISO 8601 has it, such as P1DT2H3M4S."""
    minutes, seconds = divmod(passed.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{passed.days}D" if passed.days else ""
    parts = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    clock = "".join(f"{number}{unit}" for number, unit in parts if number)
    if not days and not clock:
        return "PT0S"
    return f"P{days}{'T' + clock if clock else ''}"


def _digest(url: str, tenant: str) -> str:
    return hashlib.sha256(f"{url.rstrip('/')}\0{tenant}".encode()).hexdigest()[:16]
