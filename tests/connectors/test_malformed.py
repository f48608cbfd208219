"""Malformed input of every kind ends in a dead letter or a clear refusal, and memory stays bounded."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import FeedError, Rejection
from connectors.feed import Feed
from connectors.mapping import Mapper
from connectors.names import load_names
from docker.local.stack import ROOT
from tests.connectors.decoders.samples import cityjson, decode, geopackage, parquet, shapefile, workbook, zipped
from tests.connectors.endless import CASES

MOST_MB = 220  # what a bounded whole document of 32 MB and its buffers may take; the streams have 120 MB
BILLION_LAUGHS = b"""<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><r><x>&b;</x></r>"""
OUTSIDE = b"""<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><x>&a;</x></r>"""
FEATURE = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":%s}]}'


def rules(raw: bytes, **spec: Any) -> list[str]:
    return [one.rejection.rule if one.rejection else "record" for one in decode(raw, **spec)]


@pytest.mark.parametrize(
    ("raw", "spec", "found"),
    [
        (b"a,b\n1,2\n3", {"kind": "csv"}, ["record", "columns"]),
        (b"a,b\n\xff\xfe,2\n1,2\n", {"kind": "csv"}, ["encoding", "record"]),
        (gzip.compress(b"a\n" + b"1\n" * 5)[:-9], {"kind": "csv"}, ["compression"]),
        (zipped({"a.csv": b"a\n1\n"})[:-30], {"kind": "csv"}, ["archive"]),
        (b'{"a": [1, 2', {"kind": "json"}, ["json"]),
        (b'{"a": NaN}', {"kind": "json"}, ["json"]),
        ('{"a": "é"}'.encode("latin-1"), {"kind": "json"}, ["json"]),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, {"kind": "json"}, ["json"]),
        (b"[1, 2]", {"kind": "json"}, ["object", "object"]),
        (BILLION_LAUGHS, {"kind": "xml", "record": "x"}, ["entity"]),
        (OUTSIDE, {"kind": "xml", "record": "x"}, ["entity"]),
        (BILLION_LAUGHS, {"kind": "citygml"}, ["entity"]),
        (b"<r><x>1</x><x>", {"kind": "xml", "record": "x"}, ["record", "xml"]),
        (b"<r><x>\xff</x></r>", {"kind": "xml", "record": "x"}, ["xml"]),
        (workbook([["a"], [1]])[:-200], {"kind": "xlsx"}, ["archive"]),
        (b"no workbook", {"kind": "xlsx"}, ["archive"]),
        (zipped({"a": b"x"}), {"kind": "xlsx"}, ["workbook"]),
        (parquet({"a": [1]})[:-6], {"kind": "parquet"}, ["parquet"]),
        (b"PAR1junk", {"kind": "parquet"}, ["parquet"]),
        (b"SQLite format 3\0junk" * 9, {"kind": "geopackage"}, ["geopackage"]),
        (b"nothing", {"kind": "geopackage"}, ["geopackage"]),
        (zipped({"a.shp": b"x"}), {"kind": "shapefile"}, ["shapefile"]),
        (zipped({"a.shp": b"x", "a.shx": b"x", "a.dbf": b"x"}), {"kind": "shapefile"}, ["shapefile"]),
        (FEATURE % b'{"type":"Point","coordinates":[400,52]}', {"kind": "geojson"}, ["crs"]),
        (FEATURE % b'{"type":"Point","coordinates":["4",52]}', {"kind": "geojson"}, ["geometry"]),
        (FEATURE % b'{"type":"Polygon","coordinates":[[4,52]]}', {"kind": "geojson"}, ["geometry"]),
        (FEATURE % b'{"type":"Point","coordinates":[4,52]}' [:-3], {"kind": "geojson"}, ["json"]),
        (b'{"type":"Topology"}', {"kind": "geojson"}, ["geojson"]),
        (b'{"type":"Topology"}', {"kind": "topojson"}, ["topojson"]),
        (b'{"type":"FeatureCollection"}', {"kind": "cityjson"}, ["cityjson"]),
        (json.dumps(cityjson()).encode(), {"kind": "cityjson", "crs": "EPSG:4326"}, ["crs", "crs", "crs"]),
        (json.dumps({**cityjson(), "vertices": [[1, 2, 3]]}).encode(), {"kind": "cityjson"},
         ["geometry", "geometry", "record"]),
        (b"<CityModel><cityObjectMember>", {"kind": "citygml"}, ["xml"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(raw: bytes, spec: dict[str, Any], found: list[str]) -> None:
    assert rules(raw, **spec) == found


def test_a_map_in_a_wrong_reference_system_is_refused(tmp_path: Path) -> None:
    raw = geopackage(tmp_path).read_bytes()
    assert rules(raw, kind="geopackage", crs="EPSG:4326") == ["crs", "crs"]
    assert rules(shapefile(tmp_path / ".."), kind="shapefile", crs="EPSG:4326") == ["crs", "crs"]
    for left in (tmp_path / "..").glob("places.*"):
        left.unlink()
    with pytest.raises(FeedError, match="is no coordinate reference system"):
        rules(raw, kind="geopackage", crs="EPSG:1")


@pytest.mark.parametrize(
    ("when", "value", "outcome"),
    [
        ("1900-01-01T00:00:00Z", 1, ("past", "temperature")),
        ("2100-01-01T00:00:00Z", 1, ("future", "temperature")),
        ("2026-01-01T00:00:00", 1, ("time-zone", "observedAt")),
        ("2026-13-01T00:00:00Z", 1, ("time", "observedAt")),
        ("2026-01-01T00:00:00Z", "NaN", ("number", "temperature")),
        ("2026-01-01T00:00:00Z", "inf", ("number", "temperature")),
        ("2026-01-01T00:00:00Z", {"a": 1}, ("number", "temperature")),
        ("2026-01-01T00:00:00Z", "21.5", None),
    ],
)
def test_values_that_cannot_be(when: str, value: Any, outcome: tuple[str, str] | None) -> None:
    feed = Feed.model_validate({
        "feed": "f", "title": "t", "domain": "environment", "source": {"kind": "file", "path": "x"},
        "decoder": {"kind": "json"}, "key": "'k'", "minimise": {"keep": ["v", "t"]},
        "mapping": [{"type": "WeatherObserved", "id": "urn('W', 'x')", "observedAt": "time(t)",
                     "attributes": {"temperature": "number(v)"}}],
    })  # fmt: skip
    mapper = Mapper(feed, load_names(ROOT / "city" / "context.jsonld"))
    (found,) = mapper.map({"v": value, "t": when}, datetime(2026, 11, 22, tzinfo=UTC))
    assert ((found.rule, found.field) if isinstance(found, Rejection) else None) == outcome
    if isinstance(found, Rejection):
        assert str(value) not in found.suggestion or value == 1


@pytest.mark.timeout(300)
def test_memory_is_bounded_however_long_the_input() -> None:
    command = [sys.executable, "-m", "tests.connectors.endless"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=280)
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert {name: one["first"] for name, one in found.items()} == {name: rule for name, (_, _, rule) in CASES.items()}
    assert max(one["grown_mb"] for one in found.values()) < MOST_MB
    assert sum(one["grown_mb"] for one in found.values()) < MOST_MB
