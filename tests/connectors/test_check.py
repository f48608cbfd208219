"""Each check of a mapped entity, broken one at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import Rejection
from connectors.feed import Feed
from connectors.mapping import Mapper
from connectors.names import load_names
from docker.local.stack import ROOT

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = load_names(ROOT / "city" / "context.jsonld")
GOOD: dict[str, Any] = {
    "id": "1", "t": "2026-05-31T23:00:00Z", "lon": -0.3, "lat": 39.4, "temp": 20, "ref": "urn:ngsi-ld:X:1", "end": 2,
    "start": 1,
}  # fmt: skip
DECLARED: dict[str, Any] = {
    "feed": "x", "title": "x", "domain": "environment", "source": {"kind": "file", "path": "x"},
    "decoder": {"kind": "json"}, "key": "id", "minimise": {"keep": list(GOOD)},
    "mapping": [{
        "type": "WeatherObserved", "id": "urn('WeatherObserved', id)", "observedAt": "time(t)", "when": "temp != `-1`",
        "scope": "scope",
        "attributes": {
            "location": {"type": "GeoProperty", "value": "geo || point(lon, lat)"},
            "temperature": {"value": "temp", "unitCode": "CEL"},
            "hasStop": {"type": "Relationship", "value": "ref"},
        },
    }],
    "quality": {
        "required": ["location"], "any_of": ["temperature", "hasStop"], "ranges": {"temperature": [-40, 60]},
        "bounds": [-1, 39, 0, 40],
        "rules": [{"name": "ends-after-start", "field": "end", "expect": "at_least(end, start)", "then": "fix it"}],
    },
}  # fmt: skip


def _map(**changed: Any) -> list[Any]:
    record = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return Mapper(Feed.model_validate(DECLARED), NAMES).map(record, NOW)


def test_good_entity() -> None:
    assert _map(scope="/a/b") == [
        {
            "id": "urn:ngsi-ld:WeatherObserved:1",
            "type": ["https://smartdatamodels.org/dataModel.Weather/WeatherObserved"],
            "scope": ["/a/b"],
            "https://uri.etsi.org/ngsi-ld/location": {
                "type": "GeoProperty", "value": {"type": "Point", "coordinates": [-0.3, 39.4]},
                "observedAt": "2026-05-31T23:00:00Z",
            },
            "https://smartdatamodels.org/dataModel.Weather/temperature": {
                "type": "Property", "value": 20, "unitCode": "CEL", "observedAt": "2026-05-31T23:00:00Z",
            },
            "https://smartdatamodels.org/dataModel.UrbanMobility/hasStop": {
                "type": "Relationship", "object": "urn:ngsi-ld:X:1", "observedAt": "2026-05-31T23:00:00Z",
            },
        }
    ]  # fmt: skip
    assert _map(temp=-1) == []


@pytest.mark.parametrize(
    ("changed", "rule", "field"),
    [
        ({"id": None}, "id", "id"),
        ({"lon": None}, "required", "location"),
        ({"temp": None, "ref": None}, "any-of", "temperature,hasStop"),
        ({"temp": 61}, "range", "temperature"),
        ({"temp": "20"}, "number", "temperature"),
        ({"temp": True}, "number", "temperature"),
        ({"lon": 200, "lat": 39.4}, "coordinates", "location"),
        ({"lon": 39.4, "lat": -0.3}, "bounds", "location"),
        ({"geo": "here"}, "geometry", "location"),
        (
            {"geo": {"type": "Polygon", "coordinates": [[[-0.3, 39.4], [-0.3, 39.5], [-0.3, 39.4]]]}},
            "geometry",
            "location",
        ),
        ({"geo": {"type": "LineString", "coordinates": [[-0.3, 39.4]]}}, "geometry", "location"),
        ({"t": None}, "observedAt", "location"),
        ({"t": "2026-06-01T00:06:00Z"}, "future", "location"),
        ({"t": "2026-05-31T23:00:00"}, "time-zone", "observedAt"),
        ({"t": "soon"}, "time", "observedAt"),
        ({"ref": "no id"}, "object", "hasStop"),
        ({"end": 0}, "ends-after-start", "end"),
        ({"end": "x"}, "expression", ""),
    ],
)
def test_each_rule(changed: dict[str, Any], rule: str, field: str) -> None:
    (found,) = _map(**changed)
    assert isinstance(found, Rejection)
    assert (found.rule, found.field) == (rule, field)
    assert found.suggestion
