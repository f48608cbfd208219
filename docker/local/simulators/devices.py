"""LoRaWAN devices and the network servers' envelopes around their uplinks (ChirpStack v4, The Things Stack v3).

Values follow the hour of the day with a seeded noise per device, so that a run can be repeated.
"""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from docker.local.simulators.payloads import decentlab_pm, milesight_sound, milesight_weather

__all__ = ["CHIRPSTACK", "THINGS_STACK", "Device", "chirpstack_uplink", "things_stack_uplink"]

Json = dict[str, Any]
Make = Callable[[float, random.Random], bytes]
_DAY = 86_400.0
_APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
_GATEWAY = "6a7e111a10000000"


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its EUI, its name on the network, its model, its port, and how it makes a payload."""

    eui: str
    name: str
    model: str
    port: int
    make: Make

    def payload(self, now: float, count: int) -> bytes:
        """Make the bytes of uplink `count` at a time in seconds since 1970."""
        return self.make(now, random.Random(f"{self.eui}/{count}"))  # noqa: S311 - noise, not a secret


def _day(now: float, low: float, high: float) -> float:
    """Swing between two values over the day, highest at 14 UTC."""
    return low + (high - low) * (1 + math.cos(2 * math.pi * (now / _DAY - 14 / 24))) / 2


def _weather(now: float, chance: random.Random) -> bytes:
    return milesight_weather(
        92, _day(now, 14, 27) + chance.uniform(-0.6, 0.6), 70 - _day(now, 0, 30) + chance.uniform(-2, 2)
    )


def _sound(now: float, chance: random.Random) -> bytes:
    level = _day(now, 44, 64) + chance.uniform(-4, 4)
    return milesight_sound(100, level + chance.uniform(0, 6), level, level + chance.uniform(8, 18))


def _dust(device: int) -> Make:
    def make(now: float, chance: random.Random) -> bytes:
        fine = _day(now, 4, 16) + chance.uniform(-1.5, 1.5)
        mass = (fine * 0.7, fine, fine * 1.2, fine * 1.4)
        return decentlab_pm(device, 3.1, mass, _day(now, 14, 27), 70 - _day(now, 0, 30), 101_300)

    return make


CHIRPSTACK: tuple[Device, ...] = (
    *(Device(f"100000000000000{n}", f"em300-{n:02d}", "Milesight EM300-TH", 85, _weather) for n in range(1, 5)),
    Device("70b3d57ba0003bb8", "dl-pm-15288", "Decentlab DL-PM", 1, _dust(6992)),
    Device("70b3d57ba0003bb9", "dl-pm-15289", "Decentlab DL-PM", 1, _dust(6993)),
)
THINGS_STACK: tuple[Device, ...] = (
    *(Device(f"200000000000000{n}", f"ws302-{n:02d}", "WS302", 85, _sound) for n in range(1, 5)),
    *(Device(f"200000000000000{n}", f"em300-{n:02d}", "EM300-TH", 85, _weather) for n in (5, 6)),
)


def chirpstack_uplink(device: Device, now: float, count: int) -> tuple[str, Json]:
    """Return topic and message of an uplink as ChirpStack 4 publishes it."""
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
    message = {
        "deduplicationId": f"57433366-50a6-4dc2-8145-{count:012x}",
        "time": time,
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "ChirpStack",
            "applicationId": _APPLICATION,
            "applicationName": "city-sensors",
            "deviceProfileId": "605d08d4-65f5-4d2c-8a5a-3d2457662f79",
            "deviceProfileName": device.model,
            "deviceName": device.name,
            "devEui": device.eui,
            "tags": {},
        },
        "devAddr": "20000001",
        "adr": True,
        "dr": 5,
        "fCnt": count,
        "fPort": device.port,
        "confirmed": False,
        "data": base64.b64encode(device.payload(now, count)).decode(),
        "rxInfo": [
            {
                "gatewayId": _GATEWAY,
                "uplinkId": 24022,
                "time": time,
                "rssi": -35,
                "snr": 11.5,
                "channel": 2,
                "rfChain": 1,
                "location": {},
                "context": "EFwMtA==",
                "metadata": {"region_common_name": "EU868", "region_config_id": "eu868"},
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {
            "frequency": 868500000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
    }
    return f"application/{_APPLICATION}/device/{device.eui}/event/up", message


def things_stack_uplink(device: Device, now: float, count: int) -> tuple[str, Json]:
    """Return topic and message of an uplink as The Things Stack 3 publishes it (times in nanoseconds)."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "446Z"
    message = {
        "end_device_ids": {
            "device_id": device.name,
            "application_ids": {"application_id": "city-noise"},
            "dev_eui": device.eui.upper(),
            "join_eui": "2000000000000001",
            "dev_addr": "20000001",
        },
        "correlation_ids": [f"as:up:{count:026d}"],
        "received_at": time,
        "uplink_message": {
            "session_key_id": "AYfqmb0pc/1uRZv9xUydgQ==",
            "f_port": device.port,
            "f_cnt": count,
            "frm_payload": base64.b64encode(device.payload(now, count)).decode(),
            "rx_metadata": [
                {
                    "gateway_ids": {"gateway_id": f"eui-{_GATEWAY}", "eui": _GATEWAY.upper()},
                    "time": time,
                    "timestamp": 3893546133,
                    "rssi": -35,
                    "channel_rssi": -35,
                    "snr": 13.2,
                    "channel_index": 3,
                    "received_at": time,
                }
            ],
            "settings": {
                "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7, "coding_rate": "4/5"}},
                "frequency": "867100000",
                "timestamp": 3893546133,
                "time": time,
            },
            "received_at": time,
            "consumed_airtime": "0.056576s",
            "network_ids": {"net_id": "000013", "tenant_id": "ttn", "cluster_id": "eu1"},
        },
    }
    return f"v3/city-noise@ttn/devices/{device.name}/up", message
