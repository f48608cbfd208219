"""Simulated sources of the sample city: `python -m docker.local.simulators`.

Publishes LoRaWAN uplinks to the MQTT broker, and serves on a loopback port a live GTFS-Realtime endpoint and the
recorded one (with ETag), until SIGTERM.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import aiomqtt
from aiohttp import web

from docker.local.simulators.devices import CHIRPSTACK, THINGS_STACK, chirpstack_uplink, things_stack_uplink
from docker.local.simulators.fleet import BUILT_IN, Route, routes_of, vehicle_positions

_RECORDED = "transit/gtfs-rt/king-county-metro-vehicle-positions-1.pb"
_SHAPES = "transit/gtfs/king_county_metro_subset.gtfs.zip"


def app(data: Path | None, routes: tuple[Route, ...], buses: int) -> web.Application:
    """Serve the fleet and the recorded message."""

    async def live(request: web.Request) -> web.Response:
        return web.Response(body=vehicle_positions(routes, buses, time.time()), content_type="application/x-protobuf")

    async def recorded(request: web.Request) -> web.Response:
        path = data / _RECORDED if data is not None else None
        if path is None or not path.exists():
            raise web.HTTPNotFound(text="no recorded data: DATAPOLIS_DATA names no folder that has them\n")
        body = await asyncio.to_thread(path.read_bytes)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=body, content_type="application/x-protobuf", headers={"ETag": tag})

    async def well(request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    made = web.Application()
    made.add_routes(
        [
            web.get("/gtfs-rt/vehicle-positions.pb", live),
            web.get("/recorded/gtfs-rt/king-county-metro.pb", recorded),
            web.get("/health/live", well),
            web.get("/health/ready", well),
        ]
    )
    return made


async def publish(host: str, port: int, period_s: float) -> None:
    """Send an uplink of every device each period, spread over it; reconnect when the broker goes away."""
    count = int(time.time() / period_s)
    devices = [(device, chirpstack_uplink) for device in CHIRPSTACK]
    devices += [(device, things_stack_uplink) for device in THINGS_STACK]
    while True:
        try:
            async with aiomqtt.Client(host, port, identifier="datapolis-simulators", timeout=10) as client:
                while True:
                    for device, uplink in devices:
                        topic, message = uplink(device, time.time(), count % 65_536)
                        await client.publish(topic, json.dumps(message), qos=1)
                        await asyncio.sleep(period_s / len(devices))
                    count += 1
        except aiomqtt.MqttError:
            await asyncio.sleep(1)


async def main() -> None:
    """Run until SIGTERM."""
    env = os.environ
    data = Path(env["DATAPOLIS_DATA"]) if env.get("DATAPOLIS_DATA") else None
    shapes = data / _SHAPES if data is not None else None
    real = routes_of(shapes) if shapes is not None and shapes.exists() else ()
    routes = tuple({route.name: route for route in (*BUILT_IN, *real)}.values())
    host, _, port = env.get("DATAPOLIS_MQTT", "127.0.0.1:11883").rpartition(":")
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    buses = int(env.get("DATAPOLIS_SIMULATOR_BUSES", "40"))
    server = web.AppRunner(app(data, routes, buses), access_log=None)
    await server.setup()
    await web.TCPSite(
        server, env.get("DATAPOLIS_SIMULATORS_HOST", "127.0.0.1"), int(env.get("DATAPOLIS_SIMULATORS_PORT", "18091"))
    ).start()
    uplinks = asyncio.create_task(publish(host, int(port), float(env.get("DATAPOLIS_SIMULATOR_PERIOD", "5"))))
    try:
        await stop.wait()
    finally:
        uplinks.cancel()
        await asyncio.gather(uplinks, return_exceptions=True)
        await server.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
