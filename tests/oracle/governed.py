"""The oracle's worlds in a real governed broker: its city folder, agreements as written, requests over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import yaml

from policies.agreements.lifecycle import apply_agreements, apply_domains
from policies.city import open_city
from policies.store.connect import connect
from tests.fixtures.broker import Answer
from tests.fixtures.governed import Governed
from tests.oracle.answers import DENIED, MISSING, Request
from tests.oracle.law import MEMBERS, Agreement, Rule, World
from tests.oracle.worlds import ATTRIBUTES, DOMAINS

__all__ = ["Stage", "full", "polygon", "query_text", "stored", "write_city"]

_NS = "https://city.example/ns#"
_LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
_LINK = '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'
_TIMES = {
    "past": ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
    "present": ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
    "future": ("2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
}


def write_city(folder: Path, parties: Sequence[str]) -> Path:
    """Write the city folder that declares what the worlds speak of."""
    (folder / "domains").mkdir(parents=True)
    (folder / "agreements").mkdir()
    names = [*"ABCD", *(name for name in ATTRIBUTES if name != "location"), "accuracy"]
    (folder / "context.jsonld").write_text(json.dumps({"@context": {name: _NS + name for name in names}}))
    city = {
        "name": "Oracle",
        "languages": ["en"],
        "time_zone": "UTC",
        "tenants": [{"name": "default", "title": {"en": "All"}}],
        "parties": {"urn:party:city": "City"} | {party: party for party in parties},
    }
    (folder / "city.yaml").write_text(yaml.safe_dump(city))
    for name, types in DOMAINS.items():
        domain = {
            "name": name,
            "title": {"en": name},
            "owner": "urn:party:city",
            "steward": "urn:party:city",
            "types": list(types),
            "classification": "open",
        }
        (folder / "domains" / f"{name}.yaml").write_text(yaml.safe_dump(domain))
    return folder


# ---- the law's conditions in NGSI-LD's query language


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


def _rule(rule: Rule) -> dict[str, Any]:
    target: dict[str, Any] = {"types": list(rule.types)}
    if rule.attrs is not None:
        target["attrs"] = {rule.attrs[0]: list(rule.attrs[1])}
    if rule.q is not None:
        target["q"] = query_text(rule.q)
    if rule.scope is not None:
        target["scopeQ"] = rule.scope
    if rule.box is not None:
        target["area"] = {"type": "Polygon", "coordinates": polygon(rule.box)}
    if rule.aggregate_only:
        target["aggregate_only"] = True
    constraint: list[dict[str, Any]] = []
    if rule.purpose is not None:
        operator, wanted = rule.purpose
        named = [f"dpv:{one}" for one in wanted]
        constraint.append(
            {
                "leftOperand": "purpose",
                "operator": operator,
                "rightOperand": named if operator in ("isAnyOf", "isNoneOf") else named[0],
            }
        )
    if rule.role is not None:
        constraint.append({"leftOperand": "t:role", "operator": "eq", "rightOperand": rule.role})
    return {"action": list(rule.actions), "target": target, "constraint": constraint}


def _written(agreement: Agreement) -> dict[str, Any]:
    begin, end = _TIMES[agreement.time]
    return {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", "../context.jsonld"],
        "@type": "Offer" if agreement.status == "offered" else "Agreement",
        "uid": agreement.uid,
        "profile": "https://datapolis.example/ns/trust",
        "version": 1,
        "status": agreement.status,
        "domain": agreement.domain,
        "assigner": "urn:party:city",
        "assignee": agreement.assignee,
        "valid": {"from": begin, "until": end},
        "permission": [_rule(one) for one in agreement.permissions],
        "prohibition": [_rule(one) for one in agreement.prohibitions],
    }


# ---- entities in full names, as the store has them


def full(name: str) -> str:
    """Write a name in full."""
    return _LOCATION if name == "location" else _NS + name


def stored(entity: dict[str, Any]) -> dict[str, Any]:
    """Write an entity as the broker keeps it."""
    found: dict[str, Any] = {"id": entity["id"], "type": [full(one) for one in entity["type"]]}
    if "scope" in entity:
        found["scope"] = entity["scope"]
    for name, value in entity.items():
        if name not in MEMBERS:
            found[full(name)] = (
                value if isinstance(value, list) else {full(k) if k == "accuracy" else k: v for k, v in value.items()}
            )
    return found


class Stage:
    """Where worlds are played: a governed broker whose city is the worlds' own."""

    def __init__(self, governed: Governed, city: Path) -> None:
        self._governed = governed
        self._city = city
        self._headers: dict[Any, dict[str, str]] = {}

    async def put(self, world: World) -> None:
        """Bring a world into force, and nothing else; the broker follows within its notice."""
        folder = self._city / "agreements"
        for path in folder.iterdir():
            path.unlink()
        for n, agreement in enumerate(world.agreements):
            (folder / f"{n:03}.jsonld").write_text(json.dumps(_written(agreement)))
        database = self._governed.running.database
        city = open_city(self._city)
        admin = await asyncpg.connect(database.dsn("admin"))
        conn = await connect(database.dsn("policies"))
        try:
            await admin.execute("DELETE FROM policies.agreements")
            await apply_domains(conn, city, "urn:party:steward")
            await apply_agreements(conn, city, "urn:party:steward")
        finally:
            await conn.close(timeout=5)
            await admin.close(timeout=5)
        await self._governed.store([stored(one) for one in world.entities.values()], _NOW)
        self._headers.clear()
        await asyncio.sleep(0.5)

    async def ask(self, request: Request) -> tuple[str, Any]:
        """Send a request; what was sent, and the answer in the oracle's terms."""
        path, body = path_of(request)
        headers = dict(self._of(request))
        if request.shape == "geojson":
            headers["Accept"] = "application/geo+json"
        given = await self._governed.api.call("GET" if body is None else "POST", path, body, headers)
        said = f"{path} {json.dumps(body)} as {request.caller}"
        return said, _read(request, given)

    def _of(self, request: Request) -> dict[str, str]:
        caller = request.caller
        if caller not in self._headers:
            headers = {"Link": _LINK}
            if caller.tier != "public":
                token = self._governed.issuer.token(caller.party, caller.tier, roles=list(caller.roles))
                headers["Authorization"] = f"Bearer {token}"
            if caller.purpose is not None:
                headers["Data-Purpose"] = f"dpv:{caller.purpose}"
            self._headers[caller] = headers
        return self._headers[caller]


