"""The functions of mappings: values, nulls, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import Rejected
from connectors.functions import FUNCTIONS


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("number", ("21.5",), 21.5),
        ("number", ("7",), 7),
        ("number", ("7.0",), 7.0),
        ("number", ("",), None),
        ("number", (None,), None),
        ("integer", ("7.0",), 7),
        ("rounded", (1.23456, 2), 1.23),
        ("scale", ("50.5", 0.01), 0.505),
        ("scale", (1, 2, 3), 5.0),
        ("celsius", ("50",), 10.0),
        ("time", ("2026-03-01T12:00:00+01:00",), "2026-03-01T11:00:00Z"),
        ("time", ("2023-05-19T05:33:35.641841782Z",), "2023-05-19T05:33:35.641841Z"),
        ("time", ("2026-03-01 12:00", "%Y-%m-%d %H:%M", "America/New_York"), "2026-03-01T17:00:00Z"),
        ("time", ("2025-11-02T01:30:00", "iso", "America/New_York"), "2025-11-02T05:30:00Z"),
        ("time", ("", "iso"), None),
        ("epoch", (1630596690,), "2021-09-02T15:31:30Z"),
        ("epoch", (0,), None),
        ("epoch_ms", (1630596690120,), "2021-09-02T15:31:30.12Z"),
        ("slug", ("Avinguda de França",), "avinguda-de-franca"),
        ("urn", ("Vehicle", "kcm", 12), "urn:ngsi-ld:Vehicle:kcm:12"),
        ("urn", ("Vehicle", "a b/ü"), "urn:ngsi-ld:Vehicle:a%20b%2F%C3%BC"),
        ("urn", ("Vehicle", None), None),
        ("urn", ("Vehicle", ""), None),
        ("point", ("-0.37", 39.47), {"type": "Point", "coordinates": [-0.37, 39.47]}),
        ("point", (None, 39.47), None),
        ("concat", ("a", None, 1), "a1"),
        ("lookup", ("x", {"x": 1}), 1),
        ("lookup", ("y", {"x": 1}, 0), 0),
        ("lower", ("Closed",), "closed"),
        ("title", ("STATEN ISLAND",), "Staten Island"),
        ("at_least", (2, 1), True),
        ("at_least", (1, 2), False),
        ("at_least", (None, 2), True),
    ],
)
def test_values(name: str, arguments: tuple[Any, ...], value: Any) -> None:
    found = FUNCTIONS[name](*arguments)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [
        ("number", ("warm",), "number"),
        ("number", (True,), "number"),
        ("number", ("nan",), "number"),
        ("number", ("inf",), "number"),
        ("integer", ("7.5",), "integer"),
        ("time", ("yesterday",), "time"),
        ("time", (5,), "time"),
        ("time", ("2026-03-01T12:00:00",), "time-zone"),
        ("time", ("2026-03-01T12:00:00", "iso", "Mars/Base"), "time-zone"),
        ("time", ("2025-03-09T02:30:00", "iso", "America/New_York"), "time-gap"),
        ("epoch", (1e30,), "time"),
    ],
)
def test_refusals_name_the_rule_and_not_the_value(name: str, arguments: tuple[Any, ...], rule: str) -> None:
    with pytest.raises(Rejected) as caught:
        FUNCTIONS[name](*arguments)
    assert caught.value.rejection.rule == rule
    assert caught.value.rejection.stage == "map"
    assert "warm" not in caught.value.rejection.suggestion
    assert "yesterday" not in caught.value.rejection.suggestion
