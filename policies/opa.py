"""The policy engine: OPA's answers over HTTP and the heartbeat that says it is alive with our rules loaded."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from opa_client.errors import PolicyNotFoundError  # type: ignore[import-untyped]  # the library ships no types
from opa_client.opa_async import AsyncOpaClient  # type: ignore[import-untyped]  # it ships no types

from policies.decision import EngineUnavailable

__all__ = ["RULES", "Engine"]

RULES = 1
"""The version of the rules that this code understands: `data.datapolis.version`."""

_FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError, PolicyNotFoundError)


class Engine:
    """One OPA, spoken to through its client library."""

    def __init__(self, url: str, timeout_s: float, every_s: float) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise ValueError(f"DATAPOLIS_OPA_URL must be http(s)://host:port, not {url!r}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.url = url
        self._client = AsyncOpaClient(
            host=parts.hostname, port=port, ssl=parts.scheme == "https", retries=0, timeout=timeout_s
        )
        self._every_s = every_s
        self._open = False
        self.seen_at = float("-inf")
        """Monotonic time at which the last heartbeat that succeeded was begun."""

    async def beat(self) -> None:
        """Ask OPA for the version of its rules; raises EngineUnavailable if it is away or has other rules."""
        begun = time.monotonic()
        try:
            await self._ready()
            answer = await self._client.get_data("datapolis/version")
        except _FAILURES as error:
            raise EngineUnavailable(f"OPA at {self.url} does not answer: {type(error).__name__}") from error
        if answer.get("result") != RULES:
            raise EngineUnavailable(f"OPA at {self.url} has not loaded version {RULES} of the rules in policies/rego")
        self.seen_at = begun

    async def run(self) -> None:
        """Beat until cancelled; while OPA is away `seen_at` simply grows old."""
        while True:
            with suppress(EngineUnavailable):
                await self.beat()
            await asyncio.sleep(self._every_s)

    async def ask(self, document: dict[str, Any]) -> dict[str, Any]:
        """Evaluate `data.datapolis.decision` on the input document."""
        begun = time.monotonic()
        try:
            await self._ready()
            answer = await self._client.query_rule(document, "datapolis", "decision")
        except _FAILURES as error:
            raise EngineUnavailable(f"OPA at {self.url} gave no decision: {type(error).__name__}") from error
        result = answer.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("allow"), bool):
            raise EngineUnavailable(f"OPA at {self.url} gave no decision: the rules are not loaded")
        self.seen_at = max(self.seen_at, begun)
        return result

    async def rule(self, document: dict[str, Any]) -> dict[str, Any]:
        """Evaluate `data.datapolis.stewardship.ruling` on the input document."""
        begun = time.monotonic()
        try:
            await self._ready()
            answer = await self._client.query_rule(document, "datapolis/stewardship", "ruling")
        except _FAILURES as error:
            raise EngineUnavailable(f"OPA at {self.url} gave no ruling: {type(error).__name__}") from error
        result = answer.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("allow"), bool):
            raise EngineUnavailable(f"OPA at {self.url} gave no ruling: the rules are not loaded")
        self.seen_at = max(self.seen_at, begun)
        return result

    async def close(self) -> None:
        """Close the client's connections."""
        if self._open:
            self._open = False
            await self._client.close_connection()

    async def _ready(self) -> None:
        if not self._open:
            await self._client.__aenter__()
            self._open = True
