"""Entities as the broker gives them, read as feed status, measurements and samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.dataset import Extent, FeedStatus, Measurement
from catalog.harvest import moment, points, read_feed, read_measurement, read_sample
from tests.catalog.samples import VEHICLE

NS = "https://datapolis.example/ns#"


def _property(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def test_a_feed() -> None:
    """All that a connector reports; times also as typed values."""
    entity = {
        "id": "urn:ngsi-ld:Feed:kcm-vehicles",
        "type": f"{NS}Feed",
        f"{NS}domain": _property("mobility"),
        f"{NS}status": _property("running"),
        f"{NS}received": _property(627),
        f"{NS}mapped": _property(625),
        f"{NS}rejected": _property(2),
        f"{NS}lastRecordAt": _property("2026-11-22T11:59:58.500Z"),
        f"{NS}lastObservedAt": _property({"@type": "DateTime", "@value": "2021-09-02T15:31:56Z"}),
    }
    assert read_feed(entity) == FeedStatus(
        "kcm-vehicles",
        "running",
        627,
        625,
        2,
        datetime(2026, 11, 22, 11, 59, 58, 500000, UTC),
        datetime(2021, 9, 2, 15, 31, 56, tzinfo=UTC),
    )


def test_a_feed_that_says_little() -> None:
    """Nothing reported yet is nothing, not an error."""
    found = read_feed({"id": "urn:ngsi-ld:Feed:x", "type": f"{NS}Feed"})
    assert found == FeedStatus("x", "unknown", 0, 0, 0, None, None)


def test_a_measurement() -> None:
    """Dimension and feed by their attributes, else by the id."""
    at = "2026-11-22T12:00:00Z"
    entity = {
        "id": "urn:ngsi-ld:QualityMeasurement:nyc-311:completeness",
        "type": "http://www.w3.org/ns/dqv#QualityMeasurement",
        f"{NS}dimension": _property("completeness"),
        f"{NS}feed": {"type": "Relationship", "object": "urn:ngsi-ld:Feed:nyc-311"},
        "http://www.w3.org/ns/dqv#value": _property(0.913, observedAt=at),
    }
    expected = Measurement("nyc-311", "completeness", 0.913, datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert read_measurement(entity) == expected
    del entity[f"{NS}dimension"], entity[f"{NS}feed"]
    assert read_measurement(entity) == expected


def test_a_sample() -> None:
    """Attributes, box and times of what was seen; the count is of everything."""
    entities = [
        {
            "id": f"urn:ngsi-ld:Vehicle:{n}",
            "type": VEHICLE,
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-122.3 - n, 47.6]}},
            "https://x.example/speed": _property(n, observedAt=f"2026-11-22T12:00:0{n}Z"),
        }
        for n in range(3)
    ]
    found = read_sample(VEHICLE, entities, 627)
    assert (found.count, found.attributes) == (627, ("https://x.example/speed", "location"))
    assert found.extent == Extent(-124.3, 47.6, -122.2, 47.7)
    assert (found.first_observed, found.last_observed) == (
        datetime(2026, 11, 22, 12, tzinfo=UTC),
        datetime(2026, 11, 22, 12, 0, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"type": "Point", "coordinates": [1, 2, 3]}, [(1.0, 2.0)]),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, [(1.0, 2.0), (3.0, 4.0)]),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]}, [(1.0, 2.0), (3.0, 4.0), (1.0, 2.0)]),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [5, 6]}]}, [(5.0, 6.0)]),
        ({"type": "Point", "coordinates": []}, []),
        ("nowhere", []),
        (None, []),
    ],
)
def test_points(geometry: object, expected: list[tuple[float, float]]) -> None:
    """Every position of a geometry, whatever its shape; nonsense has none."""
    assert list(points(geometry)) == expected
    assert list(points({"type": "GeoProperty", "value": geometry})) == expected


@pytest.mark.parametrize(("value", "expected"), [("yesterday", None), (5, None), (None, None)])
def test_what_is_no_time(value: object, expected: None) -> None:
    """Not a time: none."""
    assert moment(value) is expected
