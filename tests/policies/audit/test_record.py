"""The audit record: canonical text, commitment, one insert, and who may write where."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from policies.audit import AuditRecord, Form, append, prepare
from policies.audit.record import commitment
from tests.fixtures.postgres import Database


def record(**changes: Any) -> AuditRecord:
    given: dict[str, Any] = {
        "door": "ngsi-ld",
        "action": "read",
        "tenant": "default",
        "caller": "urn:party:rideflow",
        "purpose": "https://w3id.org/dpv#ServiceProvision",
        "request": 'GET /ngsi-ld/v1/entities?q=name=="é\u2028\x07"&type=Vehicle',
        "outcome": "allowed",
        "agreements": (("urn:datapolis:agreement:a", 3),),
        "entities": 20,
        "revision": 7,
    }
    return AuditRecord(**{**given, **changes})


def jcs(value: Any) -> str:
    """RFC 8785 for objects with ASCII names, arrays, strings, null and integers, independent of the code."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_text_is_canonical() -> None:
    made = record(id="018f0000-0000-7000-8000-000000000000", at="2026-11-22T05:00:00.123Z", reason="quota")
    prepared = prepare(made)
    document = json.loads(prepared.record)
    assert prepared.record == jcs(document)
    assert document == {
        "v": 1,
        "id": "018f0000-0000-7000-8000-000000000000",
        "at": "2026-11-22T05:00:00.123Z",
        "door": "ngsi-ld",
        "action": "read",
        "tenant": "default",
        "caller": "urn:party:rideflow",
        "purpose": "https://w3id.org/dpv#ServiceProvision",
        "agreements": [["urn:datapolis:agreement:a", 3]],
        "request": 'GET /ngsi-ld/v1/entities?q=name=="é\u2028\x07"&type=Vehicle',
        "outcome": "allowed",
        "reason": "quota",
        "entities": 20,
        "roles": [],
        "subjects": [],
        "tier": "",
        "revision": 7,
    }


def test_commitment_and_receipt() -> None:
    prepared = prepare(record(), salt=b"0123456789abcdef")
    assert prepared.c == hashlib.sha256(b"0123456789abcdef" + prepared.record.encode()).digest()
    assert prepared.c == commitment(prepared.salt, prepared.record)
    assert prepared.receipt == f"{prepared.id}:{prepared.c.hex()}"
    assert UUID(prepared.id).version == 7
    other = prepare(record())
    assert len(other.salt) == 16
    assert other.salt != prepare(record()).salt


def test_ids_ascend_and_preparing_is_quick() -> None:
    ids = [prepare(record()).id for _ in range(1000)]
    assert ids == sorted(ids)
    begun = time.process_time()
    for _ in range(5000):
        prepare(record())
    assert (time.process_time() - begun) / 5000 < 100e-6  # of this process: the machine may be busy


async def test_append_is_one_statement_for_many(conn: asyncpg.Connection) -> None:
    before = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
    many = [prepare(record(entities=n)) for n in range(50)]
    await append(conn, many)
    rows = await conn.fetch(
        "SELECT id, record, salt, c FROM policies.audit_pending WHERE id = ANY($1::uuid[]) ORDER BY id",
        [item.id for item in many],
    )
    assert [(str(r["id"]), r["record"], r["salt"], r["c"]) for r in rows] == [
        (item.id, item.record, item.salt, item.c) for item in many
    ]
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == before + 50
    await append(conn, [])


async def test_a_rolled_back_write_leaves_no_record(conn: asyncpg.Connection) -> None:
    prepared = prepare(record())
    transaction = conn.transaction()
    await transaction.start()
    await append(conn, [prepared])
    await transaction.rollback()
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending WHERE id = $1", prepared.id) == 0


async def test_erasure_keeps_the_commitment(conn: asyncpg.Connection) -> None:
    prepared = prepare(record())
    await append(conn, [prepared])
    assert await conn.fetchval("SELECT policies.erase_audit($1)", prepared.id) is True
    row = await conn.fetchrow("SELECT record, salt, c FROM policies.audit_pending WHERE id = $1", prepared.id)
    assert row is not None
    assert (row["record"], row["salt"], row["c"]) == (None, None, prepared.c)
    assert await conn.fetchval("SELECT policies.erase_audit($1)", prepared.id) is False


