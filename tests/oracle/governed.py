"""The oracle's worlds in a real governed broker: its city folder, agreements as written, requests over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from policies.agreements.lifecycle import apply_agreements, apply_domains
from policies.city import open_city
from policies.store.connect import connect
from tests.fixtures.governed import DEFAULT_SCHEMA, Governed
from tests.oracle.heard import read
from tests.oracle.law import MEMBERS, Agreement, Caller, Rule, World
from tests.oracle.over_time import moment
from tests.oracle.request import Request
from tests.oracle.speech import NS, full, path_of, polygon, query_text
from tests.oracle.worlds import ATTRIBUTES, DOMAINS

__all__ = ["NOW", "Stage", "stored", "write_city"]

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
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
    names = [*"ABCDW", *(name for name in ATTRIBUTES if name != "location"), "accuracy"]
    (folder / "context.jsonld").write_text(json.dumps({"@context": {name: NS + name for name in names}}))
    city = {
        "name": "Oracle",
        "languages": ["en"],
        "time_zone": "UTC",
        "tenants": [{"name": "default", "title": {"en": "All"}}],
        "parties": {"urn:party:city": "City"} | {party: party for party in parties},
    }
    (folder / "city.yaml").write_text(yaml.safe_dump(city))
    for name, types in {**DOMAINS, "witness": ("W",)}.items():
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
    if rule.hourly:
        target["resolution"] = {"time": "PT1H"}
    if "publish" in rule.actions:
        target["feeds"] = ["hand"]
    if rule.window is not None:
        target["window"] = dict(zip(("from", "to"), rule.window, strict=True))
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


def stored(entity: dict[str, Any]) -> dict[str, Any]:
    """Write an entity as the broker keeps it."""
    found: dict[str, Any] = {"id": entity["id"], "type": [full(one) for one in entity["type"]]}
    if "scope" in entity:
        found["scope"] = entity["scope"]
    for name, value in entity.items():
        if name not in MEMBERS:
            found[full(name)] = value if isinstance(value, list) else _instance(value)
    return found


def _instance(instance: dict[str, Any]) -> dict[str, Any]:
    return {full(name) if name == "accuracy" else name: value for name, value in instance.items()}


class Stage:
    """Where worlds are played: a governed broker whose city is the worlds' own."""

    def __init__(self, governed: Governed, city: Path) -> None:
        self.governed = governed
        self._city = city
        self._headers: dict[Any, dict[str, str]] = {}

    async def put(self, world: World) -> None:
        """Bring a world into force, and nothing else; the broker follows within its notice."""
        folder = self._city / "agreements"
        for path in folder.iterdir():
            path.unlink()
        for n, agreement in enumerate(world.agreements):
            (folder / f"{n:03}.jsonld").write_text(json.dumps(_written(agreement)))
        database = self.governed.running.database
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
        await self.governed.store([stored(one) for one in world.entities.values()], NOW)
        await self._remember(world)
        self._headers.clear()
        await asyncio.sleep(0.5)

    async def _remember(self, world: World) -> None:
        """Add what was before the entities' current instances."""
        rows = [
            (entity, full(attr), moment(one["observedAt"]), json.dumps(_instance(one)))
            for entity, past in world.histories.items()
            for attr, many in past.items()
            for one in many[:-1]
        ]
        async with self.governed.pool.tx(DEFAULT_SCHEMA) as conn:
            await conn.executemany(
                "INSERT INTO history (entity, attr, observed_at, received_at, event, kind, body) "
                "VALUES ($1, $2, $3, $3::timestamptz + interval '1 s', '', 'value', $4)",
                rows,
            )

    async def ask(self, request: Request) -> tuple[str, Any]:
        """Send a request; what was sent, and the answer in the oracle's terms."""
        path, body = path_of(request)
        headers = dict(self.headers(request.caller))
        if request.shape == "geojson":
            headers["Accept"] = "application/geo+json"
        given = await self.governed.api.call("GET" if body is None else "POST", path, body, headers)
        said = f"{path} {json.dumps(body)} as {request.caller}"
        return said, read(request, given)

    def headers(self, caller: Caller) -> dict[str, str]:
        """Give the headers of a caller."""
        if caller not in self._headers:
            headers = {"Link": _LINK}
            if caller.tier != "public":
                token = self.governed.issuer.token(caller.party, caller.tier, roles=list(caller.roles))
                headers["Authorization"] = f"Bearer {token}"
            if caller.purpose is not None:
                headers["Data-Purpose"] = f"dpv:{caller.purpose}"
            self._headers[caller] = headers
        return self._headers[caller]
