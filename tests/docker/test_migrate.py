"""Migrations: order, ledger, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import asyncpg
import pytest

from docker import migrate
from docker.local import check
from tests.fixtures.postgres import Database


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """Run a query as superuser."""
    conn = await asyncpg.connect(database.dsn("admin"))
    try:
        return [tuple(row) for row in await conn.fetch(query)]
    finally:
        await conn.close()


async def test_every_migration_is_in_the_ledger_of_its_owner(pg: Database) -> None:
    """The fixture's database has each file exactly once, with its digest."""
    for package in migrate.PACKAGES:
        expected = [(each.number, each.name, each.sha256) for each in migrate.migrations() if each.package == package]
        ledger = await rows(pg, f"SELECT number, name, sha256 FROM {package}.migrations ORDER BY number")  # noqa: S608
        assert ledger == expected


def test_order_is_policies_broker_catalog() -> None:
    """Within a package by number."""
    found = [(migrate.PACKAGES.index(each.package), each.number) for each in migrate.migrations()]
    assert found == sorted(found)
    assert {package for package, _ in found} == {0, 1, 2}


async def test_repeating_and_running_side_by_side_changes_nothing(pg: Database) -> None:
    """Several starters at once: nobody applies anything twice."""
    applied = await asyncio.gather(*(migrate.migrate(pg.dsn("owner")) for _ in range(4)))
    assert applied == [[], [], [], []]


async def test_a_changed_file_is_refused(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran must stay as it ran."""
    first, *rest = migrate.migrations()
    changed = dataclasses.replace(first, text=first.text + "\n-- later thought\n")
    monkeypatch.setattr(migrate, "migrations", lambda: iter([changed, *rest]))
    with pytest.raises(migrate.MigrationError, match="has changed since it was applied"):
        await migrate.migrate(pg.dsn("owner"))


async def test_a_failing_migration_names_file_and_line_and_leaves_nothing(
    pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction is rolled back, what ran before it stays."""
    good = migrate.Migration("catalog", 9001, "9001_good.sql", "CREATE TABLE catalog.good (id int);")
    bad = migrate.Migration("catalog", 9002, "9002_bad.sql", "CREATE TABLE catalog.half (id int);\nSELECT nonsense;")
    monkeypatch.setattr(migrate, "migrations", lambda: iter([good, bad]))
    with pytest.raises(migrate.MigrationError, match=r"catalog/9002_bad\.sql line 2: .*nonsense"):
        await migrate.migrate(pg.dsn("owner"))
    tables = await rows(pg, "SELECT to_regclass('catalog.good') IS NULL, to_regclass('catalog.half') IS NULL")
    assert tables == [(False, True)]


def test_names_and_numbers_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray name or a number used twice stops before anything runs."""
    folder = tmp_path / "policies" / "store" / "migrations"
    folder.mkdir(parents=True)
    monkeypatch.setattr(migrate, "ROOT", tmp_path)
    (folder / "0001_first.sql").write_text("SELECT 1")
    (folder / "0001_second.sql").write_text("SELECT 1")
    with pytest.raises(migrate.MigrationError, match=r"number 0001 is taken by 0001_first\.sql"):
        list(migrate.migrations())
    step = next(one for one in check.steps() if one.name == "numbers of migrations")
    good, found = step.work()
    assert not good
    assert "policies/store/migrations/0001_second.sql: number 0001 is taken by 0001_first.sql" in found
    (folder / "0001_second.sql").rename(folder / "second.sql")
    with pytest.raises(migrate.MigrationError, match="NNNN_lower_case"):
        list(migrate.migrations())
    (folder / "second.sql").rename(folder / "0002_second.sql")
    assert step.work() == (True, "")


async def test_roles_may_be_applied_again_with_new_passwords(pg: Database) -> None:
    """Applying roles twice is harmless; schemas belong to the owner alone."""
    passwords = {"owner": pg.engines.passwords["POSTGRES_OWNER"]}
    await migrate.apply_roles(pg.dsn("admin"), passwords)
    owners = await rows(
        pg,
        "SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace "
        "WHERE nspname IN ('broker', 'policies', 'catalog') ORDER BY 1",
    )
    assert owners == [(name, "datapolis_owner") for name in ("broker", "catalog", "policies")]


@pytest.mark.parametrize("role", ["broker", "catalog"])
async def test_audit_records_cannot_be_changed_by_processes(pg: Database, role: str) -> None:
    """Nobody but the owner's functions may UPDATE or DELETE what is audited."""
    privileges = await rows(
        pg,
        "SELECT c.relname, p.privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, "  # noqa: S608
        "unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p(privilege) "
        "WHERE n.nspname = 'policies' AND c.relname LIKE 'audit%' AND c.relkind = 'r' "
        f"AND has_table_privilege('datapolis_{role}', c.oid, p.privilege)",
    )
    assert privileges == []
