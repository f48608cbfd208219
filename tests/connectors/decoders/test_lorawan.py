"""Uplinks: recorded ones decode to what their makers' decoders give; envelopes of three networks; refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.decoders.codecs import CODECS, CodecError
from connectors.decoders.decoded import Decoded
from connectors.decoders.lorawan import decode_lorawan
from connectors.feed import LorawanDecoder
from docker.local.simulators.devices import CHIRPSTACK, THINGS_STACK, chirpstack_uplink, things_stack_uplink

NETWORKS = {
    "ChirpStack": "chirpstack", "HTTP": "chirpstack", "LORIOT": "loriot", "ThingPark": "thingpark",
    "ThingParkEnterprise": "thingpark", "ThingsStackCommunity": "tts", "ThingsStackIndustries": "tts",
}  # fmt: skip
DEVICES = {
    "Bosch_Parking_Lot_Sensor": "bosch-parking", "Decentlab_DL-ATM41": "decentlab-atm41",
    "Decentlab_DL-PM": "decentlab-pm", "Decentlab_DL-TBRG": "decentlab-tbrg", "Milesight_EM300-TH": "milesight",
    "Milesight_EM310-UDL": "milesight", "Milesight_EM500-SWL": "milesight", "Milesight_VS133": "milesight",
    "Milesight_WS302": "milesight", "Tektelic_Kiwi": "tektelic-kiwi",
}  # fmt: skip
DERIVED = {"input1_frequency_to_moisture"}  # a table of the recording platform, not of the device


def _decode(raw: bytes, network: str, codec: str = "milesight") -> Decoded:
    spec = LorawanDecoder.model_validate({"kind": "lorawan", "network": network, "codecs": {"*": codec}})
    (found,) = decode_lorawan(io.BytesIO(raw), "t", spec)
    return found


def _recorded(data: Path | None) -> list[tuple[str, str, Path, Path]]:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    found = []
    for device, codec in DEVICES.items():
        for folder, network in NETWORKS.items():
            payloads = sorted((data / "lorawan_mqtt" / "lorawan" / device / folder).glob("payload*.json"))
            found += [(codec, network, one, one.with_name(one.name.replace("payload", "result"))) for one in payloads]
    return found


def test_recorded_uplinks_decode_to_their_results(data: Path | None) -> None:
    cases = _recorded(data)
    assert len(cases) == 100
    for codec, network, payload, result in cases:
        found = _decode(payload.read_bytes(), network, codec)
        assert found.rejection is None, payload
        assert found.record is not None
        results = json.loads(result.read_text())
        expected: dict[str, Any] = (results[0] if isinstance(results, list) else results)["telemetry"][0]["values"]
        known = {
            name.replace(".0_", "_"): value
            for name, value in expected.items()
            if not name.startswith("lora_") and name not in DERIVED
        }
        values = found.record["values"]
        assert set(values) == set(known), payload
        for name, value in known.items():
            wanted = pytest.approx(value, abs=1e-9) if isinstance(value, float) else value
            assert values[name] == wanted, (payload, name)


def test_recorded_chirpstack_v3_and_v4(data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    folder = data / "lorawan_mqtt" / "lorawan" / "Decentlab_DL-PM" / "ChirpStack"
    new = _decode((folder / "payload_02.json").read_bytes(), "chirpstack", "decentlab-pm").record
    assert new == {
        "device": {
            "eui": "70b3d57ba0003bb8", "name": "PM-15288", "profile": "dev-prof-Decentlab",
            "application": "MoDus-Sain",
        },
        "time": "2024-11-10T12:51:50+00:00", "f_port": 1, "f_cnt": 20,
        "radio": {"rssi": -106, "snr": 3.0, "gateway": "fcc23dfffe2e72ed"}, "values": {"battery_voltage": 3.109},
    }  # fmt: skip
    old = _decode((folder / "payload_05.json").read_bytes(), "chirpstack", "decentlab-pm").record
    assert old == {
        "device": {"eui": "0202020202020202", "name": "garden-sensor", "application": "temperature-sensor"},
        "time": "2019-11-08T13:59:25.048445Z", "f_port": 5, "f_cnt": 10,
        "radio": {"rssi": -48, "snr": 9, "gateway": "AwMDAwMDAwM="}, "values": {"battery_voltage": 3.109},
    }  # fmt: skip


def test_network_codec_takes_the_servers_own_decoding() -> None:
    message = {"deviceInfo": {"devEui": "01"}, "time": "2026-01-01T00:00:00Z", "data": "", "object": {"t": 1}}
    found = _decode(json.dumps(message).encode(), "chirpstack", "network").record
    assert found is not None
    assert found["values"] == {"t": 1}
    del message["object"]
    refused = _decode(json.dumps(message).encode(), "chirpstack", "network").rejection
    assert refused is not None
    assert refused.rule == "codec"


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"[]", "uplink"),
        (b'{"type": "JOIN"}', "uplink"),
        (b'{"deviceInfo": {"devEui": "01"}, "data": "%%"}', "payload"),
        (b'{"deviceInfo": {"devEui": "01"}, "data": ""}', "payload"),
        (b'{"deviceInfo": {"devEui": "01"}, "data": "AXU="}', "payload"),
        (b'{"deviceInfo": {"devEui": "01"}, "data": "/////w=="}', "payload"),
    ],
)
def test_refusals(raw: bytes, rule: str) -> None:
    found = _decode(raw, "chirpstack")
    assert found.record is None
    assert found.rejection is not None
    assert (found.rejection.stage, found.rejection.rule) == ("decode", rule)


def test_unknown_device_is_refused() -> None:
    spec = LorawanDecoder.model_validate({"kind": "lorawan", "network": "chirpstack", "codecs": {"em*": "milesight"}})
    raw = b'{"deviceInfo": {"devEui": "01", "deviceName": "other"}, "data": "AXVk"}'
    (found,) = decode_lorawan(io.BytesIO(raw), "t", spec)
    assert found.rejection is not None
    assert found.rejection.rule == "codec"


@pytest.mark.parametrize("raw", ["02", "031b500001ffff", "021b50000f0c25", "021b5000100c25"])
def test_decentlab_bounds(raw: str) -> None:
    with pytest.raises(CodecError):
        CODECS["decentlab-pm"](bytes.fromhex(raw), 1)


def test_negative_temperatures() -> None:
    assert CODECS["milesight"](bytes.fromhex("0367ceff"), 85) == {"temperature": -5.0}


def test_simulated_uplinks_have_the_recorded_shape(data: Path | None) -> None:
    for devices, make, network, folder in (
        (CHIRPSTACK, chirpstack_uplink, "chirpstack", "ChirpStack"),
        (THINGS_STACK, things_stack_uplink, "tts", "ThingsStackCommunity"),
    ):
        for device in devices:
            topic, message = make(device, 1_767_225_600.0, 3)
            assert device.eui in topic or device.name in topic
            codec = "decentlab-pm" if "DL-PM" in device.model else "milesight"
            found = _decode(json.dumps(message).encode(), network, codec)
            assert found.record is not None, found.rejection
            assert make(device, 1_767_225_600.0, 3) == (topic, message)
        if data is not None:
            real = json.loads(
                (data / "lorawan_mqtt" / "lorawan" / "Milesight_EM300-TH" / folder / "payload.json").read_text()
            )
            assert set(make(devices[0], 1_767_225_600.0, 3)[1]) == set(real)
