"""A city of many domains, each with many types, and its entities, made by sets inside the database."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from broker.core.patch import Change
from broker.store.pool import Pool
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.fixtures.postgres import Database

__all__ = ["DEFAULT", "fill", "large_city"]

DEFAULT = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
_PLATFORM = "t_" + hashlib.sha256(b"platform").hexdigest()[:16]
_SPACE = "https://large.example/"
_NS = "https://datapolis.example/ns#"
_DQV = "http://www.w3.org/ns/dqv#"
_DIMENSIONS = ("completeness", "timeliness", "validity", "uniqueness")
_WORDS = ("Bus", "Tree", "Bridge", "Noise", "Parking", "Permit", "School", "Water", "Light", "Park")
_SEED = "urn:ngsi-ld:Seed:1"
_ENTITIES = """
INSERT INTO entities
SELECT 'urn:ngsi-ld:' || n.type || ':' || n.number, ARRAY[$1::text || n.type], scopes, names, segs, vals,
       location, meta, created_at, modified_at, expires_at, version
FROM (SELECT 'D' || lpad(d::text, 4, '0') || ($2::text[])[1 + t % 10] || lpad(t::text, 3, '0') AS type, e AS number
      FROM generate_series($3::int, $4::int) d, generate_series(0, $5::int - 1) t, generate_series(1, $6::int) e) n,
     entities WHERE id = $7
"""


def _type(domain: int, n: int) -> str:
    return f"D{domain:04}{_WORDS[n % 10]}{n:03}"


def large_city(folder: Path, domains: int, types: int) -> Path:
    """The sample city's own domain of the platform, and so many others of so many types, all open to the public."""
    city = folder / "city"
    for name in ("agreements", "domains", "feeds"):
        (city / name).mkdir(parents=True)
    shutil.copy(ROOT / "city" / "city.yaml", city)
    shutil.copy(ROOT / "city" / "domains" / "platform.yaml", city / "domains")
    for path in (ROOT / "city" / "agreements").glob("*-platform.jsonld"):
        shutil.copy(path, city / "agreements")
    context = json.loads((ROOT / "city" / "context.jsonld").read_text())
    base = yaml.safe_load((ROOT / "city" / "domains" / "mobility.yaml").read_text()) | {"freshness": "PT1H"}
    allowed = {name: json.loads((ROOT / "city" / "agreements" / f"{name}-mobility.jsonld").read_text())
               for name in ("catalog", "public")}  # fmt: skip
    for d in range(domains):
        name, terms = f"domain-{d:04}", [_type(d, n) for n in range(types)]
        context["@context"] |= {term: _SPACE + term for term in terms}
        title = {"en": f"{_WORDS[d % 10]} services {d}"}
        declared = base | {"name": name, "title": title, "types": terms}
        (city / "domains" / f"{name}.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
        for who, agreement in allowed.items():
            said = agreement | {"uid": f"urn:datapolis:agreement:{who}-{name}", "domain": name}
            said["permission"] = [{k: v for k, v in p.items() if k != "target"} for p in agreement["permission"]]
            (city / "agreements" / f"{who}-{name}.jsonld").write_text(json.dumps(said))
        feed = {"feed": f"feed-{d:04}", "title": f"Feed {d}", "domain": name, "source": {"kind": "http"},
                "mapping": [{"type": term} for term in terms]}  # fmt: skip
        (city / "feeds" / f"feed-{d:04}.yaml").write_text(yaml.safe_dump(feed, sort_keys=False))
    (city / "context.jsonld").write_text(json.dumps(context))
    return city


async def fill(found: Database, domains: int, types: int, each: int) -> int:
    """So many entities of every type, and what connectors report of one feed per domain; how many entities there are
    in the city's own tenant."""
    now, pool = datetime.now(UTC), Pool(found.dsn("broker"), size=1)
    async with pool.lend(None) as conn:
        await conn.execute("SELECT broker.create_tenant('platform')")
    async with pool.tx(_PLATFORM) as tx:
        reports = [doc for d in range(domains) for doc in _reports(d, types * each, now)]
        for start in range(0, len(reports), 500):
            part = reports[start : start + 500]
            await apply(tx, "platform", [Change("create", doc["id"], doc) for doc in part], now)
    async with pool.tx(DEFAULT) as tx:
        await apply(tx, "default", [Change("create", _SEED, _seed(now))], now)
    await pool.close()
    admin: asyncpg.Connection[Any] = await asyncpg.connect(found.dsn("admin"), command_timeout=3600)
    await admin.execute(f"SET search_path = {DEFAULT}, public; SET synchronous_commit = off")
    for start in range(0, domains, 10):
        last = min(start + 9, domains - 1)
        await admin.execute(_ENTITIES, _SPACE, list(_WORDS), start, last, types, each, _SEED)
    await admin.execute("DELETE FROM entities WHERE id = $1", _SEED)
    await admin.execute("DELETE FROM entity_type")
    await admin.execute("INSERT INTO entity_type SELECT types[1], id FROM entities")
    for table in ("entities", "entity_type"):
        await admin.execute(f"VACUUM ANALYZE {table}")
    count = await admin.fetchval("SELECT count(*) FROM entities")
    await admin.close()
    return int(count)


def _seed(now: datetime) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [-122.33, 47.61]}
    at = now.isoformat()
    return {
        "id": _SEED,
        "type": [f"{_SPACE}Seed"],
        "https://uri.etsi.org/ngsi-ld/location": {"type": "GeoProperty", "value": place, "observedAt": at},
        f"{_SPACE}level": {"type": "Property", "value": 7, "observedAt": at},
    }


def _reports(d: int, records: int, now: datetime) -> list[dict[str, Any]]:
    """A feed of the domain that runs, and its quality."""
    at = now.isoformat().replace("+00:00", "Z")
    values = {"domain": f"domain-{d:04}", "status": "running", "lastRecordAt": at}
    numbers = {"received": records, "mapped": records, "rejected": 0}
    feed = {"id": f"urn:ngsi-ld:Feed:feed-{d:04}", "type": [f"{_NS}Feed"]}
    said = {f"{_NS}{name}": {"type": "Property", "value": value} for name, value in {**values, **numbers}.items()}
    return [
        {**feed, **said},
        *(
            {
                "id": f"urn:ngsi-ld:QualityMeasurement:feed-{d:04}:{dimension}",
                "type": [f"{_DQV}QualityMeasurement"],
                f"{_NS}domain": {"type": "Property", "value": f"domain-{d:04}"},
                f"{_NS}dimension": {"type": "Property", "value": dimension},
                f"{_NS}feed": {"type": "Relationship", "object": feed["id"]},
                f"{_DQV}value": {"type": "Property", "value": 0.995, "observedAt": at},
            }
            for dimension in _DIMENSIONS
        ),
    ]
