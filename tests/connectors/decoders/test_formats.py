"""File formats: what records are made of each, and that coordinates are PROJ's to a metre."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer

from connectors.decoders.split import items
from connectors.decoders.unpack import Damaged
from connectors.errors import FeedError
from tests.connectors.decoders.samples import DAM, cityjson, decode, geopackage, parquet, shapefile, workbook, zipped

LON, LAT = Transformer.from_crs("EPSG:28992", "EPSG:4326", always_xy=True).transform(*DAM)


def records(raw: bytes, **spec: object) -> list[object]:
    return [one.record if one.rejection is None else one.rejection.rule for one in decode(raw, **spec)]


def apart_m(position: list[float], lon: float = LON, lat: float = LAT) -> float:
    return float(Geod(ellps="WGS84").inv(position[0], position[1], lon, lat)[2])


def test_workbook_rows_are_typed_and_empty_cells_left_out() -> None:
    when = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - workbooks know no zone
    raw = workbook([["Report"], ["id", "when", "n", "ok"], ["a", when, 1.5, True], [None] * 4, ["b", None, 2, False]])
    found = decode(raw, kind="xlsx", header=2)
    assert [one.position for one in found] == ["f!3", "f!5"]
    assert [one.record for one in found] == [
        {"id": "a", "when": "2026-01-02T03:04:05", "n": 1.5, "ok": True},
        {"id": "b", "n": 2, "ok": False},
    ]
    assert records(workbook([["a"], [1], [1, 2]]), kind="xlsx") == [{"a": 1}, "columns"]
    with pytest.raises(FeedError, match="no sheet 'x'; it has data"):
        decode(raw, kind="xlsx", sheet="x")
    with pytest.raises(FeedError, match="names a twice"):
        decode(workbook([["a", "a"]]), kind="xlsx")


def test_xml_elements_become_objects() -> None:
    raw = b"""<?xml version="1.0" encoding="ISO-8859-1"?><r xmlns="urn:x"><list>
      <item id="1"><name>Fran\xe7a</name><tag>a</tag><tag>b</tag><none/></item>
      <item id="2">text</item></list><item>outside the path</item></r>"""
    assert records(raw, kind="xml", record="list/item") == [
        {"@id": "1", "name": "França", "tag": ["a", "b"]},
        {"@id": "2", "#": "text"},
    ]


def test_parquet_types_and_geoparquet() -> None:
    when = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    raw = parquet({"a": [1, None], "t": [when, None], "d": [Decimal("1.50"), Decimal(2)], "x": [float("nan"), 0.5]})
    assert records(raw, kind="parquet") == [{"a": 1, "t": "2026-01-02T00:00:00+00:00", "d": 1.5}, {"d": 2, "x": 0.5}]
    geo = {"version": "1.1.0", "primary_column": "geometry",
           "columns": {"geometry": {"encoding": "WKB", "crs": "EPSG:28992"}}}  # fmt: skip
    (placed,) = decode(parquet({"geometry": [shapely.to_wkb(shapely.Point(DAM))]}, geo), kind="parquet")
    assert placed.record is not None
    assert apart_m(placed.record["geometry"]["coordinates"]) < 0.01


def test_geojson_whole_old_crs_lines_and_gzip() -> None:
    feature = {
        "type": "Feature",
        "id": 7,
        "properties": {"n": 1},
        "geometry": {"type": "Point", "coordinates": [4, 52]},
    }
    whole = {
        "type": "FeatureCollection",
        "features": [feature, {"type": "Feature", "properties": None, "geometry": None}],
    }
    first = {"id": 7, "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [4, 52]}}
    assert records(json.dumps(whole).encode(), kind="geojson") == [first, {"properties": {}}]
    assert records(gzip.compress(json.dumps(whole).encode()), kind="geojson")[0] == first
    assert records((json.dumps(feature) + "\n" + json.dumps(feature) + "\n").encode(), kind="geojson") == [first, first]
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::28992"}}
    feature["geometry"] = {"type": "Point", "coordinates": DAM}
    (placed,) = decode(
        json.dumps({"type": "FeatureCollection", "crs": named, "features": [feature]}).encode(), kind="geojson"
    )
    assert placed.record is not None
    assert apart_m(placed.record["geometry"]["coordinates"]) < 0.01
    assert records(json.dumps({"type": "FeatureCollection", "features": [feature]}).encode(), kind="geojson") == ["crs"]


def test_topojson_joins_arcs() -> None:
    topology = {
        "type": "Topology",
        "transform": {"scale": [0.5, 0.5], "translate": [4, 52]},
        "arcs": [[[0, 0], [2, 0], [0, 2]], [[0, 0], [0, 2], [2, 0]]],
        "objects": {
            "areas": {"type": "GeometryCollection", "geometries": [
                {"type": "Polygon", "arcs": [[0, ~1]], "id": "a", "properties": {"n": 1}}]},
            "spot": {"type": "Point", "coordinates": [2, 2]},
        },
    }  # fmt: skip
    ring = [[4, 52], [5, 52], [5, 53], [4, 53], [4, 52]]
    assert records(json.dumps(topology).encode(), kind="topojson") == [
        {"id": "a", "properties": {"object": "areas", "n": 1}, "geometry": {"type": "Polygon", "coordinates": [ring]}},
        {"properties": {"object": "spot"}, "geometry": {"type": "Point", "coordinates": [5, 53]}},
    ]
    assert len(records(json.dumps(topology).encode(), kind="topojson", object="spot")) == 1
    assert records(b'{"type": "Topology", "arcs": [], "objects": {"a": {"type": "LineString", "arcs": [3]}}}',
                   kind="topojson") == ["topojson"]  # fmt: skip


def test_topojson_leaves_out_what_has_collapsed() -> None:
    topology = {
        "type": "Topology",
        "arcs": [[[4, 52], [5, 52], [5, 53], [4, 52]], [[6, 52], [6, 53], [6, 52]]],
        "objects": {
            "areas": {"type": "GeometryCollection", "geometries": [
                {"type": "MultiPolygon", "arcs": [[[1]], [[0], [1]]]}, {"type": "Polygon", "arcs": [[1]]}]},
        },
    }  # fmt: skip
    found = [one.record for one in decode(json.dumps(topology).encode(), kind="topojson")]
    whole, collapsed = (one["geometry"]["coordinates"] for one in found if one is not None)
    assert whole == [[[[4, 52], [5, 52], [5, 53], [4, 52]]]]
    assert collapsed == [[[6, 52], [6, 53], [6, 52]]]


def test_geopackage_and_shapefile_are_reprojected(tmp_path: Path) -> None:
    for raw, kind in ((geopackage(tmp_path).read_bytes(), "geopackage"), (shapefile(tmp_path), "shapefile")):
        found = decode(raw, kind=kind)
        assert len(found) == 2
        record = found[0].record
        assert record is not None
        assert record["properties"] == {"name": "n0", "number": 0}
        assert apart_m(record["geometry"]["coordinates"]) < 0.01
    path = geopackage(tmp_path / "..", crs="EPSG:4326", points=[(4.5, 52.25)])
    with path.open("rb") as stream:
        from connectors.decoders import decoder
        from connectors.specs.formats import VectorDecoder

        (same,) = decoder(VectorDecoder(kind="geopackage"))(stream, "f")
    path.unlink()
    assert same.record is not None
    assert same.record["geometry"] == {"type": "Point", "coordinates": [4.5, 52.25]}


def test_a_file_without_a_reference_system_is_refused_until_it_is_declared(tmp_path: Path) -> None:
    raw = shapefile(tmp_path, leave_out=".prj")
    with pytest.raises(FeedError, match=r"does not say its coordinate reference system; set decoder\.crs"):
        decode(raw, kind="shapefile")
    assert len(records(raw, kind="shapefile", crs="EPSG:28992")) == 2
    assert records(raw, kind="shapefile", crs="EPSG:4326") == ["crs", "crs"]
    with pytest.raises(FeedError, match="is no coordinate reference system"):
        decode(raw, kind="shapefile", crs="EPSG:999999")


def test_cityjson_footprints_heights_and_templates() -> None:
    document = cityjson()
    house, part, lamp = (one.record for one in decode(json.dumps(document).encode(), kind="cityjson"))
    assert house is not None
    assert part is not None
    assert lamp is not None
    assert (house["id"], house["type"], house["properties"], house["children"]) == (
        "house", "Building", {"storeys": 1}, ["house-1"],
    )  # fmt: skip
    assert (part["zMin"], part["zMax"], part["lod"], part["parents"]) == (1.0, 4.0, "2.2", ["house"])
    assert house["geometry"] == part["geometry"]
    shape = shapely.Polygon(part["geometry"]["coordinates"][0])
    corners = np.array(shape.exterior.coords)
    assert len(corners) == 5
    assert min(apart_m(list(corner)) for corner in corners) < 0.01
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shape)
    assert abs(area) == pytest.approx(50, abs=0.1)
    assert (lamp["zMin"], lamp["zMax"], lamp["lod"]) == (1.0, 5.0, "1")
    nearest = min(apart_m(corner) for corner in lamp["geometry"]["coordinates"][0])
    assert nearest == pytest.approx(20, abs=0.05)


def test_cityjson_sequence_and_missing_reference_system() -> None:
    document = cityjson()
    objects = document.pop("CityObjects")
    vertices = document.pop("vertices")
    head = {**document, "CityObjects": {}, "vertices": []}
    feature = {"type": "CityJSONFeature", "id": "house", "CityObjects": objects, "vertices": vertices}
    raw = "\n".join(json.dumps(one) for one in (head, feature, {"type": "other"})).encode()
    assert [one.record["id"] if one.record else one.rejection for one in decode(raw, kind="cityjson")][:3] == [
        "house", "house-1", "lamp",
    ]  # fmt: skip
    assert records(raw, kind="cityjson")[3] == "cityjson"
    bare = json.dumps(cityjson(crs=None)).encode()
    with pytest.raises(FeedError, match="does not say its coordinate reference system"):
        decode(bare, kind="cityjson")
    assert len(records(bare, kind="cityjson", crs="EPSG:7415")) == 3


CITYGML = """<?xml version="1.0"?>
<CityModel xmlns="http://www.opengis.net/citygml/2.0" xmlns:gml="http://www.opengis.net/gml"
  xmlns:gen="http://www.opengis.net/citygml/generics/2.0" xmlns:bldg="http://www.opengis.net/citygml/building/2.0">
 <gml:boundedBy><gml:Envelope srsName="{crs}" srsDimension="3"/></gml:boundedBy>
 <cityObjectMember><bldg:Building gml:id="b1">
  <gen:intAttribute name="flats"><gen:value>12</gen:value></gen:intAttribute>
  <bldg:function>1000</bldg:function><bldg:measuredHeight uom="m">9.5</bldg:measuredHeight>
  <bldg:boundedBy><bldg:GroundSurface><bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember><gml:Polygon>
   <gml:exterior><gml:LinearRing><gml:posList srsDimension="3">{ring}</gml:posList></gml:LinearRing></gml:exterior>
  </gml:Polygon></gml:surfaceMember></gml:MultiSurface></bldg:lod2MultiSurface></bldg:GroundSurface></bldg:boundedBy>
 </bldg:Building></cityObjectMember>
