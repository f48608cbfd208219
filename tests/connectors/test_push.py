"""Pushed feeds over real HTTP into a real Kafka: proof, bounds, answers after Kafka has them, back-pressure."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from connectors.declare import apply_topics
from connectors.errors import FeedError
from connectors.feed import Feed, load
from connectors.names import load_names
from connectors.publish import Publisher
from connectors.receive.endpoint import push_app
from connectors.receive.inbox import Busy, Door, Inbox, PushDoor
from connectors.receive.proof import proven
from connectors.run import Supervisor
from connectors.settings import ConnectorSettings
from connectors.specs.push import BearerAuth, HmacAuth, StandardWebhooks
from connectors.state import FeedState
from tests.connectors.kafka_reader import read_topic

Make = Callable[..., ConnectorSettings]
SECRET = "a-secret-that-both-sides-know"
HOOK = """
feed: hooks
title: Webhooks
domain: environment
source:
  kind: push
  auth: {kind: hmac, secret: "${HOOK_SECRET}", prefix: "sha256="}
  max_bytes: 1000
decoder: {kind: json}
key: id
minimise: {keep: [id, level]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'test', id)
    observedAt: "'2026-01-01T00:00:00Z'"
    attributes: {temperature: level}
"""


def signature(body: bytes) -> str:
    return "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()


@asynccontextmanager
async def served(feeds: list[Feed], settings: ConnectorSettings) -> AsyncIterator[tuple[str, Supervisor]]:
    """Run feeds and their endpoint; yields the URL before the feed's name."""
    stop = asyncio.Event()
    async with Publisher(settings) as publisher:
        supervisor = Supervisor(feeds, settings, load_names(settings.city / "context.jsonld"), publisher)
        runner = web.AppRunner(push_app({feed.feed: feed for feed in feeds}, supervisor.inbox), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        task = asyncio.create_task(supervisor.run(stop))
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/push/", supervisor
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)
            await runner.cleanup()


async def opened(supervisor: Supervisor, feed: str) -> None:
    async with asyncio.timeout(30):
        while supervisor.inbox.door(feed) is None:  # noqa: ASYNC110 - any state
            await asyncio.sleep(0.05)


async def test_answers_come_after_kafka(city: Path, make_settings: Make, kafka: str, topic_prefix: str) -> None:
    path = city / "feeds" / "hooks.yaml"
    path.write_text(HOOK)
    feed = load(path, {"HOOK_SECRET": SECRET})
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix)
    await apply_topics([feed], ["environment"], settings, 2, 1)
    topic, dead = f"{topic_prefix}feeds.hooks.records", f"{topic_prefix}dead.hooks"
    async with served([feed], settings) as (url, supervisor), aiohttp.ClientSession() as client:

        async def post(body: bytes, **headers: str) -> tuple[int, dict[str, str], str]:
            async with client.post(url + "hooks", data=body, headers=headers) as answer:
                return answer.status, dict(answer.headers), await answer.text()

        status, headers, _ = await post(b"{}", **{"X-Hub-Signature-256": signature(b"{}")})
        assert (status, headers["Retry-After"]) in {(503, "2")}  # the feed has no partition yet
        await opened(supervisor, "hooks")
        for n in range(20):
            body = json.dumps({"id": f"s{n}", "level": n, "who": "nobody's business"}).encode()
            assert (await post(body, **{"X-Hub-Signature-256": signature(body)}))[0] == 204
            if n == 0:
                (first,) = await read_topic(kafka, topic, 2)
                assert first.value == b'{"id":"s0","level":0}'
        many = [json.dumps({"id": f"m{n}", "level": n}).encode() for n in range(200)]
        answers = await asyncio.gather(*(post(one, **{"X-Hub-Signature-256": signature(one)}) for one in many))
        assert [one[0] for one in answers] == [204] * 200
        wrong = b"no json"
        assert (await post(wrong, **{"X-Hub-Signature-256": signature(wrong)}))[0] == 204
        assert (await post(b"{}", **{"X-Hub-Signature-256": signature(b"{ }")}))[0] == 401
        assert (await post(b"{}"))[0] == 401
        large = b" " * 1001
        status, _, text = await post(large, **{"X-Hub-Signature-256": signature(large)})
        assert (status, json.loads(text)["title"]) == (413, "Too large")
        async with client.post(url + "other", data=b"{}") as answer:
            assert answer.status == 404
        FeedState(settings.feed_state, "hooks").pause()
        async with asyncio.timeout(10):
            while supervisor.inbox.door("hooks") is not None:  # noqa: ASYNC110 - any state
                await asyncio.sleep(0.05)
        body = b'{"id": "late", "level": 1}'
        assert (await post(body, **{"X-Hub-Signature-256": signature(body)}))[0] == 503
    keys = {one.key for one in await read_topic(kafka, topic, 2)}
    assert keys == {f"s{n}".encode() for n in range(20)} | {f"m{n}".encode() for n in range(200)}
    (letter,) = await read_topic(kafka, dead, 1)
    assert json.loads(letter.value)["rule"] == "json"


async def test_a_full_door_is_busy_and_a_closed_one_tells_its_waiters() -> None:
    inbox = Inbox()
    payloads = PushDoor("f", 2, inbox).payloads({})
    first = asyncio.ensure_future(anext(payloads))
    await asyncio.sleep(0)
    door = inbox.door("f")
    assert isinstance(door, Door)
    waiting = [asyncio.ensure_future(door.hand_in("f", b"1", 5))]
    taken = await first
    waiting += [asyncio.ensure_future(door.hand_in("f", b"x", 5)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="too many"):
        await door.hand_in("f", b"x", 5)
    await taken.taken()
    await waiting[0]
    second = await anext(payloads)
    assert len(second.payloads) == 2
    await payloads.aclose()
    for one in waiting[1:]:
        with pytest.raises(Busy, match="stopped"):
            await one
    assert inbox.door("f") is None


def test_signatures() -> None:
    """The example of Standard Webhooks 1.0, and timestamps that are too old."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    auth = StandardWebhooks.model_validate({"kind": "standard-webhooks", "secret": secret})
    given = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,bm9ldHU5OTk= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip
    assert proven(auth, given, {}, body, 1614265330)
    assert not proven(auth, given, {}, body + b" ", 1614265330)
    assert not proven(auth, given, {}, body, 1614265330 + 301)
    timed = HmacAuth.model_validate({"kind": "hmac", "secret": "s", "header": "X-Sig", "timestamp": "X-At",
                                     "encoding": "base64"})  # fmt: skip
    at = str(int(time.time()))
    made = base64.b64encode(hmac.digest(b"s", f"{at}.x".encode(), "sha256")).decode()
    assert proven(timed, {"X-Sig": made, "X-At": at}, {}, b"x", time.time())
    assert not proven(timed, {"X-Sig": made, "X-At": str(int(at) + 1)}, {}, b"x", time.time())
    assert not proven(timed, {"X-Sig": made}, {}, b"x", time.time())


def test_an_unset_secret_opens_nothing() -> None:
    auth = BearerAuth.model_validate({"kind": "bearer", "token": "${NOT_SET}"})
    with pytest.raises(FeedError, match="NOT_SET"):
        proven(auth, {"Authorization": "Bearer ${NOT_SET}"}, {}, b"", 0)
