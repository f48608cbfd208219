"""The kinds of request over which twin stores are compared, counted: each has requests in the lists that are compared.

Reads are those of `test_policy_twins`, writes those of `test_policy_writes`, subscriptions those of
`test_policy_twin_notifications`.
"""

from __future__ import annotations

import re

import orjson
import pytest

from tests.conformance import test_policy_twin_notifications as told
from tests.conformance import test_policy_twins as reads
from tests.conformance import test_policy_writes as writes

KINDS = {
    "retrieve": r"json GET /entities/[^?]+ ",
    "retrieve what is hidden": r"GET /entities/urn:ngsi-ld:Vehicle:040 ",
    "retrieve as JSON-LD": r"ld\+json GET /entities/[^?]+ ",
    "retrieve with system attributes": r"GET /entities/[^?]+\?options=sysAttrs",
    "retrieve simplified": r"GET /entities/[^?]+\?options=keyValues",
    "retrieve concise": r"GET /entities/[^?]+\?format=concise",
    "attrs": r"GET /entities/[^?]+\?attrs=fleetVehicleId",
    "pick": r"GET /entities/[^?]+\?pick=",
    "omit": r"GET /entities/[^?]+\?omit=",
    "datasetId": r"[?&]datasetId=",
    "query": r"GET /entities\?type=Vehicle ",
    "count": r"GET /entities\?type=Vehicle&count=true ",
    "count alone": r"limit=0",
    "page by offset": r"&offset=3",
    "page by the last id": r"&after=",
    "q on the hidden attribute": r"q=fleetVehicleId==",
    "q unequal": r"q=fleetVehicleId!=",
    "q whether it is there": r"q=fleetVehicleId&",
    "q by pattern": r"q=fleetVehicleId~=",
    "q in a conjunction": r"q=speed>9;fleetVehicleId",
    "q in a disjunction": r"q=speed>9\|fleetVehicleId",
    "q on when it changed": r"q=modifiedAt>",
    "id": r"&id=",
    "idPattern": r"&idPattern=",
    "scopeQ": r"scopeQ=",
    "geoquery": r"georel=near;maxDistance==100000",
    "geoquery on the hidden geometry": r"geoproperty=https://example.org/hidden",
    "orderBy the hidden attribute": r"orderBy=fleetVehicleId",
    "orderBy when it changed": r"orderBy=modifiedAt",
    "orderBy a distance": r"dist-asc",
    "join inline": r"join=inline",
    "join flat": r"join=flat",
    "q over a link": r"\{fleetVehicleId\}",
    "GeoJSON": r"geo\+json GET /entities/",
    "GeoJSON of the hidden geometry": r"geo\+json GET .*geometryProperty=https://example.org/hidden",
    "types": r"GET /types ",
    "types in detail": r"GET /types\?details=true",
    "a type": r"GET /types/",
    "attributes": r"GET /attributes ",
    "attributes in detail": r"GET /attributes\?details=true",
    "an attribute": r"GET /attributes/fleetVehicleId",
    "query by POST": r"POST /entityOperations/query\?.*\"q\"",
    "query by POST as GeoJSON": r"geo\+json POST /entityOperations/query",
    "evolution": r"GET /temporal/entities/[^?]+\?timerel",
    "evolution as pairs": r"GET /temporal/.*temporalValues",
    "evolutions": r"GET /temporal/entities\?type",
    "aggregates": r"GET /temporal/.*aggregatedValues",
    "q on evolutions": r"GET /temporal/.*q=fleetVehicleId",
    "geoquery on evolutions": r"GET /temporal/.*georel=",
    "evolutions by POST": r"POST /temporal/entityOperations/query.*\"attrs\"",
    "aggregates by POST": r"POST /temporal/entityOperations/query.*aggrMethods",
    "append": r"POST /entities/[^/]+/attrs ",
    "append without overwriting": r"POST /entities/[^/]+/attrs\?options=noOverwrite",
    "update attributes": r"PATCH /entities/[^/]+/attrs ",
    "update in part": r"PATCH /entities/[^/]+/attrs/secret",
    "replace an attribute": r"PUT /entities/[^/]+/attrs/secret",
    "delete an attribute": r"DELETE /entities/[^/]+/attrs/secret ",
    "delete one instance": r"DELETE /entities/[^/]+/attrs/secret\?datasetId",
    "merge": r"PATCH /entities/[^/?]+ ",
    "replace": r"PUT /entities/[^/]+ ",
    "delete": r"DELETE /entities/[^/]+ ",
    "purge": r"DELETE /entities\?",
    "batch create, of ids that are taken": r"POST /entityOperations/create ",
    "batch upsert": r"POST /entityOperations/upsert",
    "batch update": r"POST /entityOperations/update ",
    "batch update without overwriting": r"POST /entityOperations/update\?options=noOverwrite",
    "batch merge": r"POST /entityOperations/merge",
    "batch delete": r"POST /entityOperations/delete",
    "notification": r"SUBSCRIBE \{\}",
    "notification of a watched attribute": r"SUBSCRIBE .*watchedAttributes.*fleetVehicleId",
    "notification by q": r"SUBSCRIBE .*\"q\":\"fleetVehicleId",
    "notification of chosen attributes": r"SUBSCRIBE .*\"attributes\"",
    "notification simplified": r"SUBSCRIBE .*keyValues",
}


def asked() -> list[str]:
    found = [
        f"{accept} {'GET' if body is None else 'POST'} {path} {orjson.dumps(body).decode()}"
        for accept, path, body in reads.requests()
    ]
    found += [
        f"application/json {method} {path} {orjson.dumps(body).decode()}" for method, path, body in writes.requests()
    ]
    return found + [f"SUBSCRIBE {orjson.dumps(more).decode()}" for more in told.SUBSCRIPTIONS.values()]


def test_there_are_at_least_forty_kinds() -> None:
    assert len(KINDS) >= 70
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_among_what_is_compared(kind: str) -> None:
    pattern = re.compile(KINDS[kind])
    assert any(pattern.search(one) for one in asked())
