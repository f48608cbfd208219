"""What others send, the whole way to entities: a broker's subscription, NGSIv2, uplinks of LoRaWAN networks, hooks."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from connectors.feed import Feed, load
from connectors.settings import ConnectorSettings
from docker.local.simulators.devices import CHIRPSTACK, THINGS_STACK, chirpstack_uplink, things_stack_uplink
from tests.connectors.recorded_sources import SOURCES
from tests.connectors.whole import Ingest, Portion, expected, ingested
from tests.fixtures.broker import Api, broker_process, until
from tests.fixtures.postgres import Database

Make = Callable[..., ConnectorSettings]
TOKEN = "a-token-that-both-sides-know"
HOOK = "whsec_" + base64.b64encode(b"a-secret-that-both-sides-know").decode()
SPEED = "https://smartdatamodels.org/dataModel.Transportation/speed"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
MIRROR = """
feed: NAME
title: What another broker tells
domain: mobility
tenant: TENANT
source: {kind: push, auth: {kind: bearer, token: "${PUSH_TOKEN}"}}
decoder: {kind: ngsi}
key: id
minimise: {keep: [id, attrs/speed, attrs/location, observed/speed, notified]}
mapping:
  - type: VehicleModel
    id: concat(id, ':mirror')
    observedAt: time(observed.speed || notified)
    attributes:
      speed: {value: attrs.speed, unitCode: KMH}
      location: {type: GeoProperty, value: attrs.location}
"""
ORION = MIRROR.replace("NAME", "orion").replace("TENANT", "default").replace("(id,", "('urn:ngsi-ld:Vehicle:', id,")
HOOKS = """
feed: hooks
title: Signed webhooks
domain: environment
source: {kind: push, auth: {kind: standard-webhooks, secret: "${HOOK_SECRET}"}}
decoder: {kind: json}
key: id
minimise: {keep: [id, at, level]}
mapping:
  - {type: Device, id: "urn('Device', 'hook', id)", observedAt: time(at), attributes: {value: level}}
"""
V2 = {
    "subscriptionId": "5aeb0ee97d4ef10a12a0262f",
    "data": [
        {
            "id": "bus-7", "type": "Vehicle",
            "speed": {"type": "Number", "value": 31.5, "metadata": {
                "TimeInstant": {"type": "DateTime", "value": "2026-01-01T00:00:00.000Z"}}},
            "location": {"type": "geo:json", "value": {"type": "Point", "coordinates": [4.5, 52.25]}, "metadata": {}},
        }
    ],
}  # fmt: skip
NETWORKS = {
    "chirpstack": ("ChirpStack", "HTTP"), "tts": ("ThingsStackCommunity", "ThingsStackIndustries"),
    "loriot": ("LORIOT",), "thingpark": ("ThingPark", "ThingParkEnterprise"),
}  # fmt: skip
DEVICE = "Decentlab_DL-PM"


def declared(city: Path, name: str, text: str) -> Feed:
    path = city / "feeds" / f"{name}.yaml"
    path.write_text(text)
    (city / "context.jsonld").write_bytes((SOURCES / "context.jsonld").read_bytes())
    return load(path, {"PUSH_TOKEN": TOKEN, "HOOK_SECRET": HOOK})


async def post(http: aiohttp.ClientSession, url: str, body: bytes, **headers: str) -> int:
    given = {"Authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.post(url, data=body, headers=given) as answer:
        return answer.status


@pytest.mark.timeout(240)
async def test_a_brokers_subscription_feeds_a_second_tenant(
    city: Path, make_settings: Make, pg: Database, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Notifications of our own broker, sent to our own connectors: every change once, under other type and tenant."""
    feed = declared(city, "mirror", MIRROR.replace("NAME", "mirror").replace("TENANT", "second"))
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, session_ms=30_000)
    with broker_process(pg, {"DATAPOLIS_ACCESS": "open"}) as running:
        async with aiohttp.ClientSession() as http:
            own, second = Api(http, running.url, None), Api(http, running.url, "second")
            assert (await second.post("/entities", {"id": "urn:first", "type": "First"})).status == 201
            async with ingested(
                [Portion(settings, (feed,))], pg, tmp_path, 60, ("ingest", "relay", "notify"), DATAPOLIS_ACCESS="open"
            ) as ingest:
                await ingest.opened("mirror")
                said = await own.post("/subscriptions", subscription(ingest.push + "mirror"))
                assert said.status == 201, said.body
                await own.post("/entities", vehicle("bus-1", 20.0, "2026-01-01T00:00:00Z"))
                for n in range(1, 6):
                    changed = {SPEED: vehicle("", 20.0 + n, f"2026-01-01T00:0{n}:00Z")[SPEED]}
                    path = "/entities/urn:ngsi-ld:Vehicle:bus-1/attrs"
                    assert (await own.call("PATCH", path, changed)).status == 204
                await own.post("/entities", vehicle("bus-2", 7.0, "2026-01-01T00:00:00Z"))

                async def mirrored() -> bool:
                    found = [await second.get(f"/entities/urn:ngsi-ld:Vehicle:bus-{n}:mirror") for n in (1, 2)]
                    return [one.status for one in found] == [200, 200] and found[0].json[SPEED]["value"] == 25.0

                await until(mirrored, 60)
            found = (await second.get("/entities/urn:ngsi-ld:Vehicle:bus-1:mirror")).json
            wanted = vehicle("bus-1", 25.0, "2026-01-01T00:05:00Z")
            assert found == {
                **wanted,
                "id": "urn:ngsi-ld:Vehicle:bus-1:mirror",
                "type": "https://datapolis.example/ns#VehicleModel",
                "location": {**wanted["location"], "observedAt": "2026-01-01T00:05:00Z"},
            }
            path = f"/temporal/entities/urn:ngsi-ld:Vehicle:bus-1:mirror?attrs={quote(SPEED, safe='')}"
            told = (await second.get(path)).json[SPEED]
            assert sorted(one["value"] for one in told) == [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]
            assert (await own.get("/entities/urn:ngsi-ld:Vehicle:bus-1:mirror")).status == 404


