"""Applying the city's folder: in force once, repeatable without a trace, new text only as a new version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import asyncpg
import pytest

from policies.agreements.lifecycle import UnknownAgreement, apply_agreements, apply_domains, change_status
from policies.city import CityFolder, open_city
from policies.store.city import VersionError
from tests.policies.conftest import ROOT

UID = "urn:datapolis:agreement:rideflow-mobility"
BY = "urn:party:steward"


async def revision(conn: asyncpg.Connection) -> int:
    found: int = await conn.fetchval("SELECT revision FROM policies.revision")
    return found


async def test_applying_again_changes_nothing(conn: asyncpg.Connection, city: CityFolder) -> None:
    before = await revision(conn)
    audited = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
    assert await apply_domains(conn, city, BY) == []
    assert await apply_agreements(conn, city, BY) == []
    assert await revision(conn) == before
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == audited == 4 + 22


async def test_acts_are_audited(conn: asyncpg.Connection) -> None:
    records = [json.loads(row["record"]) for row in await conn.fetch("SELECT record FROM policies.audit_pending")]
    [one] = [item for item in records if item["agreements"] == [[UID, 1]]]
    assert one["request"].startswith(f"apply agreement {UID} ")
    assert (one["door"], one["action"], one["caller"], one["outcome"]) == ("steward", "manage", BY, "allowed")


async def test_a_changed_text_needs_a_new_version(conn: asyncpg.Connection, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "city", tmp_path / "city")
    path = tmp_path / "city" / "agreements" / "rideflow-mobility.jsonld"
    document = json.loads(path.read_text())
    document["title"]["en"] = "Something else"
    path.write_text(json.dumps(document))
    with pytest.raises(VersionError, match="version 1 differs from version 1 in force; give it version 2"):
        await apply_agreements(conn, open_city(tmp_path / "city"), BY)
    document["version"] = 2
    path.write_text(json.dumps(document))
    assert await apply_agreements(conn, open_city(tmp_path / "city"), BY) == [f"{UID} version 2"]
    rows = await conn.fetch("SELECT version, current FROM policies.agreements WHERE uid = $1 ORDER BY version", UID)
    assert [(row["version"], row["current"]) for row in rows] == [(1, False), (2, True)]


async def test_what_is_suspended_stays_so(conn: asyncpg.Connection, city: CityFolder) -> None:
    before = await revision(conn)
    await change_status(conn, UID, "suspended", BY, "quota ignored")
    assert await revision(conn) > before
    assert await apply_agreements(conn, city, BY) == []
    assert await conn.fetchval("SELECT status FROM policies.agreements WHERE uid = $1", UID) == "suspended"
    [record] = [
        json.loads(row["record"])
        for row in await conn.fetch("SELECT record FROM policies.audit_pending WHERE record LIKE '%quota ignored%'")
    ]
    assert record["request"] == f"agreement {UID} suspended: quota ignored"


async def test_unknown_agreement(conn: asyncpg.Connection) -> None:
    before = await revision(conn)
    with pytest.raises(UnknownAgreement, match="no agreement has the uid urn:x:y"):
        await change_status(conn, "urn:x:y", "revoked", BY, "a test")
    assert await revision(conn) == before


async def test_publish_rights_can_be_read_as_the_broker_does(conn: asyncpg.Connection) -> None:
    rows = await conn.fetch(
        """
        SELECT a.tenant, a.domain, p -> 'target' -> 'feeds' AS feeds, p -> 'target' -> 'types' AS types
        FROM policies.agreements a, jsonb_array_elements(a.body -> 'permission') p
        WHERE a.current AND a.status = 'active' AND p -> 'action' ? 'publish' ORDER BY a.domain
        """
    )
    assert [(row["tenant"], row["domain"], sorted(row["feeds"]), len(row["types"])) for row in rows] == [
        ("default", "environment", ["lorawan-chirpstack", "lorawan-tts", "seattle-weather", "valencia-air"], 3),
        ("default", "mobility", ["kcm-vehicles", "montreal-carshare", "transit-live"], 1),
        ("platform", "platform", ["platform"], 2),
        ("default", "requests", ["nyc-311"], 1),
    ]


def test_every_feed_may_publish(city: CityFolder) -> None:
    feeds = {path.stem for path in (ROOT / "city" / "feeds").glob("*.yaml")}
    granted = {
        feed
        for item in city.agreements()
        for rule in item.body["permission"]
        for feed in rule["target"].get("feeds", [])
    }
    assert feeds | {"platform"} == granted
