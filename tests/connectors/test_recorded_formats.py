"""Every recorded time series, map and city model: exact counts, each rejection, one entity in full, PROJ's places."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Geod, Transformer

from docker.local.stack import ROOT
from tests.connectors.recorded import FORMATS, Outcome, formats, through

EXPECTED: dict[str, Any] = json.loads(
    (ROOT / "tests" / "data" / "recorded" / "formats.json").read_text(encoding="utf-8")
)
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
Z = "https://datapolis.example/ns#z"
_TAKEN: dict[str, Outcome] = {}
CITY_MODELS = {
    "delft-3d": "delft.json.gz",
    "delft-building-3d": "delft_1b.json",
    "rotterdam-3d": "rotterdam_subset.json",
    "the-hague-3d": "DH_01_subs.city.json",
}


def need(data: Path | None) -> Path:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA); test_formats.py has small files of every format")
    return data


def taken(name: str, data: Path, state: Path) -> Outcome:
    """Take a feed's file once for all tests of it."""
    if name not in _TAKEN:
        _TAKEN[name] = through(name, data, state)
    return _TAKEN[name]


def test_every_input_has_a_feed(data: Path | None) -> None:
    with (need(data) / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        inputs = {row["file"] for row in csv.DictReader(file) if row["file"].split("/")[0] in {"timeseries", "geo3d"}}
    texts = [path.read_text(encoding="utf-8") for path in (FORMATS / "feeds").glob("*.yaml")]
    texts.append((ROOT / "city" / "feeds" / "valencia-air.yaml").read_text(encoding="utf-8"))
    assert {file for file in inputs if not any(f"${{DATAPOLIS_DATA}}/{file}" in text for text in texts)} == set()
    assert set(EXPECTED) == set(formats())


@pytest.mark.parametrize("name", formats())
def test_counts_rejections_and_one_entity(name: str, data: Path | None, tmp_path: Path) -> None:
    found = taken(name, need(data), tmp_path)
    wanted = EXPECTED[name]
    assert (found.records, len(found.entities)) == (wanted["records"], wanted["entities"])
    assert found.rejected == wanted["rejected"]
    assert len({entity["id"] for entity in found.entities}) == wanted["ids"]
    assert wanted["one"] in found.entities


@pytest.mark.parametrize("name", CITY_MODELS)
def test_city_models_lie_where_proj_puts_them(name: str, data: Path | None, tmp_path: Path) -> None:
    """Each corner of a footprint is a vertex of the object, transformed by PROJ alone, to less than a metre."""
    path = need(data) / "geo3d" / "cityjson" / CITY_MODELS[name]
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    document = json.loads(raw)
    transform = document.get("transform", {"scale": [1, 1, 1], "translate": [0, 0, 0]})
    vertices = np.array(document["vertices"]) * transform["scale"] + transform["translate"]
    to_rd = Transformer.from_crs("EPSG:4326", "EPSG:28992", always_xy=True)
    tree = shapely.STRtree(shapely.points(vertices[:, :2]))
    entities = taken(name, need(data), tmp_path).entities
    for entity in entities[:80]:
        if LOCATION not in entity:
            continue
        shape = shapely.from_geojson(json.dumps(entity[LOCATION]["value"]))
        corners = shapely.get_coordinates(shape)
        placed = shapely.points(np.column_stack(to_rd.transform(corners[:, 0], corners[:, 1])))
        _, distance = tree.query_nearest(placed, return_distance=True, all_matches=False)
        crossing = np.sort(distance)[: max(1, len(distance) * 3 // 4)]  # overlapping surfaces make corners of their own
        assert crossing.max() < 1, entity["id"]
        assert entity[Z + "Min"]["value"] >= round(vertices[:, 2].min(), 3)
        assert entity[Z + "Max"]["value"] <= round(vertices[:, 2].max(), 3)


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("nc-counties", "nc_counties.gpkg", "FIPS"),
        ("dutch-addresses", "dutch_addresses_4326.gpkg", "id"),
    ],
)
def test_geopackages_lie_where_proj_puts_them(
    name: str, file: str, key: str, data: Path | None, tmp_path: Path
) -> None:
    meta, _, wkb, columns = pyogrio.raw.read(need(data) / "geo3d" / "gpkg" / file)
    keys = columns[list(meta["fields"]).index(key)]
    transformer = Transformer.from_crs(meta["crs"], "OGC:CRS84", always_xy=True)
    entities = {entity["id"].rsplit(":", 1)[-1]: entity for entity in taken(name, need(data), tmp_path).entities}
    geod = Geod(ellps="WGS84")
    assert len(entities) == len(keys)
    for at in range(0, len(keys), 10):
        shape = shapely.from_wkb(wkb[at])
        wanted = np.column_stack(transformer.transform(*shapely.get_coordinates(shape).T))
        found = shapely.get_coordinates(shapely.from_geojson(json.dumps(entities[str(keys[at])][LOCATION]["value"])))
        assert found.shape == wanted.shape
        assert geod.inv(*found.T, *wanted.T)[2].max() < 0.01


def test_topojson_is_what_gdal_reads(data: Path | None, tmp_path: Path) -> None:
    path = need(data) / "geo3d" / "geojson" / "london_boroughs.topo.json"
    meta, _, wkb, columns = pyogrio.raw.read(path)
    names = columns[list(meta["fields"]).index("id")]
    entities = {entity["https://smartdatamodels.org/name"]["value"]: entity
                for entity in taken("london-boroughs", need(data), tmp_path).entities}  # fmt: skip
    assert set(entities) == set(names)
    for name, raw in zip(names, wkb, strict=True):
        found = shapely.from_geojson(json.dumps(entities[name][LOCATION]["value"]))
        other = shapely.make_valid(shapely.from_wkb(raw))  # GDAL leaves out parts without area
        assert shapely.symmetric_difference(shapely.make_valid(found), other).area < other.area * 1e-9