def vehicle(name: str, speed: float, at: str) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Vehicle:{name}", "type": VEHICLE,
        SPEED: {"type": "Property", "value": speed, "unitCode": "KMH", "observedAt": at},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.5, 52.25]}},
    }  # fmt: skip


def subscription(uri: str) -> dict[str, Any]:
    authorised = [{"key": "Authorization", "value": f"Bearer {TOKEN}"}]
    return {
        "type": "Subscription",
        "entities": [{"type": VEHICLE}],
        "notification": {"endpoint": {"uri": uri, "accept": "application/json", "receiverInfo": authorised}},
    }


def uplinks(data: Path | None, network: str) -> list[bytes]:
    if data is not None:
        folder = data / "lorawan_mqtt" / "lorawan" / DEVICE
        return [path.read_bytes() for one in NETWORKS[network] for path in sorted((folder / one).glob("payload*.json"))]
    if network == "chirpstack":
        return [json.dumps(chirpstack_uplink(CHIRPSTACK[4], 1_767_225_600 + n, n)[1]).encode() for n in range(3)]
    if network == "tts":
        return [json.dumps(things_stack_uplink(THINGS_STACK[4], 1_767_225_600 + n, n)[1]).encode() for n in range(3)]
    return []


@pytest.mark.timeout(240)
async def test_uplinks_notifications_and_hooks_become_entities(
    city: Path, make_settings: Make, pg: Database, kafka: str, topic_prefix: str, tmp_path: Path, data: Path | None
) -> None:
    text = (SOURCES / "lorawan.yaml").read_text(encoding="utf-8")
    pushed = '{kind: push, auth: {kind: bearer, token: "${PUSH_TOKEN}"}}'
    sent = {network: found for network in NETWORKS if (found := uplinks(data, network))}
    assert len(sent) == (4 if data is not None else 2)
    feeds = [
        declared(
            city,
            f"uplinks-{network}",
            text.replace("feed: lorawan", f"feed: uplinks-{network}")
            .replace('{kind: file, path: "${FOLDER}/payload*.json"}', pushed)
            .replace("NETWORK", network)
            .replace("CODEC", "milesight" if data is None and network == "tts" else "decentlab-pm"),
        )
        for network in sent
    ]
    feeds.append(declared(city, "orion", ORION))
    feeds.append(declared(city, "hooks", HOOKS))
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, session_ms=30_000)
    wanted = {
        f"uplinks-{network}": expected(feed, settings, [("push", one) for one in sent[network]])
        for network, feed in zip(sent, feeds, strict=False)
    }
    async with ingested([Portion(settings, tuple(feeds))], pg, tmp_path, 60) as ingest, aiohttp.ClientSession() as http:
        await ingest.opened(*(feed.feed for feed in feeds))
        for network, messages in sent.items():
            answers = [await post(http, f"{ingest.push}uplinks-{network}", one) for one in messages]
            assert answers == [204] * len(messages)
        assert await post(http, ingest.push + "orion", json.dumps(V2).encode(), Fiware_Service="city") == 204
        await hooked(http, ingest)
        counts = {name: one.records for name, one in wanted.items()} | {"orion": 1, "hooks": 1}
        counted = await ingest.counted(counts)
        await ingest.stored()
    assert counted == {name: (one.records, one.mapped, one.rejected.total()) for name, one in wanted.items()} | {
        "orion": (1, 1, 0),
        "hooks": (1, 1, 0),
    }
    with broker_process(pg, {"DATAPOLIS_ACCESS": "open"}) as running:
        async with aiohttp.ClientSession() as http:
            api = Api(http, running.url, None)
            for name, one in wanted.items():
                for entity, attributes in one.latest().items():
                    found = (await api.get(f"/entities/{quote(entity, safe='')}")).json
                    assert found.keys() - {"id", "type"} == attributes.keys(), name
                    assert all(found[attr] in candidates for attr, candidates in attributes.items()), name
            at = {"observedAt": "2026-01-01T00:00:00Z"}
            assert (await api.get("/entities/urn:ngsi-ld:Vehicle:bus-7:mirror")).json == {
                "id": "urn:ngsi-ld:Vehicle:bus-7:mirror", "type": "https://datapolis.example/ns#VehicleModel",
                SPEED: {"type": "Property", "value": 31.5, "unitCode": "KMH", **at},
                "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.5, 52.25]}, **at},
            }  # fmt: skip
            assert (await api.get("/entities/urn:ngsi-ld:Device:hook:h1")).json == {
                "id": "urn:ngsi-ld:Device:hook:h1", "type": "https://datapolis.example/ns#Device",
                "https://datapolis.example/ns#value": {
                    "type": "Property", "value": 5, "observedAt": "2026-01-01T00:00:00Z",
                },
            }  # fmt: skip


async def hooked(http: aiohttp.ClientSession, ingest: Ingest) -> None:
    body, at = b'{"id": "h1", "at": "2026-01-01T00:00:00Z", "level": 5}', str(int(time.time()))
    key = base64.b64decode(HOOK.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.digest(key, f"m1.{at}.".encode() + body, "sha256")).decode()
    headers = {"webhook_id": "m1", "webhook_timestamp": at}
    assert await post(http, ingest.push + "hooks", body, **headers, webhook_signature="v1,AAAA") == 401
    assert await post(http, ingest.push + "hooks", body, **headers, webhook_signature=f"v1,{signed}") == 204
