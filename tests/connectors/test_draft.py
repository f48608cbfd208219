"""Drafts: what a declaration made from a sample says, that it runs as it is, and what it asks."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.transit import gtfs_realtime_pb2 as gtfs
from typer.testing import CliRunner

from connectors.__main__ import app
from connectors.draft import Draft, ask_for_domain, draft_sample, draft_thing, write_draft
from connectors.errors import FeedError
from connectors.feed import load
from connectors.names import Names, load_names
from connectors.settings import ConnectorSettings
from connectors.things import read_thing
from connectors.trial import Trial, try_file
from docker.local.stack import ROOT
from tests.connectors.decoders.samples import cityjson, geopackage, parquet, shapefile, workbook, zipped

CONTEXT = ROOT / "city" / "context.jsonld"
STATIONS = (
    "Station Id;Zeit;Temp (°C);Luftfeuchte;PM2.5 [µg/m3];lon;lat;Owner\n"
    "a1;01.02.2026 10:00;12,5;80;7.5;9.99;48.4;Zoe\na1;01.02.2026 11:00;12.7;81;8;9.99;48.4;Zoe\n"
    "b2;13.02.2026 10:00;13.1;79;9;10.01;48.41;Max\n"
)


def names() -> Names:
    return load_names(CONTEXT)


def tried(draft: Any, sample: Path, folder: Path) -> Trial:
    """Run a draft as it stands, with the terms that it wants to be added."""
    path = folder / f"{draft.feed}.yaml"
    path.write_text(draft.text, encoding="utf-8")
    known = {**json.loads(CONTEXT.read_text(encoding="utf-8"))["@context"], **draft.terms}
    settings = ConnectorSettings.model_validate({"city": folder, "state": folder / "state"})
    return try_file(load(path, {}), Names(known), settings, sample, 100)


def test_a_german_table(tmp_path: Path) -> None:
    sample = tmp_path / "air stations.csv"
    sample.write_bytes(STATIONS.replace("12,5", "12.5").encode("cp1252"))
    draft = draft_sample(sample, "air-stations", "environment", names(), "Europe/Berlin")
    declared = yaml.safe_load(draft.text)
    assert declared["decoder"] == {"kind": "csv", "delimiter": ";", "encoding": "cp1252"}
    assert declared["key"] == 'to_string("Station Id")'
    (mapping,) = declared["mapping"]
    assert mapping["type"] == "AirQualityObserved"
    assert mapping["observedAt"] == "time(Zeit, '%d.%m.%Y %H:%M', 'Europe/Berlin')"
    assert mapping["attributes"] == {
        "location": {"type": "GeoProperty", "value": "point(lon, lat)"},
        "stationId": '"Station Id"',
        "temperature": {"value": 'number("Temp (°C)")', "unitCode": "CEL"},
        "luftfeuchte": "number(Luftfeuchte)",
        "pm25": {"value": 'number("PM2.5 [µg/m3]")', "unitCode": "GQ"},
    }
    assert "Owner" not in declared["minimise"]["keep"]
    assert draft.report["left_out"] == ["Owner"]
    assert draft.report["fields"]["Temp (°C)"] == {"term": "temperature", "confidence": 0.9}
    assert draft.terms.keys() == {"stationId", "luftfeuchte"}
    for question in ("carry no zone: is it Europe/Berlin", "Owner looks personal", "degrees of WGS 84"):
        assert any(question in one for one in draft.questions)
        assert question in draft.text
    trial = tried(draft, sample, tmp_path)
    assert (trial.records, len(trial.entities), trial.violations) == (3, 3, [])
    assert trial.entities[2]["id"] == "urn:ngsi-ld:AirQualityObserved:air-stations:b2"
    assert trial.removed == {"Owner": 3}
    assert "Zoe" not in draft.text


SAMPLES = {
    "book.xlsx": lambda folder: workbook([["id", "when", "speed_kmh"], ["a", "2026-01-01T00:00:00Z", 50]]),
    "list.json": lambda folder: json.dumps(
        {"meta": [{"a": 1}], "data": {"items": [{"id": n, "timestamp": 1_760_000_000, "n": n} for n in range(5)]}}
    ).encode(),
    "calls.xml": lambda folder: b"<r><calls>" + b"<call id='1'><at>2026-01-01</at></call>" * 3 + b"</calls></r>",
    "rows.parquet": lambda folder: parquet({"id": ["a", "b"], "ts": ["2026-01-01T00:00:00Z"] * 2, "v": [1.5, 2.0]}),
    "map.geojson": lambda folder: json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"code": "x"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    ]}).encode(),
    "map.zip": lambda folder: shapefile(folder),
    "map.gpkg": lambda folder: geopackage(folder).read_bytes(),
    "city.json": lambda folder: json.dumps(cityjson()).encode(),
    "many.zip": lambda folder: zipped({"a.csv": b"id,date,n\n1,2026-01-01,4\n", "readme.txt": b"x"}),
}  # fmt: skip
KINDS = {
    "book.xlsx": "xlsx", "list.json": "json", "calls.xml": "xml", "rows.parquet": "parquet", "map.geojson": "geojson",
    "map.zip": "shapefile", "map.gpkg": "geopackage", "city.json": "cityjson", "many.zip": "csv",
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_told_by_its_bytes_and_its_draft_runs(name: str, tmp_path: Path) -> None:
    sample = tmp_path / f"{name}.bin"
    sample.write_bytes(SAMPLES[name](tmp_path))
    draft = draft_sample(sample, "some-feed", "environment", names(), "Europe/Madrid")
    assert yaml.safe_load(draft.text)["decoder"]["kind"] == KINDS[name]
    trial = tried(draft, sample, tmp_path)
    assert trial.entities
    assert trial.violations == []


def test_columns_that_yaml_would_read_as_something_else(tmp_path: Path) -> None:
    """`No` is a number and no false, and the space at a name's end is part of it: the draft runs as it is."""
    rows = [{"No": n, "Off": "a", "Level ": n + 0.5, "read at": f"2026-02-01T1{n}:00:00Z"} for n in (1, 2)]
    sample = tmp_path / "meters.json"
    sample.write_text(json.dumps(rows))
    draft = draft_sample(sample, "meters", "environment", names(), "UTC")
    assert yaml.safe_load(draft.text)["minimise"]["keep"] == ["No", "Off", "Level ", "read at"]
    trial = tried(draft, sample, tmp_path)
    assert (trial.records, len(trial.entities), trial.violations) == (2, 2, [])


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"", "is empty"), (b"\x00\x01\x02", "not known"), (b'{"a": ', "is none"), (b"<a><b/></a>", "repeated")],
)
def test_what_is_no_sample_is_refused(raw: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(FeedError, match=said):
        draft_sample(tmp_path / "x", "x", "environment", names(), "UTC")


THING: dict[str, Any] = {
    "@context": "https://www.w3.org/2022/wot/td/v1.1", "id": "urn:dev:lamp:1", "title": "Lamp 1", "base": "http://127.0.0.1/",
    "securityDefinitions": {"n": {"scheme": "nosec"}}, "security": "n",
    "properties": {
        "temperature": {"type": "number", "unit": "celsius", "minimum": -40, "maximum": 85, "forms": [{"href": "t"}]},
        "state": {"type": "object", "properties": {"on": {}, "power": {}}, "forms": [{"href": "mqtt://h:1884/lamp/s"}]},
        "secret": {"writeOnly": True, "forms": [{"href": "s"}]},
        "coil": {"forms": [{"href": "modbus+tcp://h/1"}]},
    },
}  # fmt: skip


def test_a_thing_becomes_feeds(tmp_path: Path) -> None:
    thing = read_thing(json.dumps(THING).encode(), "td")
    first, second = draft_thing(thing, "environment", names())
    assert thing.left == {"secret": "it can only be written", "coil": "modbus+tcp is no protocol that feeds speak"}
    declared = yaml.safe_load(first.text)
    assert declared["source"] == {"kind": "http", "url": "http://127.0.0.1/t", "every": "1m"}
    assert declared["quality"] == {"ranges": {"temperature": [-40, 85]}}
    assert yaml.safe_load(second.text)["source"] == {"kind": "mqtt", "host": "h:1884", "topics": ["lamp/s"]}
    (tmp_path / "reading").write_bytes(b"21.5")
    (entity,) = tried(first, tmp_path / "reading", tmp_path).entities
    temperature = entity["https://smartdatamodels.org/dataModel.Weather/temperature"]
    assert entity["id"] == "urn:dev:lamp:1"
    assert (temperature["value"], temperature["unitCode"]) == (21.5, "CEL")
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "s").write_bytes(b'{"on": true, "power": 4, "serial": "x"}')
    trial = tried(second, tmp_path / "s", tmp_path)
    assert [one["https://datapolis.example/ns#power"]["value"] for one in trial.entities] == [4]
    assert trial.removed == {"value/serial": 1}