</CityModel>"""


@pytest.mark.parametrize("crs", ["urn:ogc:def:crs:EPSG::28992", "EPSG:7415"])
def test_citygml_objects(crs: str) -> None:
    x, y = DAM
    ring = f"{x} {y} 1 {x + 10} {y} 1 {x + 10} {y + 5} 2 {x} {y + 5} 2 {x} {y} 1"
    (found,) = decode(CITYGML.format(crs=crs, ring=ring).encode(), kind="citygml")
    record = found.record
    assert record is not None
    shape = record.pop("geometry")
    assert record == {
        "id": "b1", "type": "Building", "zMin": 1.0, "zMax": 2.0,
        "properties": {"flats": 12, "function": "1000", "measuredHeight": 9.5},
    }  # fmt: skip
    assert min(apart_m(corner) for corner in shape["coordinates"][0]) < 0.01


def test_archives_are_opened_and_their_files_chosen() -> None:
    raw = zipped({"a/one.csv": b"n\n1\n", "two.csv": b"n\n2\n", "readme.txt": b"hello"})
    found = decode(raw, kind="csv", inside="*.csv")
    assert [(one.position, one.record) for one in found] == [("f/a/one.csv:2", {"n": "1"}), ("f/two.csv:2", {"n": "2"})]
    assert records(raw, kind="csv", inside="*.xml") == ["archive"]


def test_large_documents_are_split_at_the_same_places_that_a_whole_parse_finds() -> None:
    wanted: list[Any] = [{"a": [1, {"b": '}]\\"{'}], "c": "x" * n} for n in range(0, 3000, 7)] + [1, "t", None, [[]]]
    raw = json.dumps({"skip": {"data": [1]}, "data": {"items": wanted}, "after": 1}, indent=1).encode()
    assert [json.loads(one) for one in items(io.BytesIO(raw), ("data", "items"), 10_000)] == wanted
    assert list(items(io.BytesIO(b'{"a": []}'), ("a",), 10)) == []
    for broken, rule in ((raw[:-2000], "json"), (b'{"data": 1}', "records"), (b"[[[" * 300, "depth")):
        with pytest.raises(Damaged) as caught:
            list(items(io.BytesIO(broken), () if rule == "depth" else ("data", "items"), 10_000))
        assert caught.value.rule == rule
