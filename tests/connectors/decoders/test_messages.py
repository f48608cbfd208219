"""Sparkplug B, SenML, oneM2M and NGSI notifications: recorded payloads, the standards' own examples, refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.decoders import decoder
from connectors.decoders.decoded import Decoded
from connectors.decoders.gbfs import decode_gbfs
from connectors.decoders.sparkplug import payload_class
from connectors.specs.protocols import GbfsDecoder, NgsiDecoder, OneM2MDecoder, SenmlDecoder, SparkplugDecoder

SPARKPLUG = SparkplugDecoder(kind="sparkplug-b")


def run(spec: Any, body: Any, name: str = "t", memory: dict[str, Any] | None = None) -> list[Decoded]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(decoder(spec, memory)(io.BytesIO(raw), name))


def rules(found: list[Decoded]) -> list[str]:
    return [one.rejection.rule for one in found if one.rejection is not None]


def test_recorded_births_data_and_deaths(data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    folder, memory = data / "lorawan_mqtt" / "sparkplug_b", dict[str, Any]()
    raw = {name: (folder / f"{name}.bin").read_bytes() for name in ("NBIRTH_V1", "NDATA_V1", "NDEATH_V1")}
    assert rules(run(SPARKPLUG, raw["NDATA_V1"], "spBv1.0/g/NDATA/n", memory)) == ["alias"]
    (birth,) = run(SPARKPLUG, raw["NBIRTH_V1"], "spBv1.0/g/NBIRTH/n", memory)
    assert birth.record is not None
    assert (birth.record["online"], birth.record["seq"], len(birth.record["metrics"])) == (True, 0, 3)
    kept = json.loads(json.dumps(memory))
    (datum,) = run(SPARKPLUG, raw["NDATA_V1"], "spBv1.0/g/NDATA/n", kept)
    assert datum.record is not None
    ((name, value),) = datum.record["metrics"].items()
    assert name in birth.record["metrics"]
    assert isinstance(value, float)
    (death,) = run(SPARKPLUG, raw["NDEATH_V1"], "spBv1.0/g/NDEATH/n", memory)
    assert death.record is not None
    assert (death.record["message"], death.record["online"], list(death.record["metrics"])) == (
        "DEATH", False, ["bdSeq"],
    )  # fmt: skip
    (large,) = run(SPARKPLUG, (folder / "NBIRTH_LARGE.bin").read_bytes(), "spBv1.0/g/NBIRTH/m", memory)
    assert large.record is not None
    assert len(large.record["metrics"]) == 102


def test_sparkplug_kinds_of_values() -> None:
    message = payload_class()(timestamp=1_700_000_000_000, seq=3)
    message.metrics.add(name="a/b", datatype=3, int_value=2**32 - 5)
    message.metrics.add(name="long", datatype=4, long_value=2**64 - 7)
    message.metrics.add(name="when", datatype=13, long_value=1_700_000_001_000, timestamp=1_700_000_002_000)
    message.metrics.add(name="none", datatype=9, is_null=True)
    message.metrics.add(name="nan", datatype=10, double_value=float("nan"))
    message.metrics.add(name="float", datatype=9, float_value=0.1)
    (found,) = run(SPARKPLUG, message.SerializeToString(), "spBv1.0/g/DDATA/n/d", {})
    assert found.record == {
        "group": "g", "node": "n", "device": "d", "message": "DATA", "online": True, "seq": 3,
        "time": "2023-11-14T22:13:20Z",
        "metrics": {"a.b": -5, "long": -7, "when": "2023-11-14T22:13:21Z", "float": 0.1},
        "times": {"a.b": "2023-11-14T22:13:20Z", "long": "2023-11-14T22:13:20Z", "when": "2023-11-14T22:13:22Z",
                  "float": "2023-11-14T22:13:20Z"},
    }  # fmt: skip
    assert rules(run(SPARKPLUG, b"\xff\xff", "spBv1.0/g/NDATA/n", {})) == ["protobuf"]
    assert rules(run(SPARKPLUG, b"", "spBv1.0/STATE/host", {})) == ["topic"]


def test_senml_of_the_rfc() -> None:
    """RFC 8428, 5.1.3: base name, base time, base unit; and what is refused."""
    pack = [
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e09, "bu": "A", "bver": 5, "n": "voltage", "u": "V",
         "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2}, {"n": "current", "t": -4, "v": 1.3}, {"n": "door", "vb": True},
    ]  # fmt: skip
    found = [one.record for one in run(SenmlDecoder(kind="senml"), pack)]
    assert found[0] == {
        "name": "urn:dev:ow:10e2073a0108006:voltage", "base": "urn:dev:ow:10e2073a0108006:", "rest": "voltage",
        "time": "2010-06-08T18:01:16.001Z", "unit": "V", "value": 120.1,
    }  # fmt: skip
    assert found[1] is not None
    assert (found[1]["time"], found[1]["unit"]) == ("2010-06-08T18:01:11.001Z", "A")
    assert found[3] is not None
    assert found[3]["value"] is True
    packed = [one.record for one in run(SenmlDecoder(kind="senml", pack=True), pack)]
    assert packed[0] is not None
    assert packed[0]["values"] == {"voltage": 120.1, "door": True}
    assert packed[0]["units"] == {"voltage": "V", "door": "A"}
    assert len(packed) == 3
    wrong = [{"n": "a", "v": 1, "vs": "x"}, {"v": 1}, {"n": "b", "v": "x"}, {"n": "c", "v": 1, "new_": 2}, 7]
    assert rules(run(SenmlDecoder(kind="senml"), wrong)) == ["value", "name", "number", "extension", "object"]
    assert rules(run(SenmlDecoder(kind="senml"), {"n": "a"})) == ["pack"]


def test_onem2m_notifications_and_resources() -> None:
    spec = OneM2MDecoder(kind="onem2m")
    instance = {"ri": "cin1", "pi": "cnt1", "ty": 4, "ct": "20151118T163841,000000", "con": '{"level": 5}'}
    sign = {"m2m:sgn": {"nev": {"net": 3, "rep": {"m2m:cin": instance}}, "sur": "cse/sub"}}
    (found,) = run(spec, sign)
    assert found.record == {
        **instance, "ct": "2015-11-18T16:38:41.000000Z", "resource": "cin", "event": 3, "content": {"level": 5},
    }  # fmt: skip
    assert run(spec, {"m2m:sgn": {"vrq": True, "sur": "cse/sub"}}) == []
    encoded = {"m2m:cin": {"ri": "x", "cnf": "text/plain:1", "con": "MTAx"}}
    assert run(spec, encoded)[0].record == {**encoded["m2m:cin"], "resource": "cin", "content": 101}
    listed = {"m2m:cnt": {"ri": "c", "m2m:cin": [{"ri": "1", "con": "a"}, {"ri": "2", "con": "b"}]}}
    assert [one.record and one.record["ri"] for one in run(spec, listed)] == ["c", "1", "2"]
    assert rules(run(spec, {"m2m:sgn": {}})) == ["resource"]


def test_ngsi_notifications() -> None:
    spec = NgsiDecoder(kind="ngsi")
    v2 = {
        "subscriptionId": "5", "data": [{"id": "Room1", "type": "Room", "temperature": {
            "type": "Number", "value": 28.5, "metadata": {"TimeInstant": {"type": "DateTime", "value": "2026-01-01"},
                                                          "unitCode": {"type": "Text", "value": "CEL"}}}}],
    }  # fmt: skip
    assert run(spec, v2)[0].record == {
        "id": "Room1", "type": "Room", "attrs": {"temperature": 28.5}, "observed": {"temperature": "2026-01-01"},
        "units": {"temperature": "CEL"},
    }  # fmt: skip
    assert run(spec, {"data": [{"id": "a", "type": "T", "t": 3}]})[0].record == {
        "id": "a", "type": "T", "attrs": {"t": 3}, "observed": {}, "units": {},
    }  # fmt: skip
    ld = {
        "type": "Notification", "notifiedAt": "2026-01-01T00:00:00Z", "data": [{
            "id": "urn:ngsi-ld:Room:1", "type": ["Room"], "createdAt": "2026", "https://x.example/ns#temp": [
                {"type": "Property", "value": 1, "datasetId": "urn:d"},
                {"type": "Property", "value": 2, "observedAt": "2026-01-01T00:00:00Z", "unitCode": "CEL"}],
            "isIn": {"type": "Relationship", "object": "urn:ngsi-ld:House:1"}, "name": "plain"}],
    }  # fmt: skip
    assert run(spec, ld)[0].record == {
        "id": "urn:ngsi-ld:Room:1", "type": "Room", "notified": "2026-01-01T00:00:00Z",
        "attrs": {"temp": 2, "isIn": "urn:ngsi-ld:House:1", "name": "plain"},
        "observed": {"temp": "2026-01-01T00:00:00Z"}, "units": {"temp": "CEL"},
    }  # fmt: skip
    assert rules(run(spec, {"data": [{"type": "T"}, 5]})) == ["entity", "entity"]
    assert rules(run(spec, {"data": 1})) == ["notification"]


def test_recorded_entities_of_ngsi_v2(data: Path | None) -> None:
    """The NGSIv2 entities that the smart data models publish, as a broker notifies of them: every value and unit."""
    if data is None:
        pytest.skip("the recorded data are not here (DATAPOLIS_DATA)")
    spec = NgsiDecoder(kind="ngsi")
    found = sorted((data / "smart_data_models").rglob("example-normalized.json"))
    assert len(found) == 22
    units = 0
    for path in found:
        entity = json.loads(path.read_bytes())
        attributes = {name: one for name, one in entity.items() if name not in {"id", "type"}}
        (one,) = run(spec, {"subscriptionId": "5aeb0ee97d4ef10a12a0262f", "data": [entity]})
        assert one.record is not None, path
        assert (one.record["id"], one.record["type"]) == (entity["id"], entity["type"])
        assert one.record["attrs"] == {name: said["value"] for name, said in attributes.items()}, path
        assert one.record["units"] == {
            name: said["metadata"]["unitCode"]["value"]
            for name, said in attributes.items()
            if "unitCode" in said.get("metadata", {})
        }, path
        units += len(one.record["units"])
        assert [again.record for again in run(spec, [entity])] == [one.record]
    assert units > 0


def test_gbfs_three_reads_like_one() -> None:
    """The same station as versions 1 and 3 write it."""
    spec = GbfsDecoder(kind="gbfs", language="fr")
    old = {"last_updated": 1631517710, "data": {"stations": [{"station_id": "1", "name": "Gare", "is_renting": 1,
           "num_bikes_available": 2, "last_reported": 1631517287}]}}  # fmt: skip
    new = {"last_updated": "2021-09-13T07:21:50Z", "version": "3.0", "data": {"stations": [{"station_id": "1",
           "name": [{"text": "Station", "language": "en"}, {"text": "Gare", "language": "fr"}], "is_renting": True,
           "num_vehicles_available": 2, "last_reported": "2021-09-13T07:14:47Z"}]}}  # fmt: skip
    records = [
        next(decode_gbfs(io.BytesIO(json.dumps(one).encode()), "station_status.json", spec)) for one in (old, new)
    ]
    first, second = (one.record for one in records)
    assert first is not None
    assert second is not None
    assert {**first, "version": "3.0"} == second
    assert second["file"] == "station_status"
    assert rules(run(spec, {"data": 1})) == ["data"]