READ = {  # file: properties with a feed, properties left out; None: refused as a whole
    "playground/Modbus-multiple-operations.td.jsonld": None,
    "playground/basic-td.td.jsonld": (["status"], []),
    "playground/collection-rel.td.jsonld": (["status"], []),
    "playground/combined-uriVariables-href.td.jsonld": None,
    "playground/event-serialization.td.jsonld": (["status"], []),
    "playground/multilanguage.td.jsonld": (["on", "status"], []),
    "playground/state-information-context-extension.td.jsonld": (["status", "fullStatus"], []),
    "td-context-1.1.jsonld": None,
    "test-things/advanced-coffee-machine.tm.json": None,
    "test-things/counter-thing.td.json": (["count", "lastChange"], ["countAsImage", "redDotImage"]),
    "test-things/http-content-negotiation-calculator-thing.td.jsonld": (["result", "lastChange"], []),
    "test-things/mqtt-calculator.td.json": (["result", "lastChange"], []),
    "test-things/smart-home-smart-clock.td.json": None,
}  # fmt: skip


def test_every_recorded_thing_is_imported_or_refused_with_a_reason(data: Path | None, tmp_path: Path) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    files = {str(path.relative_to(data / "wot")) for path in (data / "wot").rglob("*.json*")}
    assert files == set(READ)
    for name, wanted in READ.items():
        raw = (data / "wot" / name).read_bytes()
        if wanted is None:
            with pytest.raises(FeedError, match=r"is no protocol|has variables|Thing Model|its @context is not"):
                read_thing(raw, name)
            continue
        thing = read_thing(raw, name)
        assert ([one.property for one in thing.feeds], list(thing.left)) == wanted
        for draft in draft_thing(thing, "environment", names()):
            (tmp_path / "reading").write_bytes(b'"on"' if "status" in draft.feed else b"1")
            trial = tried(draft, tmp_path / "reading", tmp_path)
            assert len(trial.entities) == 1, (name, draft.text, trial.violations)


