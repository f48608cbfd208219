"""Requests made from a seed: any operation of the OpenAPI document, with parameters and bodies good, odd and broken."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from broker.http import answers
from broker.http.openapi.operations import OPERATIONS, Operation
from tests.strategies.entities import CONTEXT, Maker

__all__ = ["Made", "Requests"]

_IDS: Final = [f"urn:ngsi-ld:Thing:{number}" for number in range(40)]
_NAMES: Final = [
    "speed",
    "temperature",
    "name",
    "location",
    "label",
    "isIn",
    "ex:raised",
    "scope",
    "type",
    "id",
    "unmapped",
]
_JUNK: Final = [
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "true",
    "null",
    "%",
    "\x01",
    "é",
    "日本",
    "a" * 300,
    "{}",
    "[",
    '"',
    "urn:",
    "..",
    "*",
    "a,b",
    ",",
    "|",
    ";",
    "(",
    "#",
    "'--",
    "\U0001f600",
    "9" * 40,
]
_TIMES: Final = [
    "2026-01-01T00:00:00Z",
    "2026-01-05T12:00:00.123Z",
    "1900-01-01T00:00:00Z",
    "2100-12-31T23:59:59Z",
    "2026-13-01T00:00:00Z",
    "yesterday",
]
_QS: Final = [
    "speed>20",
    "speed==1..5",
    'name=="a"',
    "name~=^a.*",
    "temperature!=3",
    "label",
    "speed[unit]==1",
    "isIn==urn:x:1",
    'isIn{name=="x"}',
    "(speed>1;temperature<4)|name",
    "observedAt>2026-01-01T00:00:00Z",
    "speed.observedAt>2026-01-01T00:00:00Z",
    'title2[en]=="yes"',
    'name=="a","b"',
    "createdAt>2020-01-01T00:00:00Z",
    "name~=(a+)+$",
    'address[street]=="a"',
    "speed==true",
    "modifiedAt<2100-01-01T00:00:00Z",
]
_POOLS: Final[dict[str, list[str]]] = {
    "after": ["", *_IDS[:4]],
    "aggrMethods": ["avg", "min,max", "totalCount,sum,sumsq,stddev,distinctCount", "median"],
    "aggrPeriodDuration": ["PT1H", "P1D", "P1M", "PT0S", "P1Y", "PT0.5S", "1h"],
    "collation": ["en", "de-DE", "und", "xx-yy-zz", "en_US"],
    "coordinates": [
        "[1,2]",
        "[[0,0],[1,1]]",
        "[[[0,0],[1,0],[1,1],[0,0]]]",
        "[1]",
        "[1e400,2]",
        "[181,91]",
        "1,2",
        "[[[[0,0]]]]",
    ],
    "count": ["true", "false"],
    "csf": [
        'endpoint=="http://source.example"',
        'mode~="re.*"',
        "ex:own>0",
        "location",
        "createdAt>2020-01-01T00:00:00Z",
    ],
    "datasetId": ["@none", "urn:ngsi-ld:Dataset:1", "@none,urn:ngsi-ld:Dataset:1"],
    "deleteAll": ["true", "false"],
    "details": ["true", "false"],
    "endTimeAt": _TIMES,
    "expandValues": ["category", "speed,name"],
    "format": ["normalized", "concise", "simplified", "keyValues", "temporalValues", "aggregatedValues"],
    "geometry": ["Point", "Polygon", "LineString", "MultiPoint", "MultiPolygon", "MultiLineString", "Circle"],
    "georel": [
        "near;maxDistance==1000",
        "near;minDistance==5",
        "within",
        "contains",
        "intersects",
        "equals",
        "disjoint",
        "overlaps",
        "near",
        "near;maxDistance==-1",
    ],
    "id": [*_IDS[:5], ",".join(_IDS[:3]), "not a uri"],
    "idPattern": ["urn:.*", "^urn:ngsi-ld:Thing:1", "(a+)+$", "[", ".*", "\\d{3}"],
    "join": ["flat", "inline", "@none"],
    "joinLevel": ["1", "2", "3", "0", "99"],
    "kind": ["Hosted", "Cached", "ImplicitlyCreated"],
    "lang": ["en", "de;q=0.5,*", "*", "en;q=2", "fr-CH,en"],
    "lastN": ["1", "5", "0", "1000000"],
    "limit": ["0", "1", "20", "1000", "1001", "99999999999999"],
    "local": ["true", "false"],
    "offset": ["0", "1", "5", "1000000", "-1"],
    "observedAt": _TIMES,
    "options": [
        "sysAttrs",
        "concise",
        "keyValues,sysAttrs",
        "noOverwrite",
        "update",
        "replace",
        "temporalValues",
        "nonsense",
    ],
    "orderBy": [
        "speed",
        "name;desc",
        "id",
        "type",
        "createdAt;asc",
        "location;dist-asc",
        "address[street]",
        "speed,name;desc",
    ],
    "orderFrom": ["[1,2]", "[1]"],
    "orderGeometry": ["Point", "Polygon"],
    "q": _QS,
    "reload": ["true", "false"],
    "scopeQ": ["/a/b", "/a/#", "/+/b", "/a,/b", "/#", "a;b"],
    "timeAt": _TIMES,
    "timeproperty": ["observedAt", "createdAt", "modifiedAt", "deletedAt", "speed"],
    "timerel": ["before", "after", "between", "during"],
    "type": [
        "Vehicle",
        "Vehicle|Building",
        "(Vehicle;Sensor)",
        "Vehicle,Building",
        "*",
        "https://city.example/def/Sensor",
    ],
}
_RAW: Final = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"0",
    b'"x"',
    b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"\xff\xfe",
    b"[null]",
    b"[[]]",
    b'{"id":"urn:x:1","type":"A","a":{"type":"Property","value":NaN}}',
    b'{"id":"urn:x:1","type":"A","a":{"type":"Property","value":1e999}}',
    b'{"id":"urn:x:1","type":"A","a":{"type":"Property","value":"\\u0000"}}',
    b'{"id":"urn:x:1","type":"A","a":{"type":"Property","value":"\\ud800"}}',
    b'{"id":"urn:x:1","type":"A","a":' + b"9" * 5000 + b"}",
    b'{"@context":{"a":{"@id":"b"},"b":{"@id":"a"}},"id":"urn:x:1","type":"a"}',
    b'{"@context":{"@vocab":"x","@base":"y"},"id":"urn:x:1","type":"a"}',
    b'{"@context":[[[{}]]],"id":"urn:x:1","type":"a"}',
]


@dataclass(frozen=True, slots=True)
class Made:
    """One request."""

    method: str
    url: str
    body: bytes | None
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"{self.method} {self.url} {self.headers} {(self.body or b'')[:2000]!r}"


class Requests:
    """Makes requests; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._maker = Maker(seed)

    def next(self) -> Made:
        """Make one."""
        r = self._random
        operation = r.choice(OPERATIONS)
        headers = (
            {}
            if r.random() < 0.9
            else {"Accept": r.choice(["application/ld+json", "application/geo+json", "text/html", "*/*;q=0", "a/b,,;"])}
        )
        if r.random() < 0.05:
            headers["NGSILD-Tenant"] = r.choice(["fuzz", "other", "a b", "x" * 65])
        if r.random() < 0.05:
            headers["Link"] = r.choice(["<>", "<x", '<urn:x>; rel="http://www.w3.org/ns/json-ld#context"', ",,"])
        body = self._body(operation, headers)
        return Made(operation.method.upper(), self._path(operation) + self._query(operation), body, headers)

    def _path(self, operation: Operation) -> str:
        path = answers.BASE + operation.path
        pools = {"entityId": _IDS, "attrId": _NAMES, "attrName": _NAMES, "type": ["Vehicle", "Building"]}
        pools["registrationId"] = [f"urn:ngsi-ld:ContextSourceRegistration:{number}" for number in range(20)]
        while "{" in path:
            before, _, rest = path.partition("{")
            name, _, after = rest.partition("}")
            pool = pools.get(name, ["urn:ngsi-ld:x:1"])
            path = before + quote(self._one(pool), safe=":") + after
        return path

    def _query(self, operation: Operation) -> str:
        r = self._random
        known = sorted(operation.query)
        chosen = r.sample(known, min(len(known), r.choice([0, 1, 1, 2, 2, 3, 5])))
        if operation.id in ("queryEntities", "queryRegistrations") and "type" not in chosen and r.random() < 0.8:
            chosen.append("type")
        if r.random() < 0.02:
            chosen.append(r.choice(["nope", "", "Type"]))
        pairs = [f"{quote(name)}={quote(self._one(_POOLS.get(name, _NAMES)))}" for name in chosen]
        return f"?{'&'.join(pairs)}" if pairs else ""

    def _one(self, pool: list[str]) -> str:
        """Choose from the pool; now and then junk, or what was chosen with a fault in it."""
        r = self._random
        if r.random() < 0.04:
            return r.choice(_JUNK)
        found = r.choice(pool)
        if r.random() < 0.06 and found:
            at = r.randrange(len(found))
            return found[:at] + r.choice([*_JUNK, found[at] * 2]) + found[at + 1 :]
        return found

    def _body(self, operation: Operation, headers: dict[str, str]) -> bytes | None:
        r = self._random
        if operation.body is None:
            return None
        headers["Content-Type"] = "application/json"
        if r.random() < 0.05:
            return r.choice(_RAW)
        value = self._value(operation.body)
        if r.random() < 0.3:
            headers["Content-Type"] = "application/ld+json"
            headers.pop("Link", None)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    one["@context"] = CONTEXT
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            value = self._broken(value)
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)

    def _value(self, kind: str) -> Any:
        r = self._random
        if kind.startswith("["):
            return [self._value(kind[1:-1]) for _ in range(r.randint(0, 4))]
        if kind == "Id":
            return self._one(_IDS)
        if kind in ("Query",):
            return {"type": "Query", "entities": [{"type": r.choice(["Vehicle", "*"])}], "q": self._one(_QS)}
        if kind.startswith("Subscription"):
            endpoint = {"uri": "http://127.0.0.1:9/none", "accept": "application/json"}
            return {
                "type": "Subscription",
                "entities": [{"type": "Nobody"}],
                "q": self._one(_QS),
                "notification": {"endpoint": endpoint},
            }
        if kind.startswith("CsourceSubscription"):
            return self._csource_subscription()
        if kind.startswith("CSourceRegistration"):
            return self._registration(kind)
        if kind == "ContextBody":
            return {"@context": r.choice([CONTEXT, {"a": "urn:a"}, [], "urn:x"])}
        entity = self._maker.entity(5)
        entity["id"] = r.choice(_IDS)
        if "Fragment" in kind:
            for member in r.sample(["id", "type", "scope"], 2):
                entity.pop(member, None)
        elif kind in ("AttributeFragment", "Attribute"):
            return self._maker.attribute(1)
        if "Temporal" in kind:
            return {name: [value] if isinstance(value, dict) else value for name, value in entity.items()}
        return entity

    def _csource_subscription(self) -> dict[str, Any]:
        r = self._random
        members: dict[str, Any] = {
            "entities": [{"type": self._one(_POOLS["type"]), "idPattern": self._one(_POOLS["idPattern"])}],
            "watchedAttributes": [self._one(_NAMES)],
            "csf": self._one(_QS),
            "scopeQ": self._one(_POOLS["scopeQ"]),
            "geoQ": {"georel": self._one(_POOLS["georel"]), "geometry": "Point", "coordinates": [1, 2]},
            "temporalQ": {"timerel": self._one(_POOLS["timerel"]), "timeAt": self._one(_TIMES)},
            "datasetId": [self._one(_POOLS["datasetId"])],
            "timeInterval": r.choice([0.5, 60, 0, "1", 1e30]),
            "notificationTrigger": ["entityCreated"],
        }
        chosen = {name: members[name] for name in r.sample(sorted(members), r.choice([0, 1, 1, 2, 3]))}
        endpoint = {"uri": "http://127.0.0.1:9/none", "accept": "application/json"}
        notification = {"endpoint": endpoint, "format": self._one(_POOLS["format"]), "attributes": [self._one(_NAMES)]}
        return {"type": "Subscription", "entities": [{"type": "Nobody"}], **chosen, "notification": notification}

    def _registration(self, kind: str) -> dict[str, Any]:
        """Make a registration, or with a chance for each member, a part of one."""
        r = self._random
        info = r.choice(
            [
                {"entities": [{"type": r.choice(["Vehicle", ["Vehicle", "Sensor"]])}]},
                {"entities": [{"id": self._one(_IDS), "type": "Vehicle"}], "propertyNames": [self._one(_NAMES)]},
                {"entities": [{"idPattern": self._one(_POOLS["idPattern"])}], "relationshipNames": ["isIn"]},
                {"propertyNames": ["speed", self._one(_NAMES)]},
            ]
        )
        interval = {"startAt": self._one(_TIMES), "endAt": self._one(_TIMES)}
        found = {
            "id": f"urn:ngsi-ld:ContextSourceRegistration:{r.randrange(20)}",
            "type": "ContextSourceRegistration",
            "endpoint": self._one(["http://source.example", "https://source.example:1026/base"]),
            "information": [info],
        }
        more: dict[str, Any] = {
            "contextSourceInfo": [{"key": "accept", "value": self._one(["application/json", "text/html"])}],
            "datasetId": ["@none", "urn:d:1"],
            "expiresAt": self._one(_TIMES),
            "location": {"type": "Point", "coordinates": [r.choice([1, 200, "x"]), 2]},
            "management": {"timeout": r.choice([1, 0, 1e400]), "cacheDuration": self._one(["PT5M", "P"])},
            "managementInterval": interval,
            "mode": self._one(["inclusive", "exclusive", "redirect", "auxiliary"]),
            "observationInterval": interval,
            "operations": [self._one(["retrieveOps", "queryEntity", "createEntity"])],
            "refreshRate": self._one(["PT1S", "P1DT2H"]),
            "scope": self._one(["/a/b", "/a"]),
            "ex:own": r.choice([1, None, {"type": "Property"}, {"type": "Property", "value": [1]}, "x", [[]]]),
        }
        found |= {name: more[name] for name in r.sample(sorted(more), r.choice([0, 0, 1, 2, 4]))}
        if "Fragment" in kind:
            return {name: found[name] for name in r.sample(sorted(found), r.randint(0, len(found)))}
        return found

    def _broken(self, value: Any) -> Any:
        """Put a fault somewhere into the value."""
        r = self._random
        if isinstance(value, dict) and value and r.random() < 0.8:
            name = r.choice(list(value))
            if r.random() < 0.2:
                return {**value, self._one(_NAMES): r.choice([None, {}, [], 1, "x", {"type": "Property"}])}
            return {**value, name: self._broken(value[name])}
        if isinstance(value, list) and value and r.random() < 0.7:
            at = r.randrange(len(value))
            return [*value[:at], self._broken(value[at]), *value[at + 1 :]]
        return r.choice(
            [
                None,
                {},
                [],
                -1,
                1e308,
                True,
                "urn:ngsi-ld:null",
                {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [None]}},
                *_JUNK,
            ]
        )