# ---- requests as HTTP


def path_of(request: Request) -> tuple[str, Any]:
    if request.door in ("types", "attributes"):
        return f"/{request.door}", None
    if request.door in ("types-details", "attributes-details"):
        return f"/{request.door.partition('-')[0]}?details=true", None
    if request.door in ("type", "attribute"):
        return f"/{request.door}s/{request.name}", None
    said = _said(request)
    if request.door == "retrieve":
        return f"/entities/{request.name}?{_query_string(said)}", None
    page = {"count": "true", "limit": str(request.limit), "offset": str(request.offset)}
    if request.door == "query":
        return f"/entities?{_query_string({**said, **page})}", None
    in_url = page | {name: said.pop(name) for name in ("options", "geometryProperty") if name in said}
    return f"/entityOperations/query?{_query_string(in_url)}", _body(request, said)


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
    if request.geo is not None:
        name, box = request.geo
        found |= {"georel": "within", "geometry": "Polygon", "coordinates": json.dumps(polygon(box))}
        found |= {"geoproperty": name} if name != "location" else {}
    return found


def _query_string(said: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())


def _body(request: Request, said: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "Query"}
    body["entities"] = [
        {"type": kind} | ({"idPattern": pattern} if pattern is not None else {}) for kind, pattern in request.selectors
    ]
    geo: dict[str, Any] = {}
    for name, value in said.items():
        if name in ("georel", "geometry", "coordinates", "geoproperty"):
            geo[name] = json.loads(value) if name == "coordinates" else value
        else:
            body[name] = value.split(",") if name in ("attrs", "pick", "omit", "datasetId") else value
    return body | ({"geoQ": geo} if geo else {})


# ---- answers in the oracle's terms


def _read(request: Request, given: Answer) -> Any:
    if given.status in (401, 403):
        return DENIED
    if given.status == 404:
        return MISSING
    if given.status != 200:
        return ("status", given.status, given.body.decode())
    found = given.json
    if request.door == "retrieve":
        return _entity(request, found)
    if request.door in ("query", "post"):
        items = found["features"] if request.shape == "geojson" else found
        return int(given.headers["NGSILD-Results-Count"]), [_entity(request, one) for one in items]
    return _discovered(request, found)


def _entity(request: Request, found: dict[str, Any]) -> Any:
    if request.shape == "geojson":
        shown = {"id": found["id"], **found["properties"]} if "id" in found else found["properties"]
        return {"geometry": found["geometry"], "properties": _lists(shown)}
    return dict.fromkeys(found) if request.shape == "simplified" else _lists(found)


def _lists(found: dict[str, Any]) -> dict[str, Any]:
    for name in ("type", "scope"):
        if isinstance(found.get(name), str):
            found[name] = [found[name]]
    for value in found.values():
        if isinstance(value, dict) and isinstance(value.get("entity"), dict):
            value["entity"] = _lists(value["entity"])
    return {name: value for name, value in found.items() if name != "@context"}


def _discovered(request: Request, found: Any) -> Any:
    if request.door == "types":
        return sorted(found["typeList"])
    if request.door == "attributes":
        return sorted(found["attributeList"])
    if request.door == "types-details":
        return {one["typeName"]: sorted(one["attributeNames"]) for one in found}
    if request.door == "attributes-details":
        return {one["attributeName"]: sorted(one["typeNames"]) for one in found}
    if request.door == "type":
        details = sorted((one["attributeName"], sorted(one["attributeTypes"])) for one in found["attributeDetails"])
        return found["entityCount"], details
    return found["attributeCount"], [sorted(found["attributeTypes"]), sorted(found["typeNames"])]
