"""Fixtures of the trust's tests: a trust on a fresh database with the sample city in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from policies import PolicySettings, Trust
from policies.agreements.lifecycle import apply_agreements, apply_domains
from policies.city import CityFolder, open_city
from policies.store.connect import connect
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer, issuer

__all__ = ["city", "conn", "issuer", "settings", "trust"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def city() -> CityFolder:
    """The sample city."""
    return open_city(ROOT / "city")


@pytest_asyncio.fixture
async def conn(pg: Database, city: CityFolder) -> AsyncIterator[asyncpg.Connection]:
    """A connection as datapolis_policies to a database where the sample city is in force."""
    connection = await connect(pg.dsn("policies"))
    await apply_domains(connection, city, "urn:party:steward")
    await apply_agreements(connection, city, "urn:party:steward")
    yield connection
    await connection.close(timeout=5)


@pytest.fixture
def settings(pg: Database, opa: str, issuer: TestIssuer) -> PolicySettings:
    """Settings that point to the test's engines."""
    return PolicySettings.model_validate(
        {
            "dsn_policies": pg.dsn("policies"),
            "opa_url": opa,
            "issuer": issuer.url,
            "jwks_url": issuer.jwks_url,
            "audience": issuer.audience,
            "catalog_url": "https://data.city.example",
            "city": ROOT / "city",
        }
    )


@pytest_asyncio.fixture
async def trust(settings: PolicySettings, conn: asyncpg.Connection, pg: Database) -> AsyncIterator[Trust]:
    """A trust that logs in as the broker does."""
    opened = await Trust.open(settings, dsn=pg.dsn("broker"))
    yield opened
    await opened.close()
