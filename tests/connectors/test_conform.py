"""Values against the smart data models: what is refused, with which advice, and what a city may do of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.conform import nearest, notes
from connectors.errors import Rejection
from connectors.feed import Feed
from connectors.mapping import Mapper
from connectors.names import Names
from connectors.units import is_unit, unit_code
from ontologies.smart_models import model, named

TRANSPORT = "https://smartdatamodels.org/dataModel.Transportation/"
OWN = "https://datapolis.example/ns#"
TERMS = ("TrafficFlowObserved", "intensity", "occupancy", "laneDirection", "congested", "dateObservedFrom")
NAMES = Names({one: TRANSPORT + one for one in TERMS} | {one: OWN + one for one in ("colour", "ocupancy")})
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def feed(attributes: dict[str, Any], **quality: Any) -> Feed:
    mapping = {"type": "TrafficFlowObserved", "id": "urn('T', 'x')", "observedAt": "'2026-01-01T00:00:00Z'"}
    return Feed.model_validate({
        "feed": "f", "title": "t", "domain": "mobility", "source": {"kind": "file", "path": "x"},
        "decoder": {"kind": "json"}, "key": "'k'", "minimise": {"keep": list("v")},
        "mapping": [{**mapping, "attributes": attributes}], "quality": quality,
    })  # fmt: skip


def outcome(attribute: str, value: Any, **declared: Any) -> Any:
    quality = declared.pop("quality", {})
    (found,) = Mapper(feed({attribute: {"value": "v", **declared}}, **quality), NAMES).map({"v": value}, NOW)
    return (found.rule, found.field, found.suggestion) if isinstance(found, Rejection) else found


@pytest.mark.parametrize(
    ("attribute", "value", "rule", "advice"),
    [
        ("intensity", "12", "model-type", "use number() in the mapping"),
        ("intensity", True, "model-type", "takes number"),
        ("intensity", -1, "model-range", "below 0"),
        ("occupancy", 1.2, "model-range", "above 1"),
        ("laneDirection", "Forward", "model-value", "did you mean 'forward'?"),
        ("laneDirection", "sideways", "model-value", "which has forward, backward"),
        ("congested", "yes", "model-type", "takes boolean"),
        ("dateObservedFrom", "2026-01-01T00:00:00", "model-time", "carries no zone"),
        ("dateObservedFrom", "yesterday", "model-time", "use time()"),
    ],
)
def test_what_the_model_does_not_allow(attribute: str, value: Any, rule: str, advice: str) -> None:
    found = outcome(attribute, value)
    assert found[:2] == (rule, attribute)
    assert advice in found[2]
    assert str(value) not in found[2] or isinstance(value, bool | int | float)


def test_what_is_allowed() -> None:
    for attribute, value in (("intensity", 12), ("occupancy", 1), ("laneDirection", "backward"), ("congested", False)):
        assert outcome(attribute, value)["id"] == "urn:ngsi-ld:T:x"
    assert outcome("occupancy", 55, unitCode="P1")["id"]
    assert outcome("occupancy", 101, unitCode="P1")[0] == "model-range"
    assert outcome("occupancy", 1.2, quality={"ranges": {"occupancy": [0, 2]}})["id"]
    assert outcome("intensity", "12", quality={"models": "off"})["id"]
    assert outcome("colour", ["any", "thing"])["id"]


def test_odd_terms_are_noted_with_what_was_meant() -> None:
    found = notes(feed({"ocupancy": "v", "colour": "v", "intensity": {"type": "Relationship", "value": "v"}}), NAMES)
    assert found == [
        "ocupancy: no term of TrafficFlowObserved; did you mean occupancy?",
        "colour: no term of TrafficFlowObserved, a term of the city's own",
        "intensity: the model has it as Property, the feed as Relationship",
    ]


def test_models_are_there() -> None:
    assert len(named()) == 21
    found = model(TRANSPORT + "TrafficFlowObserved")
    assert found is not None
    assert found.attributes["laneDirection"].enum == ("forward", "backward")
    assert model("urn:none") is None
    assert nearest("Average_Vehicle_Speed", list(found.attributes)) == "averageVehicleSpeed"


@pytest.mark.parametrize(
    "code", ["CEL", "GQ", "ug/m3", "m/s", "Cel", "%", "[degF]", "10*3/uL", "kW.h", "{count}", "mm"]
)
def test_units(code: str) -> None:
    assert is_unit(code)


def test_what_is_no_unit() -> None:
    for code in ("furlong", "", "m//s", "degrees C", "m s"):
        assert not is_unit(code)
    assert [unit_code(one) for one in ("µg/m³", "km/h", "Celsius degrees", "hPa")] == ["GQ", "KMH", "CEL", "A97"]
    assert unit_code("nothing") is None
