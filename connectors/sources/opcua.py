"""OPC UA by subscription. asyncua is an optional extra (`datapolis[opcua]`, LGPL-3.0).

While `in_flight` changes wait for Kafka, the server is asked to publish no more: it keeps up to `queue` changes of each
variable meanwhile, as OPC UA foresees.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from connectors.egress import check_host
from connectors.errors import FeedError, Unreachable
from connectors.settings import Network
from connectors.sources.payload import Messages, Payload
from connectors.specs.closed import revealed
from connectors.specs.systems import OpcUaSource

try:
    from asyncua import ua
    from asyncua.client.client import Client
    from asyncua.ua.uaerrors import UaError
except ImportError:  # the extra is not installed
    Client = None  # type: ignore[assignment, misc]  # refused by name when used

__all__ = ["OpcUaSubscription", "plain"]

_TOGETHER = 500
_LOOK_S = 5.0
_DEEPEST = 20


class _Handler:
    def __init__(self, names: dict[str, str], most: int) -> None:
        self._names = names
        self._most = most
        self._held = False
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.subscription: Any = None
        self.lost = False

    async def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """Take one change, and stop the server where too many wait."""
        told = data.monitored_item.Value
        label = node.nodeid.to_string()
        self.queue.put_nowait(
            orjson.dumps(
                {
                    "node": label,
                    "name": self._names.get(label, label),
                    "value": plain(value),
                    "status": told.StatusCode.name if told.StatusCode is not None else "Good",
                    "source_time": _time(told.SourceTimestamp),
                    "server_time": _time(told.ServerTimestamp),
                },
                option=orjson.OPT_NON_STR_KEYS,
            )
        )

        if self.queue.qsize() >= self._most and not self._held and self.subscription is not None:
            self._held = True
            await self.subscription.set_publishing_mode(False)

    async def release(self) -> None:
        """Let the server publish again once there is room."""
        if self._held and self.queue.qsize() <= self._most // 2:
            self._held = False
            await self.subscription.set_publishing_mode(True)

    def status_change_notification(self, status: Any) -> None:
        """Note that the server ended the subscription."""
        self.lost = True


class OpcUaSubscription:
    """Yields changes, those that wait together."""

    def __init__(self, spec: OpcUaSource, allow: Sequence[Network]) -> None:
        if Client is None:
            raise FeedError("source.kind: opcua needs the extra `opcua`: pip install 'datapolis[opcua]'")
        if "${" in spec.url:
            raise FeedError(f"source.url: {spec.url}: the variable is not set")
        self._spec = spec
        self._allow = allow
        self._password = revealed(spec.password) if spec.password else None

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Messages, None]:
        """Yield changes from now on, each variable's present value first; Unreachable where the server goes away."""
        where = urlsplit(self._spec.url)
        await check_host(where.hostname or "", where.port or 4840, self._allow)
        client = Client(self._spec.url, timeout=self._spec.timeout)
        if self._spec.username is not None:
            client.set_user(self._spec.username)
            client.set_password(self._password or "")
        try:
            async with client:
                async for messages in self._changes(client):
                    yield messages
        except (UaError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Unreachable(f"{self._spec.url}: {type(error).__name__}: {error}") from error

    async def _changes(self, client: Any) -> AsyncIterator[Messages]:
        names = await self._variables(client)
        handler = _Handler(names, self._spec.in_flight)
        queue = handler.queue
        subscription = handler.subscription = await client.create_subscription(self._spec.interval * 1000, handler)
        nodes = [client.get_node(label) for label in names]
        results = await subscription.subscribe_data_change(nodes, queuesize=self._spec.queue)
        refused = [node for node, one in zip(nodes, results, strict=True) if not isinstance(one, int)]
        if refused:
            raise FeedError(f"source.nodes: the server refuses to watch {refused[0].nodeid.to_string()}")
        while True:
            try:
                batch = [await asyncio.wait_for(queue.get(), _LOOK_S)]
            except TimeoutError:
                await client.check_connection()
                if handler.lost:
                    raise Unreachable(f"{self._spec.url}: the server ended the subscription") from None
                continue
            while not queue.empty() and len(batch) < _TOGETHER:
                batch.append(queue.get_nowait())
            yield Messages(tuple(Payload("opcua", io.BytesIO(one)) for one in batch), handler.release)

    async def _variables(self, client: Any) -> dict[str, str]:
        """Find what to watch: node id (as text) to name."""
        found = {client.get_node(label).nodeid.to_string(): name for name, label in self._spec.nodes.items()}
        for root in self._spec.browse:
            await self._browse(client.get_node(root), found, 0)
        if not found:
            raise FeedError(f"source.browse: {', '.join(self._spec.browse)}: there are no variables below")
        return found

    async def _browse(self, node: Any, found: dict[str, str], depth: int) -> None:
        if depth > _DEEPEST:
            return
        for child in await node.get_children():
            kind = await child.read_node_class()
            label = child.nodeid.to_string()
            if kind == ua.NodeClass.Variable and label not in found:
                found[label] = (await child.read_browse_name()).Name or label
                if len(found) > self._spec.max_nodes:
                    raise FeedError(f"source.browse: more than source.max_nodes {self._spec.max_nodes} variables")
            if kind == ua.NodeClass.Object:
                await self._browse(child, found, depth + 1)


def plain(value: Any) -> Any:
    """Turn an OPC UA value into JSON's kinds; structures become their fields, bytes hexadecimal."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case datetime():
            return _time(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [plain(one) for one in value]
        case ua.LocalizedText():
            return value.Text
        case ua.QualifiedName():
            return value.Name
        case ua.NodeId():
            return value.to_string()
    fields = getattr(value, "__dict__", None)
    if fields:
        return {name: plain(one) for name, one in fields.items() if not name.startswith("_")}
    return str(value)


def _time(value: datetime | None) -> str | None:
    if value is None:
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
