"""oneM2M: subscribe to containers of a CSE, take their latest instances, then what the CSE notifies.

Requests are bound to HTTP by TS-0009. The subscription has a name of its own in each container, so a restart finds it.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiohttp

from connectors.egress import CheckedResolver, check_literal
from connectors.errors import FeedError, Unreachable
from connectors.receive.inbox import Inbox, PushDoor
from connectors.settings import Network
from connectors.sources.payload import Messages, Payload
from connectors.specs.systems import OneM2MSource

__all__ = ["OneM2MSubscription"]

_SUBSCRIPTION = 23


class OneM2MSubscription:
    """Yields each container's latest instance, then notifications as they come through the feed's door."""

    def __init__(self, feed: str, spec: OneM2MSource, allow: Sequence[Network], inbox: Inbox) -> None:
        for url in (spec.url, spec.notify):
            if "${" in url:
                raise FeedError(f"source: {url}: the variable is not set")
        check_literal(spec.url, allow)
        self._feed, self._spec, self._allow = feed, spec, allow
        self._door = PushDoor(feed, spec.waiting, inbox)

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload | Messages, None]:
        """Open the door first: the CSE verifies it while the subscription is made."""
        door = self._door.open()
        try:
            for body in await self._begun():
                yield Payload("latest", io.BytesIO(body))
            while True:
                yield await door.messages()
        finally:
            self._door.close()

    async def _begun(self) -> list[bytes]:
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(self._allow))
        timeout = aiohttp.ClientTimeout(total=self._spec.timeout)
        latest: list[bytes] = []
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                for container in self._spec.containers:
                    await self._subscribe(session, container)
                    if self._spec.latest:
                        status, body = await self._request(session, "GET", f"{container}/la")
                        latest += [body] if status == 200 else []
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self._spec.url}: {type(error).__name__}: {error}") from error
        return latest

    async def _subscribe(self, session: aiohttp.ClientSession, container: str) -> None:
        resource = {
            "m2m:sub": {
                "rn": f"datapolis-{self._feed}",
                "nu": [self._spec.notify],
                "enc": {"net": [3]},
                "nct": 1,
            }
        }
        status, body = await self._request(session, "POST", container, resource)
        if status not in {201, 409}:
            raise Unreachable(f"{self._spec.url}/{container}: the CSE refused the subscription ({status}): "
                              f"{body[:200].decode(errors='replace')}")  # fmt: skip

    async def _request(
        self, session: aiohttp.ClientSession, method: str, path: str, resource: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        headers = {
            "X-M2M-Origin": self._spec.originator,
            "X-M2M-RI": uuid.uuid4().hex,
            "X-M2M-RVI": self._spec.release,
            "Accept": "application/json",
        }
        if resource is not None:
            headers["Content-Type"] = f"application/json;ty={_SUBSCRIPTION}"
        url = f"{self._spec.url.rstrip('/')}/{path.strip('/')}"
        async with session.request(method, url, json=resource, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.content.read(self._spec.max_bytes)
