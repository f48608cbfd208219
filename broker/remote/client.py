"""Calls to the outside: every connection is checked, every call ends in time.

The check is made on the address about to be connected, so that a name which resolves to another address between check
and use changes nothing. Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from broker.core.egress import Ranges
from policies.egress import guard

__all__ = ["Answer", "Client"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered; `status` None: none came, for the reason in `error`."""

    status: int | None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


class Client:
    """An HTTP client for receivers. `allowed`: private ranges that may be called."""

    def __init__(self, allowed: Ranges, *, timeout_s: float = 5.0, connections: int = 512) -> None:
        self._timeout_s = timeout_s
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, limit_per_host=64, socket_factory=guard(allowed)),
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
