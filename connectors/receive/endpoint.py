"""`POST /push/<feed>`: prove, bound, hand in, and answer when Kafka holds it.

204 (or what the protocol wants) after Kafka's acknowledgement; 401 without proof; 404 for no pushed feed; 413 if large;
503 with Retry-After where it cannot be taken now, so that a sender that keeps its messages loses none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson
import structlog
from aiohttp import web

from connectors.feed import Feed
from connectors.receive.inbox import Busy, Inbox
from connectors.receive.proof import CHALLENGES, needs_body, proven
from connectors.specs.push import Received
from connectors.specs.systems import OneM2MSource

__all__ = ["push_app"]

_BLOCK = 65_536
_RETRY_S = "2"
log = structlog.get_logger()


def push_app(feeds: Mapping[str, Feed], inbox: Inbox) -> web.Application:
    """Serve the endpoints of the pushed ones among some feeds."""
    specs = {name: feed.source for name, feed in feeds.items() if isinstance(feed.source, Received)}

    async def receive(request: web.Request) -> web.Response:
        feed = request.match_info["feed"]
        spec = specs.get(feed)
        if spec is None:
            return _problem(404, "No such feed", f"{feed}: no feed of that name receives here")
        if not needs_body(spec.auth) and not proven(spec.auth, request.headers, request.query, b"", time.time()):
            return _unproven(spec)
        body = await _bounded(request, spec.max_bytes)
        if body is None:
            return _problem(413, "Too large", f"a request of this feed has at most {spec.max_bytes} bytes")
        if needs_body(spec.auth) and not proven(spec.auth, request.headers, request.query, body, time.time()):
            return _unproven(spec)
        door = inbox.door(feed)
        if door is None:
            return _busy("the feed does not run here now")
        if isinstance(spec, OneM2MSource) and _verifies(body):
            return _done(request)
        try:
            await door.hand_in(f"push/{feed}", body, spec.timeout)
        except Busy as error:
            log.warning("push not taken", feed=feed, reason=str(error))
            return _busy(str(error))
        return _done(request)

    app = web.Application(client_max_size=_BLOCK)
    app.add_routes([web.post("/push/{feed}", receive), web.put("/push/{feed}", receive)])
    return app


def _done(request: web.Request) -> web.Response:
    if "X-M2M-RI" in request.headers:  # the sender is a oneM2M platform, which wants its own words
        return web.Response(status=200, headers={"X-M2M-RSC": "2000", "X-M2M-RI": request.headers["X-M2M-RI"]})
    return web.Response(status=204)


def _verifies(body: bytes) -> bool:
    """Say whether this only asks if we want the subscription; the CSE waits with it for the answer (TS-0001)."""
    try:
        return orjson.loads(body)["m2m:sgn"].get("vrq") is True
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return False


async def _bounded(request: web.Request, most: int) -> bytes | None:
    if request.content_length is not None and request.content_length > most:
        return None
    body = bytearray()
    async for block in request.content.iter_chunked(_BLOCK):
        body += block
        if len(body) > most:
            return None
    return bytes(body)


def _unproven(spec: Received) -> web.Response:
    answer = _problem(401, "Not proven", f"the request lacks the proof of kind {spec.auth.kind} that this feed wants")
    if spec.auth.kind in CHALLENGES:
        answer.headers["WWW-Authenticate"] = CHALLENGES[spec.auth.kind]
    return answer


def _busy(reason: str) -> web.Response:
    answer = _problem(503, "Not now", f"{reason}; send it again")
    answer.headers["Retry-After"] = _RETRY_S
    return answer


def _problem(status: int, title: str, detail: str) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )
