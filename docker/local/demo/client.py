"""HTTP as the demo's people use it: a token, a purpose, and the receipt that every answer carries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from docker.local.console import Trouble

__all__ = ["Answer", "City", "until"]

T = TypeVar("T")
_TIMEOUT = aiohttp.ClientTimeout(total=20)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the platform. `receipt` is the caller's proof of the audit record."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def receipt(self) -> str:
        """The audit receipt, `<id>:<commitment>`."""
        return self.headers.get("datapolis-audit", "")

    @property
    def count(self) -> int:
        """The value of NGSILD-Results-Count."""
        return int(self.headers.get("ngsild-results-count", "-1"))


@dataclass(slots=True)
class City:
    """The running platform: where its doors are, and a session to knock at them."""

    broker: str
    catalog: str
    http: aiohttp.ClientSession

    async def ask(
        self,
        url: str,
        token: str | None = None,
        purpose: str | None = None,
        *,
        method: str = "GET",
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer; JSON bodies are parsed."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if purpose:
            sent["Data-Purpose"] = purpose
        try:
            async with self.http.request(method, url, json=json, headers=sent, timeout=_TIMEOUT) as response:
                kind = response.headers.get("Content-Type", "")
                body = await response.json(content_type=None) if "json" in kind else await response.text()
                return Answer(response.status, body, {name.lower(): value for name, value in response.headers.items()})
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Trouble(
                f"{url} does not answer: {type(error).__name__}.", "Is the stack up? See `make status`."
            ) from error


async def until(what: str, probe: Callable[[], Awaitable[T | None]], timeout_s: float, every_s: float = 0.5) -> T:
    """Ask again until `probe` gives something; Trouble with what was waited for when it does not come in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await probe()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise Trouble(
                f"Waited {timeout_s:.0f} s in vain for this: {what}.",
                "Look at the processes with `make status` and at their logs in .local/main/logs.",
            )
        await asyncio.sleep(every_s)