def test_new_writes_into_the_city_and_never_over_a_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "feeds").mkdir()
    shutil.copy(CONTEXT, tmp_path)
    (tmp_path / "city.yaml").write_text("time_zone: Europe/Berlin\n")
    sample = tmp_path / "stations.csv"
    sample.write_text(STATIONS.replace("12,5", "12.5"))
    monkeypatch.setenv("DATAPOLIS_CITY", str(tmp_path))
    monkeypatch.setenv("DATAPOLIS_STATE", str(tmp_path / "state"))
    for name in [
        one for one in os.environ if one.startswith("DATAPOLIS_") and one not in {"DATAPOLIS_CITY", "DATAPOLIS_STATE"}
    ]:
        monkeypatch.delenv(name)
    made = CliRunner().invoke(app, ["new", "--sample", str(sample), "--domain", "environment", "--write", "--json"])
    assert made.exit_code == 0, made.output
    (draft,) = json.loads(made.stdout)
    assert "Europe/Berlin" in draft["text"]
    assert json.loads((tmp_path / "context.jsonld").read_text())["@context"]["luftfeuchte"].endswith("#luftfeuchte")
    checked = CliRunner().invoke(app, ["check", "stations", "--sample", str(sample), "--json"])
    assert checked.exit_code == 0, checked.output
    assert len(json.loads(checked.stdout)["entities"]) == 3
    with pytest.raises(FeedError, match="exists already"):
        write_draft(draft_sample(sample, "stations", "environment", names(), "UTC"), tmp_path)


def test_a_type_that_the_domain_does_not_list_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "domains").mkdir()
    (tmp_path / "domains" / "environment.yaml").write_text("types: [AirQualityObserved]\n")
    (tmp_path / "domains" / "parks.yaml").write_text("types: [Tree, Probes]\n")

    def asked(kind: str, domain: str) -> list[str]:
        head, mapping = "# Drafted from f.\n", f"mapping: [{{type: {kind}}}]\n"
        draft = Draft("f", head + mapping)
        ask_for_domain(draft, domain, tmp_path)
        assert draft.text == head + "".join(f"# QUESTION: {one}\n" for one in draft.questions) + mapping
        return draft.questions

    assert asked("AirQualityObserved", "environment") == []
    assert asked("Probes", "environment") == ["type Probes belongs to domain parks: is the feed to belong there too?"]
    assert asked("Bench", "environment") == [
        "type Bench belongs to no domain of the city, so that nothing of it is stored: "
        "add it to types in domains/environment.yaml"
    ]


