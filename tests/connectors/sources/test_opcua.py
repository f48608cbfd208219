"""OPC UA against a real server with a recorded NodeSet: present values, changes, back-pressure, a server away."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import FeedError, Unreachable
from connectors.sources.opcua import OpcUaSubscription
from connectors.specs.systems import OpcUaSource
from tests.connectors.test_cli import free_port

asyncua = pytest.importorskip("asyncua")
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Plant:
    """A server with a pump in it, and the recorded types where they are at hand."""

    def __init__(self, url: str, server: Any, pump: str, speed: Any, name: Any, types: int) -> None:
        self.url, self.server, self.pump, self.speed, self.name, self.types = url, server, pump, speed, name, types


@pytest.fixture
async def plant(data: Path | None) -> AsyncIterator[Plant]:
    server = asyncua.Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/plant"
    server.set_endpoint(url)
    types = 0
    if data is not None:
        types = len(await server.import_xml(str(data / "opcua_onem2m" / "opcua" / "Opc.Ua.Di.NodeSet2.xml")))
    space = await server.register_namespace("urn:plant")
    pump = await server.nodes.objects.add_object(space, "Pump")
    speed = await pump.add_variable(space, "Speed", 0)
    name = await pump.add_variable(space, "Name", "north")
    async with server:
        yield Plant(url, server, pump.nodeid.to_string(), speed, name, types)


def watch(plant: Plant, **members: Any) -> OpcUaSubscription:
    given = {"kind": "opcua", "url": plant.url, "interval": 0.05, "timeout": 5}
    return OpcUaSubscription(OpcUaSource.model_validate({**given, **members}), LOOPBACK)


async def test_present_values_then_changes(plant: Plant) -> None:
    payloads = watch(plant, browse=[plant.pump]).payloads({})
    seen: list[dict[str, Any]] = []

    async def take(count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while len(seen) < count:
                found = await anext(payloads)
                seen.extend(json.loads(one.stream.read()) for one in found.payloads)
                await found.taken()
        return seen

    first = {one["name"]: one for one in await take(2)}
    assert (first["Speed"]["value"], first["Name"]["value"]) == (0, "north")
    assert (first["Speed"]["node"], first["Speed"]["status"]) == (plant.speed.nodeid.to_string(), "Good")
    for n in range(1, 6):
        await plant.speed.write_value(n)
        await asyncio.sleep(0.01)
    await take(7)
    assert [one["value"] for one in seen[2:]] == [1, 2, 3, 4, 5]
    assert seen[-1]["source_time"].endswith("Z")
    await payloads.aclose()


async def test_recorded_types_can_be_browsed(plant: Plant, data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    assert plant.types == 412
    space = await plant.server.get_namespace_index("http://opcfoundation.org/UA/DI/")
    payloads = watch(plant, browse=[f"ns={space};i=1002"]).payloads({})  # DeviceType
    found = await asyncio.wait_for(anext(payloads), 20)
    names = {json.loads(one.stream.read())["name"] for one in found.payloads}
    await payloads.aclose()
    assert {"Manufacturer", "Model", "SerialNumber", "SoftwareRevision"} <= names
    empty = watch(plant, browse=[f"ns={space};i=5001"]).payloads({})  # DeviceSet
    with pytest.raises(FeedError, match="no variables below"):
        await asyncio.wait_for(anext(empty), 20)


async def test_a_stuck_consumer_stops_the_server(plant: Plant) -> None:
    bound = 20
    payloads = watch(plant, nodes={"speed": plant.speed.nodeid.to_string()}, in_flight=bound, queue=5_000).payloads({})
    found = await asyncio.wait_for(anext(payloads), 20)
    for n in range(1, 401):
        await plant.speed.write_value(n)
        if n % 20 == 0:
            await asyncio.sleep(0.06)
    await asyncio.sleep(0.3)
    values: list[int] = []
    most = 0
    async with asyncio.timeout(30):
        while not values or values[-1] < 400:
            values += [json.loads(one.stream.read())["value"] for one in found.payloads]
            most = max(most, len(found.payloads))
            await found.taken()
            if values[-1] < 400:
                found = await anext(payloads)
    await payloads.aclose()
    assert values == list(range(401))
    assert most < 400


async def test_a_server_that_is_away(plant: Plant) -> None:
    gone = Plant(f"opc.tcp://127.0.0.1:{free_port()}/none", None, "", None, None, 0)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(anext(watch(gone, nodes={"x": "ns=2;i=1"}).payloads({})), 20)
    spec = OpcUaSource(kind="opcua", url=plant.url, nodes={"x": "i=1"})
    with pytest.raises(FeedError, match="DATAPOLIS_EGRESS_ALLOW"):
        await anext(OpcUaSubscription(spec, ()).payloads({}))
