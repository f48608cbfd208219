"""The aggregated temporal representation (CIM 009 V1.9.1, 4.5.19), also against a plain oracle."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.test_5_7_3_retrieve_evolution import ONE, PATH, SPEED, VEHICLE, reading
from tests.fixtures.broker import Api

ALL = "avg,distinctCount,max,min,stddev,sum,sumsq,totalCount"


@pytest.fixture
async def vehicle(api: Api) -> Api:
    assert (await api.post("/temporal/entities", VEHICLE)).status == 201
    return api


def spans(values: list[Any], first: str, *edges: str) -> list[list[Any]]:
    starts = (first, *edges)
    return [[value, f"2020-08-{starts[at]}Z", f"2020-08-{starts[at + 1]}Z"] for at, value in enumerate(values)]


async def test_periods_count_from_the_first_instance(vehicle: Api) -> None:
    answer = await vehicle.get(f"{PATH}?format=aggregatedValues&aggrMethods=avg,max&aggrPeriodDuration=PT1H")
    hours = ("01T12:03:00", "01T13:03:00", "01T14:03:00", "01T15:03:00")
    assert (answer.status, answer.json) == (
        200,
        {
            "id": ONE,
            "type": "Vehicle",
            "speed": {"type": "Property", "avg": spans([100.0], *hours[:2]), "max": spans([120], *hours[:2])},
            "fuelLevel": {
                "type": "Property",
                "avg": spans([67.0, 53.0, 40.0], *hours),
                "max": spans([67, 53, 40], *hours),
            },
        },
    )
    day = await vehicle.get(f"{PATH}?options=aggregatedValues&aggrMethods=min&aggrPeriodDuration=P1D&attrs=speed")
    assert day.json["speed"] == {"type": "Property", "min": spans([80], "01T12:03:00", "02T12:03:00")}
    assert "fuelLevel" not in day.json


async def test_periods_count_from_the_start_of_the_range(vehicle: Api) -> None:
    query = "format=aggregatedValues&aggrMethods=sum&attrs=fuelLevel"
    after = f"{PATH}?{query}&timerel=after&timeAt=2020-08-01T12:30:00Z"
    hourly = (await vehicle.get(f"{after}&aggrPeriodDuration=PT1H")).json["fuelLevel"]["sum"]
    assert hourly == [
        [53, "2020-08-01T12:30:00Z", "2020-08-01T13:30:00Z"],
        [40, "2020-08-01T13:30:00Z", "2020-08-01T14:30:00Z"],
    ]
    assert (await vehicle.get(after)).json["fuelLevel"]["sum"] == [[93, "2020-08-01T12:30:00Z", "2020-08-01T14:07:00Z"]]
    before = f"{PATH}?{query}&timerel=before&timeAt=2020-08-01T14:00:00Z&aggrPeriodDuration=P0D"
    assert (await vehicle.get(before)).json["fuelLevel"]["sum"] == [
        [120, "2020-08-01T12:03:00Z", "2020-08-01T14:00:00Z"]
    ]
    between = f"{PATH}?{query}&timerel=between&timeAt=2020-07-31T00:00:00Z&endTimeAt=2020-08-01T13:00:00Z"
    assert (await vehicle.get(between)).json["fuelLevel"]["sum"] == [
        [67, "2020-07-31T00:00:00Z", "2020-08-01T13:00:00Z"]
    ]


async def test_months_end_where_the_calendar_does(api: Api) -> None:
    days = ["2020-01-31", "2020-02-15", "2020-02-29", "2020-03-30", "2020-03-31", "2020-05-01"]
    past = [{"type": "Property", "value": 1, "observedAt": f"{day}T00:00:00Z"} for day in days]
    await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "n": past})
    query = f"{PATH}?format=aggregatedValues&aggrMethods=totalCount&aggrPeriodDuration="
    assert (await api.get(f"{query}P1M")).json["n"]["totalCount"] == [
        [2, "2020-01-31T00:00:00Z", "2020-02-29T00:00:00Z"],
        [2, "2020-02-29T00:00:00Z", "2020-03-31T00:00:00Z"],
        [1, "2020-03-31T00:00:00Z", "2020-04-30T00:00:00Z"],
        [1, "2020-04-30T00:00:00Z", "2020-05-31T00:00:00Z"],
    ]
    mixed = (await api.get(f"{query}P1M10D")).json["n"]["totalCount"]
    assert [one[0] for one in mixed] == [3, 2, 1]
    assert sum(one[0] for one in (await api.get(f"{query}P1Y")).json["n"]["totalCount"]) == 6


KINDS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "string": (["b", "a", "b"], {"max": "b", "min": "a", "distinctCount": 2, "totalCount": 3}),
    "boolean": (
        [True, False, True, True],
        {
            "avg": 0.75,
            "max": 1,
            "min": 0,
            "sum": 3,
            "sumsq": 3,
            "stddev": math.sqrt(3) / 4,
            "distinctCount": 2,
            "totalCount": 4,
        },
    ),
    "array": ([[1], [1, 2, 3]], {"avg": 2.0, "max": 3, "min": 1, "sum": 4, "distinctCount": 2, "totalCount": 2}),
    "object": ([{"a": 1}, {"a": 1}], {"distinctCount": 1, "totalCount": 2}),
    "dateTime": (
        [{"@type": "DateTime", "@value": f"2020-01-01T00:00:0{n}Z"} for n in (2, 1)],
        {"max": "2020-01-01T00:00:02Z", "min": "2020-01-01T00:00:01Z", "distinctCount": 2, "totalCount": 2},
    ),
    "date": (
        [{"@type": "Date", "@value": f"2020-01-0{n}"} for n in (2, 1)],
        {"max": "2020-01-02", "min": "2020-01-01", "distinctCount": 2, "totalCount": 2},
    ),
    "time": (
        [{"@type": "Time", "@value": f"0{n}:00:00Z"} for n in (2, 3)],
        {"avg": "02:30:00Z", "max": "03:00:00Z", "min": "02:00:00Z", "distinctCount": 2, "totalCount": 2},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_value(api: Api, kind: str) -> None:
    values, expected = KINDS[kind]
    past = [reading(value, f"12:0{at}:00") for at, value in enumerate(values)]
    await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "x": past})
    shown = (await api.get(f"{PATH}?format=aggregatedValues&aggrMethods={ALL}")).json["x"]
    found = {method: periods[0][0] for method, periods in shown.items() if method != "type" and periods}
    assert found == pytest.approx(expected) if kind == "boolean" else found == expected
    assert shown["type"] == "Property"


async def test_relationships_are_counted(api: Api) -> None:
    past = [
        {"type": "Relationship", "object": f"urn:x:{n}", "observedAt": f"2020-01-01T00:0{at}:00Z"}
        for at, n in enumerate((1, 2, 1))
    ]
    await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "owner": past, "speed": SPEED})
    shown = (await api.get(f"{PATH}?format=aggregatedValues&aggrMethods=distinctCount,totalCount,max")).json
    assert {name: [one[0] for one in shown["owner"][name]] for name in ("distinctCount", "totalCount", "max")} == {
        "distinctCount": [2],
        "totalCount": [3],
        "max": [],
    }
    assert shown["owner"]["type"] == "Relationship"
    refused = await api.get(f"{PATH}?format=aggregatedValues&aggrMethods=avg,sum&attrs=owner")
    assert (refused.status, refused.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest")
    assert refused.json["detail"].startswith("aggrMethods")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (({"value": -1.5}, {"value": 2}, {"value": 3e2}), [100.16666666666667, -1.5, 300, 3]),
        (({"unitCode": "CEL", "value": -1.5}, {"value": 2, "unitCode": "CEL"}), [0.25, -1.5, 2, 2]),
        (({"value": 4, "of": {"type": "Property", "value": 9}}, {"of": {"type": "Property", "value": 9}, "value": 6}),
         [5, 4, 6, 2]),
        (({"value": {"value": 7}}, {"value": 1}), [1, 1, 1, 2]),
        (({"value": [7, 8]}, {"value": 1}), [1.5, 1, 2, 2]),
        (({"value": True}, {"value": 0}), [0.5, 0, 1, 2]),
        (({"value": "12"}, {"value": "-3,5}"}), [None, "-3,5}", "12", 2]),
    ],
    ids=["numbers", "order of members", "sub-attributes", "object", "array", "Boolean", "text"],
)  # fmt: skip
async def test_values_are_what_they_are_however_they_stand(
    api: Api, values: tuple[dict[str, Any], ...], shown: list[Any]
) -> None:
    """Of whatever order of members, and whatever looks like a number without being one."""
    past = [{"type": "Property", **one, "observedAt": f"2020-01-01T00:0{at}:00Z"} for at, one in enumerate(values)]
    await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "x": past})
    found = (await api.get(f"{PATH}?format=aggregatedValues&aggrMethods=avg,min,max,totalCount")).json["x"]
    assert [found[name][0][0] if found[name] else None for name in ("avg", "min", "max", "totalCount")] == shown


async def test_too_many_periods_and_too_great_numbers(api: Api) -> None:
    past = [{"type": "Property", "value": 1e200, "observedAt": f"20{n}-01-01T00:00:00Z"} for n in range(10, 20)]
    await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "x": past})
    great = await api.get(f"{PATH}?format=aggregatedValues&aggrMethods=sumsq")
    assert (great.status, great.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest")
    query = f"{PATH}?format=aggregatedValues&aggrMethods=max&aggrPeriodDuration="
    assert len((await api.get(f"{query}PT1S")).json["x"]["max"]) == 10
    assert len((await api.get(f"{query}P1D")).json["x"]["max"]) == 10


async def test_deleted_instances_and_other_datasets_do_not_count(vehicle: Api) -> None:
    more = [reading("urn:ngsi-ld:null", "12:08:00"), reading(1000, "12:09:00", datasetId="urn:x:d")]
    await vehicle.post(f"{PATH}/attrs", {"speed": more})
    query = f"{PATH}?format=aggregatedValues&aggrMethods=totalCount,max&attrs=speed"
    both = (await vehicle.get(query)).json["speed"]
    assert (both["totalCount"][0][0], both["max"][0][0]) == (4, 1000)
    default = (await vehicle.get(f"{query}&datasetId=@none")).json["speed"]
    assert (default["totalCount"][0][0], default["max"][0][0]) == (3, 120)
    last = (await vehicle.get(f"{query}&datasetId=@none&lastN=1")).json["speed"]
    assert (last["totalCount"][0][0], last["max"][0][0]) == (1, 100)


# ---- against a plain oracle

START = datetime(2020, 1, 1, tzinfo=UTC)
ORACLE: dict[str, Callable[[list[float]], float]] = {
    "avg": statistics.fmean,
    "distinctCount": lambda many: len(set(many)),
    "max": max,
    "min": min,
    "stddev": statistics.pstdev,
    "sum": math.fsum,
    "sumsq": lambda many: math.fsum(one * one for one in many),
    "totalCount": len,
}
numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_nan=False).map(lambda one: round(one, 3)))
series = st.dictionaries(st.integers(0, 40 * 86400), numbers, min_size=1, max_size=30)
periods = st.sampled_from([("PT1H", 3600), ("P1D", 86400), ("P1W", 7 * 86400), ("PT7M13S", 433), ("PT90M", 5400)])


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(series, periods, st.integers(0, 86400))
async def test_aggregates_equal_the_oracle(
    api: Api, instances: dict[int, float], period: tuple[str, int], offset: int
) -> None:
    await api.call("DELETE", PATH)
    past = [
        {"type": "Property", "value": value, "observedAt": text(START + timedelta(seconds=at))}
        for at, value in instances.items()
    ]
    assert (await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "x": past})).status == 201
    duration, seconds = period
    query = f"timerel=after&timeAt={text(START - timedelta(seconds=offset))}&aggrPeriodDuration={duration}"
    shown = (await api.get(f"{PATH}?format=aggregatedValues&aggrMethods={ALL}&{query}")).json["x"]
    groups: dict[int, list[float]] = {}
    for at, value in instances.items():
        groups.setdefault((at + offset) // seconds, []).append(value)
    for method, oracle in ORACLE.items():
        expected = [
            [
                pytest.approx(oracle(many), rel=1e-9, abs=1e-6),
                text(START + timedelta(seconds=number * seconds - offset)),
                text(START + timedelta(seconds=(number + 1) * seconds - offset)),
            ]
            for number, many in sorted(groups.items())
        ]
        assert shown[method] == expected, method