PROTOCOLS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "chirpstack": (
        {"deviceInfo": {"devEui": "24e124136b502217", "deviceName": "d1"}, "time": "2026-01-01T00:00:00Z",
         "data": "AA==", "fPort": 1, "object": {"temperature": 21.5}, "rxInfo": [{"rssi": -60, "gatewayId": "g"}]},
        {"kind": "lorawan", "network": "chirpstack", "codecs": {"*": "network"}},
        "24e124136b502217",
    ),
    "things-stack": (
        {"end_device_ids": {"device_id": "d-7", "dev_eui": "0004A30B001B7AD2"},
         "uplink_message": {"frm_payload": "AA==", "decoded_payload": {"level": 3},
                            "received_at": "2026-01-01T00:00:00Z"}},
        {"kind": "lorawan", "network": "tts", "codecs": {"*": "network"}},
        "d-7",
    ),
    "senml": ([{"bn": "s1/", "bt": 1767225600, "n": "temp", "u": "Cel", "v": 21.5}], {"kind": "senml"}, "s1%2Ftemp"),
    "ngsi-v2": (
        {"subscriptionId": "5",
         "data": [{"id": "s1", "type": "Sensor", "level": {"type": "Number", "value": 3, "metadata": {}}}]},
        {"kind": "ngsi"},
        "s1",
    ),
    "ngsi-ld": (
        {"id": "urn:ngsi-ld:Sensor:1", "type": "Sensor", "level": {"type": "Property", "value": 3}},
        {"kind": "ngsi"},
        "urn:ngsi-ld:Sensor:1",
    ),
    "gbfs": (
        {"last_updated": 1767225600, "ttl": 60, "version": "2.2",
         "data": {"stations": [{"station_id": "s1", "num_bikes_available": 3}]}},
        {"kind": "gbfs"},
        "s1",
    ),
    "onem2m": (
        {"m2m:cin": {"ri": "c1", "pi": "p", "ct": "20260101T000000", "con": "{\"level\": 3}"}},
        {"kind": "onem2m"},
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_protocol_is_told_from_a_plain_document(tmp_path: Path, name: str) -> None:
    document, spec, about = PROTOCOLS[name]
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(document))
    draft = draft_sample(sample, "sample", "environment", names(), "UTC")
    assert yaml.safe_load(draft.text)["decoder"] == spec
    trial = tried(draft, sample, tmp_path)
    assert (len(trial.entities), trial.violations) == (1, [])
    assert trial.entities[0]["id"].endswith(about)


def test_a_realtime_message_and_a_timetable(tmp_path: Path) -> None:
    message = gtfs.FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = 1767225600
    entity = message.entity.add(id="1")
    entity.vehicle.vehicle.id = "007"
    entity.vehicle.position.latitude, entity.vehicle.position.longitude = 39.5, -0.5
    sample = tmp_path / "vehicles.pb"
    sample.write_bytes(message.SerializeToString())
    draft = draft_sample(sample, "vehicles", "environment", names(), "UTC")
    assert yaml.safe_load(draft.text)["decoder"] == {"kind": "gtfs-rt", "entity": "vehicle"}
    assert len(tried(draft, sample, tmp_path).entities) == 1
    tables = {
        "stops.txt": b"stop_id,stop_name,stop_lat,stop_lon\n01,Elm,39.5,-0.5\n",
        "routes.txt": b"",
        "trips.txt": b"",
    }
    archive = tmp_path / "timetable.zip"
    archive.write_bytes(zipped(tables))
    draft = draft_sample(archive, "timetable", "environment", names(), "UTC")
    assert yaml.safe_load(draft.text)["decoder"] == {"kind": "gtfs", "tables": ["stops"]}
    assert any("name another in decoder.tables" in one for one in draft.questions)
    (stop,) = tried(draft, archive, tmp_path).entities
    assert stop["id"].endswith(":01"), "an id is no number"


def test_a_text_that_is_no_table_is_refused(tmp_path: Path) -> None:
    sample = tmp_path / "letter.txt"
    sample.write_text("Dear all,\nthe sensors were moved.\nRegards\n")
    with pytest.raises(FeedError, match="is text, but no table"):
        draft_sample(sample, "letter", "environment", names(), "UTC")
