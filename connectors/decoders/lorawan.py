"""LoRaWAN uplinks as network servers send them: ChirpStack (v3 and v4), The Things Stack v3, LORIOT, ThingPark.

Each network wraps the device's bytes in an envelope of its own; the record is the same for all: `device` {eui, name,
profile, application}, `time`, `f_port`, `f_cnt`, `radio` {rssi, snr, gateway}, and `values` by the device's codec.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

import orjson

from connectors.decoders.codecs import CODECS, CodecError
from connectors.decoders.decoded import Decoded, rejected
from connectors.functions import epoch_ms
from connectors.specs.protocols import LorawanDecoder

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
        message = message["data"]  # The Things Stack's event stream wraps the uplink once more
    record = _NETWORKS[spec.network](message) if isinstance(message, dict) else None
    if record is None:
        yield rejected(name, "uplink", "", f"the message is no uplink of {spec.network}; check the topic filter", raw)
        return
    decoded: Json | None = record.pop("decoded")
    try:
        data = record.pop("data")()
    except (binascii.Error, ValueError, TypeError):
        yield rejected(name, "payload", "data", "the payload is not written as this network writes it", raw)
        return
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
            record["values"] = CODECS[codec](data or b"", record["f_port"] or 0)
        except CodecError as error:
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
        "radio": {
            "rssi": best.get("rssi"),
            "snr": snr,
            "gateway": best.get("gatewayId") or best.get("gatewayID") or best.get("mac"),
        },
        "data": lambda: base64.b64decode(message["data"] or "", validate=True),
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
        "data": lambda: base64.b64decode(uplink.get("frm_payload") or "", validate=True),
        "decoded": uplink.get("decoded_payload"),
    }  # fmt: skip


def _loriot(message: Json) -> Json | None:
    """Read cmd `rx` (one gateway) or `gw` (all gateways that heard it)."""
    if message.get("cmd") not in {"rx", "gw"} or "EUI" not in message:
        return None
    best = max(message.get("gws") or [message], key=lambda gateway: gateway.get("rssi", -999))
    return {
        "device": {"eui": str(message["EUI"]).lower(), "id": str(message["EUI"]).lower()},
        "time": epoch_ms(message["ts"]) if isinstance(message.get("ts"), int) else None,
        "f_port": message.get("port"),
        "f_cnt": message.get("fcnt"),
        "radio": {"rssi": best.get("rssi"), "snr": best.get("snr"), "gateway": best.get("gweui")},
        "data": lambda: bytes.fromhex(message.get("data") or ""),
        "decoded": message.get("decoded", {}).get("data") if isinstance(message.get("decoded"), dict) else None,
    }


def _thingpark(message: Json) -> Json | None:
    uplink = message.get("DevEUI_uplink")
    if not isinstance(uplink, dict) or "DevEUI" not in uplink:
        return None
    model = ((uplink.get("DriverCfg") or {}).get("mod") or {}).get("mId")
    customer = uplink.get("CustomerData")
    device = {"eui": str(uplink["DevEUI"]).lower(), "profile": model,
              "name": customer.get("name") if isinstance(customer, dict) else None}  # fmt: skip
    return {
        "device": {name: value for name, value in device.items() if value},
        "time": uplink.get("Time"),
        "f_port": uplink.get("FPort"),
        "f_cnt": uplink.get("FCntUp"),
        "radio": {"rssi": uplink.get("LrrRSSI"), "snr": uplink.get("LrrSNR"), "gateway": uplink.get("Lrrid")},
        "data": lambda: bytes.fromhex(uplink.get("payload_hex") or ""),
        "decoded": uplink.get("payload") if isinstance(uplink.get("payload"), dict) else None,
    }


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


_NETWORKS: dict[str, Callable[[Json], Json | None]] = {
    "chirpstack": _chirpstack,
    "loriot": _loriot,
    "thingpark": _thingpark,
    "tts": _things_stack,
}
