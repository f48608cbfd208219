"""Writes and subscriptions of the oracle over HTTP, and what they come to in the store and at the receivers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from broker.core.patch import Change as StoreChange
from broker.store.ledger import balance
from broker.store.write import apply
from tests.fixtures.broker import Answer
from tests.fixtures.governed import DEFAULT_SCHEMA
from tests.fixtures.sink import Sink
from tests.oracle.changes import Change, Item, Subscription, plain
from tests.oracle.governed import Stage
from tests.oracle.heard import lists
from tests.oracle.law import Caller, Entity, World
from tests.oracle.request import DENIED
from tests.oracle.speech import NS, full, query_text
from tests.oracle.worlds import parties

__all__ = ["close", "open_", "received", "state", "subscribe", "write"]

_VERDICTS = {401: DENIED, 403: DENIED, 404: ("missing",), 409: ("conflict",)}
_SENT = {
    "create": ("POST", "/entities"),
    "append": ("POST", "/entities/{id}/attrs"),
    "update": ("PATCH", "/entities/{id}/attrs"),
    "partial": ("PATCH", "/entities/{id}/attrs/{attr}"),
    "put": ("PUT", "/entities/{id}/attrs/{attr}"),
    "drop": ("DELETE", "/entities/{id}/attrs/{attr}"),
    "merge": ("PATCH", "/entities/{id}"),
    "replace": ("PUT", "/entities/{id}"),
    "delete": ("DELETE", "/entities/{id}"),
}
_WITNESS = "urn:ngsi-ld:E:witness"


async def write(stage: Stage, change: Change) -> tuple[str, Any]:
    """Send a write; what was sent, and the answer in the oracle's terms."""
    method, path, body = _request(change)
    given = await stage.governed.api.call(method, path, body, stage.headers(change.caller))
    return f"{method} {path} {json.dumps(body)} as {change.caller}", _read(change, given)


def _request(change: Change) -> tuple[str, str, Any]:
    if change.batch:
        ids = [one.entity for one in change.items]
        body = ids if change.kind == "delete" else [_body(one, whole=True) for one in change.items]
        return "POST", f"/entityOperations/{change.kind}", body
    (item,) = change.items
    method, path = _SENT[change.kind]
    attr, value = item.values[0] if item.values else ("", None)
    path = path.format(id=item.entity, attr=attr)
    if change.kind in ("drop", "delete"):
        return method, path, None
    if change.kind in ("partial", "put"):
        return method, path, {"value": value} | ({"type": "Property"} if change.kind == "put" else {})
    return method, path, _body(item, whole=change.kind in ("create", "replace"))


def _body(item: Item, *, whole: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"id": item.entity, "type": list(item.types)} if whole else {}
    return found | {name: {"type": "Property", "value": value} for name, value in item.values}


def _read(change: Change, given: Answer) -> Any:
    if given.status in _VERDICTS:
        return _VERDICTS[given.status]
    if given.status not in (201, 204, 207):
        return ("status", given.status, given.body.decode())
    if not change.batch:
        return ("done",)
    if given.status != 207:
        return sorted(one.entity for one in change.items), []
    errors = [(one["entityId"], _VERDICTS.get(one["error"]["status"], one["error"])) for one in given.json["errors"]]
    return sorted(given.json["success"]), sorted(errors)


# ---- the store


async def state(stage: Stage, ids: Sequence[str]) -> dict[str, Any]:
    """Read entities as they stand."""
    async with stage.governed.pool.lend(DEFAULT_SCHEMA) as conn:
        rows = await conn.fetch("SELECT id, types, scopes, names, segs FROM entities WHERE id = ANY($1)", list(ids))
    found: dict[str, Any] = {}
    for name, types, scopes, names, segs in rows:
        entity: Entity = {"id": name, "type": [_short(one) for one in types], "scope": scopes or ()}
        entity |= {_short(attr): _instance(json.loads(seg)) for attr, seg in zip(names, segs, strict=True)}
        found[name] = plain(entity)
    return found


def _short(name: str) -> str:
    return name.removeprefix(NS) if name.startswith(NS) else name.rpartition("/")[2]


def _instance(value: Any) -> Any:
    if isinstance(value, list):
        return [_instance(one) for one in value]
    return {_short(name) if name.startswith("http") else name: one for name, one in value.items()}


# ---- subscriptions


async def subscribe(stage: Stage, sink: Sink, wanted: Subscription) -> bool:
    """Subscribe; say whether the caller may."""
    endpoint = {"uri": f"{sink.url}/{wanted.name}"}
    body: dict[str, Any] = {"id": wanted.name, "type": "Subscription"}
    body["entities"] = [
        {"type": kind} | ({"idPattern": pattern} if pattern is not None else {}) for kind, pattern in wanted.selectors
    ]
    body["notification"] = {"endpoint": endpoint} | ({"attributes": list(wanted.shown)} if wanted.shown else {})
    body |= {"q": query_text(wanted.q)} if wanted.q is not None else {}
    body |= {"watchedAttributes": list(wanted.watched)} if wanted.watched else {}
    given = await stage.governed.api.call("POST", "/subscriptions", body, stage.headers(wanted.caller))
    if given.status not in (201, 403):
        raise AssertionError(f"{given.status} {given.body!r}: {json.dumps(body)}")
    return given.status == 201


def _witness(world: World) -> Subscription:
    caller = Caller(parties(world.number)[-1], "vendor", (), None)
    return Subscription(f"urn:ngsi-ld:Subscription:{world.number}-witness", caller, (("W", None),))


async def open_(stage: Stage, sink: Sink, world: World, wanted: Sequence[Subscription]) -> set[str]:
    """Enter subscriptions, and that of the witness; give the names of those that their callers may have."""
    if not await subscribe(stage, sink, _witness(world)):
        raise AssertionError("the witness may not subscribe")
    return {one.name for one in wanted if await subscribe(stage, sink, one)}


async def close(stage: Stage, sink: Sink, world: World, wanted: Sequence[Subscription]) -> None:
    """Wait until everything is told, and end the subscriptions. All changes are in one partition, the witness last."""
    doc = {"id": _WITNESS, "type": [full("W")], full("b"): {"type": "Property", "value": True}}
    async with stage.governed.pool.tx(DEFAULT_SCHEMA) as conn:
        await apply(conn, "default", [StoreChange("create", _WITNESS, doc)], datetime.now(UTC))
    await sink.until(1, f"/{_witness(world).name}", within_s=60)
    async with asyncio.timeout(60), stage.governed.pool.lend(None) as conn:
        while (await balance(conn)).waiting:  # noqa: ASYNC110 - a database is watched
            await asyncio.sleep(0.02)
    for one in (*wanted, _witness(world)):
        given = await stage.governed.api.call("DELETE", f"/subscriptions/{one.name}", None, stage.headers(one.caller))
        if given.status not in (204, 403, 404):
            raise AssertionError(f"{given.status} {given.body!r}")


def received(sink: Sink, wanted: Subscription) -> dict[str, list[Any]]:
    """Give what a subscriber was told, by entity in order; the witness apart."""
    found: dict[str, list[Any]] = {}
    for one in sink.of(f"/{wanted.name}"):
        for entity in one.body["data"]:
            if entity["id"] != _WITNESS:
                found.setdefault(entity["id"], []).append(plain(lists(entity)))
    return found
