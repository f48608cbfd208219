"""The database that tests get: its encoding, order, extension and roles are those of the stack."""

from __future__ import annotations

import asyncpg
import pytest

from tests.fixtures.postgres import Database, Role


async def test_sorts_by_code_point_and_speaks_utf8(pg: Database) -> None:
    """String order equals Python's, so pages are the same in SQL and in memory."""
    conn = await asyncpg.connect(pg.dsn("admin"))
    words = ["a", "B", "ä", "z", "Z", "é", "_", "1"]
    try:
        rows = await conn.fetch("SELECT w FROM unnest($1::text[]) AS w ORDER BY w", words)
        encoding = await conn.fetchval("SHOW server_encoding")
        upper = await conn.fetchval("SELECT upper('é')")
    finally:
        await conn.close()
    assert [row["w"] for row in rows] == sorted(words)
    assert encoding == "UTF8"
    assert upper == "É"


@pytest.mark.parametrize("role", ["owner", "broker", "policies", "catalog"])
async def test_each_role_logs_in_and_is_no_superuser(pg: Database, role: Role) -> None:
    """The processes' roles reach the database, own nothing of the cluster, and only the owner may make roles."""
    conn = await asyncpg.connect(pg.dsn(role))
    try:
        row = await conn.fetchrow(
            "SELECT current_user AS name, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls "
            "FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await conn.close()
    assert row is not None
    assert dict(row) == {
        "name": f"datapolis_{role}",
        "rolsuper": False,
        "rolcreatedb": False,
        "rolcreaterole": role == "owner",
        "rolbypassrls": False,
    }


@pytest.mark.parametrize("role", ["broker", "policies", "catalog"])
async def test_processes_cannot_create_in_public_or_make_schemas(pg: Database, role: Role) -> None:
    """Only migrations make schemas and tables."""
    conn = await asyncpg.connect(pg.dsn(role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("CREATE TABLE public.stray (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("CREATE SCHEMA stray")
    finally:
        await conn.close()


async def test_postgis_measures_on_the_spheroid(pg: Database) -> None:
    """PostGIS is there for every role, and answers in metres for geography."""
    conn = await asyncpg.connect(pg.dsn("broker"))
    try:
        metres = await conn.fetchval(
            "SELECT ST_Distance(ST_Point(-122.33, 47.6, 4326)::geography, ST_Point(-122.33, 47.61, 4326)::geography)"
        )
    finally:
        await conn.close()
    assert metres == pytest.approx(1111.7, abs=0.5)


def test_databases_are_separate(pg: Database, pg_module: Database) -> None:
    """Two fixtures give two databases."""
    assert pg.name != pg_module.name
