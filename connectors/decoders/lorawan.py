"""LoRaWAN uplinks as network servers publish them: ChirpStack (v3 and v4) and The Things Stack v3.

Each network wraps the device's bytes in an envelope of its own; the record is the same for all: `device` {eui, name,
profile, application}, `time`, `f_port`, `f_cnt`, `radio` {rssi, snr, gateway}, and `values` by the device's codec.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

import orjson

from connectors.decoders.codecs import CODECS, CodecError
from connectors.decoders.decoded import Decoded, rejected
from connectors.feed import LorawanDecoder

__all__ = ["decode_lorawan"]

Json = dict[str, Any]


def decode_lorawan(stream: BinaryIO, name: str, spec: LorawanDecoder) -> Iterator[Decoded]:
    """Yield the one record of an uplink; joins, acknowledgements and the like are rejected by rule `uplink`."""
    raw = stream.read()
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the message is no JSON; is the network's integration set to JSON?", raw)
        return
    if isinstance(message, dict) and isinstance(message.get("data"), dict):
        message = message["data"]
    record = (
        (_chirpstack if spec.network == "chirpstack" else _things_stack)(message) if isinstance(message, dict) else None
    )
    if record is None:
        yield rejected(name, "uplink", "", f"the message is no uplink of {spec.network}; check the topic filter", raw)
        return
    decoded: Json | None = record.pop("decoded")
    data = record.pop("data")
    codec = _codec(record["device"], spec.codecs)
    if codec is None:
        yield rejected(name, "codec", "device", "no codec for this device; add its name to decoder.codecs", raw)
        return
    if codec == "network":
        if not isinstance(decoded, dict):
            yield rejected(name, "codec", "device", "the network server sent no decoded payload; name a codec", raw)
            return
        record["values"] = decoded
    else:
        try:
            record["values"] = CODECS[codec](base64.b64decode(data or "", validate=True))
        except (CodecError, binascii.Error, ValueError) as error:
            yield rejected(name, "payload", "data", f"the payload does not follow codec {codec}: {error}", raw)
            return
    yield Decoded(name, record)


def _codec(device: Json, codecs: dict[str, Any]) -> str | None:
    known = [str(device[part]).lower() for part in ("profile", "name", "id", "eui") if device.get(part)]
    for pattern, codec in codecs.items():
        if any(fnmatchcase(text, pattern.lower()) for text in known):
            return str(codec)
    return None


def _chirpstack(message: Json) -> Json | None:
    if "data" not in message or not ({"deviceInfo", "devEUI"} & message.keys()):
        return None
    gateways = message.get("rxInfo") or [{}]
    best = max(gateways, key=lambda gateway: gateway.get("rssi", -999))
    if "deviceInfo" in message:
        info = message["deviceInfo"]
        device = {"eui": info.get("devEui"), "name": info.get("deviceName"), "profile": info.get("deviceProfileName"),
                  "application": info.get("applicationName")}  # fmt: skip
        decoded, snr = message.get("object"), best.get("snr")
    else:
        device = {"eui": _hex(message["devEUI"]), "name": message.get("deviceName"),
                  "profile": message.get("deviceProfileName"),
                  "application": message.get("applicationName")}  # fmt: skip
        text = message.get("objectJSON")
        decoded, snr = _loaded(text) if text else message.get("object"), best.get("loRaSNR")
    return {
        "device": {name: value for name, value in device.items() if value},
        "time": message.get("time") or message.get("publishedAt") or best.get("nsTime") or best.get("time"),
        "f_port": message.get("fPort"),
        "f_cnt": message.get("fCnt"),
        "radio": {"rssi": best.get("rssi"), "snr": snr, "gateway": best.get("gatewayId") or best.get("gatewayID")},
        "data": message["data"],
        "decoded": decoded,
    }


def _things_stack(message: Json) -> Json | None:
    uplink, ids = message.get("uplink_message"), message.get("end_device_ids")
    if not isinstance(uplink, dict) or not isinstance(ids, dict):
        return None
    best = max(uplink.get("rx_metadata") or [{}], key=lambda gateway: gateway.get("rssi", -999))
    device = {"eui": str(ids.get("dev_eui") or "").lower(), "id": ids.get("device_id"), "name": ids.get("device_id"),
              "profile": (uplink.get("version_ids") or {}).get("model_id"),
              "application": (ids.get("application_ids") or {}).get("application_id")}  # fmt: skip
    return {
        "device": {name: value for name, value in device.items() if value},
        "time": uplink.get("received_at") or message.get("received_at"),
        "f_port": uplink.get("f_port"),
        "f_cnt": uplink.get("f_cnt"),
        "radio": {"rssi": best.get("rssi"), "snr": best.get("snr"),
                  "gateway": (best.get("gateway_ids") or {}).get("gateway_id")},
        "data": uplink.get("frm_payload"),
        "decoded": uplink.get("decoded_payload"),
    }  # fmt: skip


def _hex(eui: str) -> str:
    """Write an EUI in hexadecimal; ChirpStack v3's JSON carries it in base64."""
    if len(eui) == 16:
        return eui.lower()
    try:
        return base64.b64decode(eui, validate=True).hex()
    except (binascii.Error, ValueError):
        return eui


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
