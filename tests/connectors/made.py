"""Small files in the places of the recorded ones, for machines without them: some feeds of each group."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.transit import gtfs_realtime_pb2 as gtfs

from connectors.decoders.sparkplug import payload_class
from docker.local.simulators.devices import CHIRPSTACK, chirpstack_uplink
from tests.connectors.decoders.samples import cityjson

__all__ = ["MADE", "make"]

_AT = 1_767_225_600  # 2026-01-01T00:00:00Z
_NAME = "https://smartdatamodels.org/name"


def _counts(records: int, entities: int, ids: int, *rejected: str, one: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "records": records, "entities": entities, "ids": ids,
        "rejected": [["", *each.split(" ")] for each in rejected], "one": one,
    }  # fmt: skip


MADE: dict[str, dict[str, Any]] = {
    "gtfs-rt-vehicles": _counts(3, 2, 2, "check required location"),
    "gtfs-rt-invalid": _counts(1, 0, 0, "decode protobuf "),
    "open311-json": _counts(2, 1, 1, "check required requestStatus"),
    "traffic-speed-6005": _counts(
        3, 2, 1, "map number averageVehicleSpeed",
        one={
            "id": "urn:ngsi-ld:TrafficFlowObserved:twin-cities:6005",
            "type": ["https://smartdatamodels.org/dataModel.Transportation/TrafficFlowObserved"],
            "https://smartdatamodels.org/dataModel.Transportation/averageVehicleSpeed": {
                "type": "Property", "value": 160.9344, "unitCode": "KMH", "observedAt": "2026-01-01T06:10:00Z",
            },
        },
    ),
    "parking-freiburg": _counts(
        1, 1, 1,
        one={
            "id": "urn:ngsi-ld:OffStreetParking:freiburg:P5",
            "type": ["https://datapolis.example/ns#OffStreetParking"],
            _NAME: {"type": "Property", "value": "Bahnhof", "observedAt": "2024-06-10T08:20:00Z"},
            "https://datapolis.example/ns#availableSpotNumber": {
                "type": "Property", "value": 56, "observedAt": "2024-06-10T08:20:00Z",
            },
            "https://datapolis.example/ns#totalSpotNumber": {
                "type": "Property", "value": 105, "observedAt": "2024-06-10T08:20:00Z",
            },
            "https://uri.etsi.org/ngsi-ld/location": {
                "type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.8447315, 48.00128622]},
                "observedAt": "2024-06-10T08:20:00Z",
            },
        },
    ),
    "sensorthings-rain": _counts(3, 3, 1),
    "lorawan-milesight-chirpstack": _counts(2, 2, 1),
    "sparkplug": _counts(3, 3, 1),
    "ulm-districts": _counts(1, 1, 1),
    "rotterdam-3d": _counts(3, 3, 3),
    "wot-things": _counts(2, 1, 1, "check no-template @type"),
    "onem2m-ae": _counts(1, 1, 1),
}  # fmt: skip


def make(data: Path) -> Path:
    """Write the files below a folder, and return it."""
    for name, body in {**_transit(), **_json(), **_devices()}.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    return data


def _transit() -> dict[str, Any]:
    feed = gtfs.FeedMessage()
    feed.header.gtfs_realtime_version, feed.header.timestamp = "2.0", _AT
    for n in range(3):
        vehicle = feed.entity.add(id=str(n)).vehicle
        vehicle.vehicle.id, vehicle.timestamp = f"bus-{n}", _AT
        if n:
            vehicle.position.latitude, vehicle.position.longitude = 47.5 + n, -122.25
    return {
        "transit/gtfs-rt/made-vehicle-positions.pb": feed.SerializeToString(),
        "transit/gtfs-rt/invalid.pb": b"no protobuf at all",
        "timeseries/traffic_twin_cities/speed_6005.csv": (
            b"timestamp,value\n2026-01-01 00:00:00,50\n2026-01-01 00:10:00,100\n2026-01-01 00:20:00,fast\n"
        ),
    }


def _json() -> dict[str, Any]:
    request = {
        "service_request_id": "1", "service_name": "Light out", "service_code": "l",
        "requested_datetime": "2026-01-01T00:00:00-06:00", "lat": 41.85872, "long": -87.66475,
    }  # fmt: skip
    bay = {
        "type": "Feature", "geometry": {"type": "Point", "coordinates": [413824.91, 5317088.87]},
        "properties": {"park_id": "P5", "park_name": "Bahnhof", "obs_free": "56", "obs_max": "105",
                       "obs_ts": "2024-06-10 10:20:00"},
    }  # fmt: skip
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
    corners = [[9.9, 48.3], [10.0, 48.3], [10.0, 48.4], [9.9, 48.3]]
    district = {
        "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {"name": "Altstadt", "cartodb_id": "u1", "updated_at": "2026-01-01T00:00:00Z"},
    }  # fmt: skip
    rain = [{"phenomenonTime": f"2026-01-01T0{n}:00:00+08:00", "result": n / 10} for n in range(3)]
    lamp = {"@context": "https://www.w3.org/2022/wot/td/v1.1", "id": "urn:dev:lamp", "title": "Lamp"}
    return {
        "open311/chicago_service_requests.json": [
            {**request, "status": "open"}, {**request, "service_request_id": "2"},
        ],
        "parking_mobility/parking/freiburg.json": {"type": "FeatureCollection", "crs": crs, "features": [bay]},
        "sensorthings/swmm_rainfall_observations.json": rain,
        "geo3d/geojson/ulm_districts.geojson": {"type": "FeatureCollection", "features": [district]},
        "geo3d/cityjson/rotterdam_subset.json": cityjson(),
        "wot/made/lamp.td.json": lamp,
        "wot/made/lamp.tm.json": {**lamp, "@type": "tm:ThingModel", "title": "{{NAME}}"},
        "opcua_onem2m/onem2m/AEGetSuccess.xml": (
            b'<m2m:ae xmlns:m2m="http://www.onem2m.org/xml/protocols"><ri>A1</ri><rn>plant</rn><pi>base</pi>'
            b"<ct>2026-01-01T00:00:00+01:00</ct></m2m:ae>"
        ),
    }  # fmt: skip


def _devices() -> dict[str, Any]:
    found: dict[str, Any] = {
        f"lorawan_mqtt/lorawan/Milesight_EM300-TH/ChirpStack/payload_{n}.json": chirpstack_uplink(
            CHIRPSTACK[0], _AT + 600 * n, n
        )[1]
        for n in range(2)
    }
    at = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    for n, kind in enumerate(("NBIRTH", "NDATA", "NDEATH")):
        message = payload_class()(timestamp=at + n * 1000, seq=n)
        if kind != "NDEATH":
            metric = message.metrics.add(alias=1, datatype=10, double_value=20.5 + n)
            if kind == "NBIRTH":
                metric.name = "Temperature"
        found[f"lorawan_mqtt/sparkplug_b/{kind}_V1.bin"] = message.SerializeToString()
    return found