AUDIT = ("audit_pending", "audit_leaf", "audit_node", "checkpoint")
TABLES = (
    *AUDIT,
    "access_keys",
    "agreements",
    "applications",
    "approvals",
    "assessments",
    "cases",
    "certificates",
    "contacts",
    "domains",
    "domain_types",
    "duties",
    "events",
    "log_key",
    "notices",
    "obligations",
    "optouts",
    "parties",
    "rates",
    "reminders",
    "revision",
    "usage",
    "usage_counted",
)
READS = {"agreements", "domains", "domain_types", "revision", "optouts", "duties", "rates", "access_keys"}


@pytest.mark.parametrize("role", ["datapolis_broker", "datapolis_tenant", "datapolis_catalog", "datapolis_policies"])
async def test_grants(pg: Database, role: str) -> None:
    admin = await asyncpg.connect(pg.dsn("admin"), timeout=10)
    try:
        held = {
            (row["table_name"], row["kind"])
            for row in await admin.fetch(
                """
                SELECT t.table_name, k.kind
                FROM information_schema.tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS k (kind)
                WHERE t.table_schema = 'policies' AND t.table_name <> 'migrations'
                  AND has_table_privilege($1, format('policies.%I', t.table_name), k.kind)
                """,
                role,
            )
        }
        functions = {
            row["name"]
            for row in await admin.fetch(
                """
                SELECT p.proname AS name FROM pg_proc p
                WHERE p.pronamespace = 'policies'::regnamespace AND has_function_privilege($1, p.oid, 'EXECUTE')
                """,
                role,
            )
        }
    finally:
        await admin.close(timeout=5)
    expected: dict[str, set[tuple[str, str]]] = {
        "datapolis_broker": {(t, "SELECT") for t in READS}
        | {("audit_pending", "INSERT"), ("duties", "INSERT"), ("rates", "INSERT"), ("rates", "UPDATE")},
        "datapolis_tenant": {("audit_pending", "INSERT")},
        "datapolis_catalog": set(),
        "datapolis_policies": {(t, "SELECT") for t in TABLES}
        | {(t, "INSERT") for t in TABLES if t not in ("revision", "audit_leaf", "usage_counted")}
        | {
            (t, kind)
            for t in TABLES
            for kind in ("UPDATE", "DELETE")
            if t not in (*AUDIT, "access_keys", "certificates", "events", "log_key", "reminders", "revision")
            and (t, kind) != ("usage_counted", "DELETE")
        },
    }
    assert held == expected[role]
    assert functions == ({"erase_audit", "sequence_audit"} if role == "datapolis_policies" else set())


@pytest.mark.parametrize("statement", ["UPDATE policies.{} SET c = c", "DELETE FROM policies.{}"])
@pytest.mark.parametrize("login", ["broker", "policies", "catalog"])
async def test_nobody_changes_the_log(pg: Database, login: Any, statement: str) -> None:
    connection = await asyncpg.connect(pg.dsn(login), timeout=10)
    try:
        for table in ("audit_pending", "audit_leaf"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(table))
    finally:
        await connection.close(timeout=5)


@pytest.mark.parametrize("reason", [None, "quota"])
def test_a_form_writes_what_prepare_writes(reason: str | None) -> None:
    request = 'GET /ngsi-ld/v1/entities/urn:x:"é\u2028\x07\\%s{}'
    given = {"caller": 'urn:party:"%d"', "agreements": (("urn:a", 3), ("urn:b", 1)), "reason": reason}
    form = Form(record(**given, id="", at="", request=""))
    made = [form.prepare(orjson.dumps(request).decode()) for _ in range(600)]
    for one in made:
        document = json.loads(one.record)
        same = prepare(record(**given, request=request, id=one.id, at=document["at"]), one.salt)
        assert one == same
        assert document["at"] == datetime.fromisoformat(document["at"]).isoformat("T", "milliseconds")[:-6] + "Z"
        assert abs(datetime.fromisoformat(document["at"]).timestamp() - time.time()) < 5
    assert len({one.id for one in made}) == len({one.salt for one in made}) == 600
    assert {len(one.salt) for one in made} == {16}
