"""Bring a database to the schema of this version: `python -m docker.migrate` (`make migrate`).

Order: roles and the extension (only when DATAPOLIS_DSN_ADMIN names a superuser), then the migrations of policies,
broker and catalog as `datapolis_owner`, all under one advisory lock, so that several starters at once are safe.

A migration is `<package>/store/migrations/NNNN_<name>.sql`, forward only, run once, each in a transaction of its own.
The schema named like the package exists before the first one runs. The ledger is `<package>.migrations`; a file that
changed after it ran is refused, because databases that ran the old text would differ from new ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

__all__ = ["Migration", "MigrationError", "apply_roles", "create_database", "migrate", "migrations"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("policies", "broker", "catalog")
ROLES_SQL = ROOT / "docker" / "postgres" / "roles.sql"
_LOCK = 7_233_100
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """A migration cannot be applied: which one, and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of one package."""

    package: str
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Return the digest that the ledger keeps."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> Iterator[Migration]:
    """Read all migrations, in the order in which they run."""
    for package in PACKAGES:
        seen: dict[int, str] = {}
        for file in sorted((ROOT / package / "store" / "migrations").glob("*.sql")):
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise MigrationError(f"{file.relative_to(ROOT)}: the name must be NNNN_lower_case.sql")
            number = int(match[1])
            if number in seen:
                raise MigrationError(f"{file.relative_to(ROOT)}: number {number:04} is taken by {seen[number]}")
            seen[number] = file.name
            yield Migration(package, number, file.name, file.read_text())


async def create_database(admin: str, name: str) -> bool:
    """Create an empty database when it is missing, connected as superuser to another one; say whether it was made."""
    conn = await asyncpg.connect(admin, timeout=30)
    try:
        if await conn.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            return False
        await conn.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return True
    finally:
        await conn.close(timeout=10)


async def apply_roles(admin: str, passwords: Mapping[str, str]) -> None:
    """Make the roles and the extension as superuser; `passwords` maps owner, broker, policies, catalog."""
    conn = await asyncpg.connect(admin, timeout=30)
    try:
        for role, password in passwords.items():
            await conn.execute("SELECT set_config($1, $2, false)", f"datapolis.password_{role}", password)
        async with conn.transaction():
            await conn.execute(ROLES_SQL.read_text())
    finally:
        await conn.close(timeout=10)


async def migrate(owner: str) -> list[Migration]:
    """Run what has not run yet, as `datapolis_owner`; return what ran."""
    conn = await asyncpg.connect(owner, timeout=30)
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
        for package in PACKAGES:
            await conn.execute(_LEDGER.format(schema=package))
        return [each for each in migrations() if await _apply(conn, each)]
    finally:
        await conn.close(timeout=10)


_LEDGER = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    number int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


async def _apply(conn: asyncpg.Connection[asyncpg.Record], migration: Migration) -> bool:
    ledger = f"{migration.package}.migrations"
    known = await conn.fetchval(f"SELECT sha256 FROM {ledger} WHERE number = $1", migration.number)  # noqa: S608
    if known == migration.sha256:
        return False
    if known is not None:
        raise MigrationError(
            f"{migration.package}/{migration.name} has changed since it was applied. Put the change into a new "
            "migration; a development store may instead be emptied (make down, remove .local, make up)."
        )
    try:
        async with conn.transaction():
            await conn.execute(migration.text)
            insert = f"INSERT INTO {ledger} (number, name, sha256) VALUES ($1, $2, $3)"  # noqa: S608
            await conn.execute(insert, migration.number, migration.name, migration.sha256)
    except asyncpg.PostgresError as error:
        where = _line_of(migration.text, error)
        raise MigrationError(f"{migration.package}/{migration.name}{where}: {error}") from error
    return True


def _line_of(text: str, error: asyncpg.PostgresError) -> str:
    position = getattr(error, "position", None)
    return f" line {text[: int(position)].count(chr(10)) + 1}" if position else ""


def _passwords(environment: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in ("owner", "broker", "policies", "catalog"):
        password = urlsplit(environment.get(f"DATAPOLIS_DSN_{role.upper()}", "")).password
        if password:
            found[role] = unquote(password)
    return found


async def _main(environment: Mapping[str, str]) -> int:
    owner, admin = environment.get("DATAPOLIS_DSN_OWNER"), environment.get("DATAPOLIS_DSN_ADMIN")
    if not owner:
        sys.stderr.write("! DATAPOLIS_DSN_OWNER is not set: give the DSN of the role datapolis_owner.\n")
        return 1
    try:
        if admin:
            await apply_roles(admin, _passwords(environment))
        applied = await migrate(owner)
    except MigrationError as error:
        sys.stderr.write(f"! {error}\n")
        return 1
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(
            f"! The database does not answer as asked: {error}\n  Check DATAPOLIS_DSN_OWNER and that it is up.\n"
        )
        return 1
    for each in applied:
        sys.stdout.write(f"applied {each.package}/{each.name}\n")
    sys.stdout.write(f"schema is current ({len(applied)} applied now)\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(os.environ)))
