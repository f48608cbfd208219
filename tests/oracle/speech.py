"""The oracle's requests in NGSI-LD's words: paths, parameters and bodies."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tests.oracle.request import Request

__all__ = ["full", "path_of", "polygon", "query_text"]

NS = "https://city.example/ns#"
_LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_DISCOVERY = {
    "types": "/types",
    "attributes": "/attributes",
    "types-details": "/types?details=true",
    "attributes-details": "/attributes?details=true",
}


def full(name: str) -> str:
    """Write a name in full."""
    return _LOCATION if name == "location" else NS + name


def _literal(value: Any) -> str:
    if isinstance(value, str) and value.startswith("urn:"):
        return value
    return json.dumps(value)


def query_text(condition: tuple[Any, ...]) -> str:
    """Write a condition as `q`."""
    kind = condition[0]
    if kind in ("and", "or"):
        parts = [query_text(one) for one in condition[1]]
        return "(" + (";" if kind == "and" else "|").join(parts) + ")"
    if kind == "has":
        return str(condition[1])
    _, path, operator, operand = condition
    if kind == "list":
        text = ",".join(map(_literal, operand))
    elif kind == "range":
        text = f"{operand[0]}..{operand[1]}"
    else:
        text = operand if kind == "match" else _literal(operand)
    return f"{path}{operator}{text}"


def polygon(box: tuple[int, int, int, int]) -> list[list[list[int]]]:
    """Write a box as the coordinates of a Polygon."""
    west, south, east, north = box
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


# ---- requests as HTTP


def path_of(request: Request) -> tuple[str, Any]:
    """Write a request: its path with parameters, and its body (None: it is a GET)."""
    if request.door in _DISCOVERY:
        return _DISCOVERY[request.door], None
    if request.door in ("type", "attribute"):
        return f"/{request.door}s/{request.name}", None
    said = _said(request)
    if request.door in ("retrieve", "evolution"):
        below = "" if request.door == "retrieve" else "/temporal"
        return f"{below}/entities/{request.name}?{_query_string(said)}", None
    page = {"count": "true", "limit": str(request.limit), "offset": str(request.offset)}
    if request.door in ("query", "evolutions"):
        below = "" if request.door == "query" else "/temporal"
        return f"{below}/entities?{_query_string({**said, **page})}", None
    in_url = page | {name: said.pop(name) for name in ("options", "geometryProperty") if name in said}
    below = "" if request.door == "post" else "/temporal"
    return f"{below}/entityOperations/query?{_query_string(in_url)}", _body(request, said)


def _said(request: Request) -> dict[str, str]:
    """Give the parameters that GET and POST share, as texts."""
    found = {
        name: ",".join(value)
        for name, value in (
            ("attrs", request.attrs),
            ("pick", request.pick),
            ("omit", request.omit),
            ("id", request.ids),
        )
        if value
    }
    singles = {"type": request.types, "idPattern": request.id_pattern, "scopeQ": request.scope}
    found |= {name: value for name, value in singles.items() if value is not None}
    found |= {"datasetId": request.dataset} if request.dataset is not None else {}
    found |= {"q": query_text(request.q)} if request.q is not None else {}
    found |= {"options": "keyValues"} if request.shape == "simplified" else {}
    found |= {"geometryProperty": request.geometry} if request.geometry is not None else {}
    if request.order:
        found["orderBy"] = ",".join(f"{name};{'desc' if descends else 'asc'}" for name, descends in request.order)
    found |= {"join": "inline"} if request.join else {}
    found |= _temporal(request)
    if request.geo is not None:
        name, box = request.geo
        found |= {"georel": "within", "geometry": "Polygon", "coordinates": json.dumps(polygon(box))}
        found |= {"geoproperty": name} if name != "location" else {}
    return found


def _temporal(request: Request) -> dict[str, str]:
    if request.when is None:
        return {}
    found = dict(
        zip(("timerel", "timeAt", "endTimeAt"), [one for one in request.when if one is not None], strict=False)
    )
    found |= {"lastN": str(request.last)} if request.last is not None else {}
    found |= {"options": "temporalValues"} if request.shape == "values" else {}
    if request.methods:
        found |= {"options": "aggregatedValues", "aggrMethods": ",".join(request.methods)}
    return found | ({"aggrPeriodDuration": request.period} if request.period is not None else {})


def _query_string(said: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())


def _body(request: Request, said: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "Query"}
    body["entities"] = [
        {"type": kind} | ({"idPattern": pattern} if pattern is not None else {}) for kind, pattern in request.selectors
    ]
    parts: dict[str, dict[str, Any]] = {"geoQ": {}, "temporalQ": {}}
    for name, value in said.items():
        if name in ("georel", "geometry", "coordinates", "geoproperty"):
            parts["geoQ"][name] = json.loads(value) if name == "coordinates" else value
        elif name in ("timerel", "timeAt", "endTimeAt", "lastN", "aggrMethods", "aggrPeriodDuration"):
            parts["temporalQ"][name] = _typed(name, value)
        else:
            body[name] = value.split(",") if name in ("attrs", "pick", "omit", "datasetId") else value
    return body | {name: part for name, part in parts.items() if part}


def _typed(name: str, value: str) -> Any:
    return int(value) if name == "lastN" else value.split(",") if name == "aggrMethods" else value
