"""Distances in memory are PostGIS' distances, and the boxes that the index is asked for lose nothing (4.10)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from broker.core import geo, segments
from broker.core.entity import LOCATION, Doc
from broker.core.match import Meta
from broker.core.query import GeoRel
from broker.store.compile import compile_where
from broker.store.compile_geo import _boxes
from tests.broker.store.table import Table
from tests.fixtures.postgres import Database
from tests.strategies.queries import NS, QueryMaker


@pytest.fixture(scope="module")
def table(pg_module: Database) -> Iterator[Table]:
    made = Table(pg_module)
    yield made
    made.close()


def _shape(r: Random, lon: float, lat: float, size: float) -> dict[str, Any]:
    def near() -> list[float]:
        place = [lon + r.uniform(-size, size), lat + r.uniform(-size, size)]
        return [*place, r.uniform(0, 99)] if r.random() < 0.3 else place

    match r.randrange(5):
        case 0:
            return {"type": "LineString", "coordinates": [near(), near(), near()]}
        case 1:
            west, south = near()[:2]
            width, height = r.uniform(0, size), r.uniform(0, size)
            ring = [[west, south], [west + width, south], [west + width, south + height], [west, south]]
            return {"type": "Polygon", "coordinates": [ring]}
        case 2:
            return {"type": "Polygon", "coordinates": [_square(lon, lat, size), _square(lon, lat, size / 2)]}
        case 3:
            return {"type": "MultiPoint", "coordinates": [near(), near()]}
        case _:
            return {"type": "Point", "coordinates": near()}


def _square(lon: float, lat: float, half: float) -> list[list[float]]:
    west, south, east, north = lon - half, lat - half, lon + half, lat + half
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def test_distances_are_those_of_postgis(table: Table) -> None:
    r = Random(7)  # noqa: S311 - not for secrets
    pairs = []
    for _ in range(1500):
        lon, lat, size = r.uniform(-175, 175), r.uniform(-80, 80), r.choice([0.001, 0.1, 2.0])
        pairs.append((_shape(r, lon, lat, size), _shape(r, lon, lat, size)))
    rows = table.run(
        table.conn.fetch(
            "SELECT ST_Distance(geography(ST_GeomFromGeoJSON(a)), geography(ST_GeomFromGeoJSON(b)), false) AS d "
            "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY p(a, b, n) ORDER BY n",
            [json.dumps(one) for one, _ in pairs],
            [json.dumps(other) for _, other in pairs],
        )
    )
    zero = 0
    for (one, other), row in zip(pairs, rows, strict=True):
        found = geo.distance_m(geo.geometry(one), geo.geometry(other))
        assert math.isclose(found, row["d"], rel_tol=1e-9, abs_tol=1e-3), (one, other)
        zero += found == 0
    assert 100 < zero < 1400


@pytest.mark.parametrize("metres", [10.0, 5_000.0, 400_000.0, 15_000_000.0])
def test_boxes_hold_all_that_is_near(metres: float) -> None:
    r = Random(3)  # noqa: S311 - not for secrets
    near = 0
    for _ in range(2000):
        lon, lat = r.choice([-180, -179.9, 0, 179.99, 180]), r.choice([-90, -89.9, -60, 0, 45, 89.5])
        boxes = _boxes(geo.geometry({"type": "Point", "coordinates": [lon, lat]}), metres)
        reach = math.degrees(metres / geo.RADIUS_M)
        wide = 2 * reach / max(0.01, math.cos(math.radians(lat)))
        x, y = (lon + r.uniform(-wide, wide) + 180) % 360 - 180, lat + r.uniform(-reach, reach)
        if abs(y) > 90:
            continue
        distance = geo.distance_m(
            geo.geometry({"type": "Point", "coordinates": [lon, lat]}),
            geo.geometry({"type": "Point", "coordinates": [x, y]}),
        )
        if distance <= metres:
            near += 1
            assert any(west <= x <= east and south <= y <= north for west, south, east, north in boxes), (
                lon,
                lat,
                x,
                y,
            )
    assert near > 100


def test_near_asks_the_index_only_for_a_nearest_distance() -> None:
    point = json.dumps({"type": "Point", "coordinates": [8, 40]})
    assert "location && ST_MakeEnvelope" in compile_where(GeoRel(LOCATION, "near", point, 2000.0)).sql
    assert "&&" not in compile_where(GeoRel(LOCATION, "near", point, None, 2000.0)).sql
    assert "FROM entity_geo g" in compile_where(GeoRel("urn:a", "within", point)).sql


def test_stored_geometries_are_worked_out_the_same_by_the_migration(table: Table) -> None:
    """`broker.places`, which brings what was stored before up to date, and the write engine agree on every segment."""
    maker = QueryMaker(Random(160))  # noqa: S311 - not for secrets
    texts, expected = [], []
    for number in range(300):
        doc = maker.doc(number)
        for name in (LOCATION, NS + "area"):
            if name in doc:
                texts.append(segments.segment(doc[name]))
                expected.append(segments.geometry_of(doc[name]))
    rows = table.run(
        table.conn.fetch(
            "SELECT ST_AsEWKB(broker.places(t)) AS mine, ST_AsEWKB(ST_GeomFromEWKB(w)) AS theirs, "
            "geometrytype(ST_GeomFromEWKB(w)) AS kind FROM unnest($1::text[], $2::bytea[]) AS x (t, w)",
            texts,
            expected,
        )
    )
    assert [row["mine"] for row in rows] == [row["theirs"] for row in rows]
    assert sum(row["kind"] == "GEOMETRYCOLLECTION" for row in rows) > 30
    assert table.run(table.conn.fetchval("""SELECT broker.places('{"type":"Property","value":1}')""")) is None


def test_several_instances_are_found_by_the_index(table: Table) -> None:
    far = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [100, 60]}, "datasetId": "urn:d:1"}
    docs: list[Doc] = [
        {
            "id": f"urn:x:{n}",
            "type": [NS + "Car"],
            LOCATION: [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [n / 100, n / 100]}}, far],
        }
        for n in range(2000)
    ]
    docs[7][LOCATION][1] = {**far, "value": {"type": "Point", "coordinates": [50, -20]}}
    table.fill(docs, [Meta("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")] * len(docs))
    table.run(table.conn.execute("ANALYZE entities"))
    point = json.dumps({"type": "Point", "coordinates": [50, -20]})
    for node in (GeoRel(LOCATION, "near", point, 5000.0), GeoRel(LOCATION, "within", point)):
        assert table.find(node) == {"urn:x:7"}
        assert "entities_location" in table.plan(node)
