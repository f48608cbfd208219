"""What the router needs while the application runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from policies.agreements.desk import Desk
from policies.city import open_city
from policies.settings import PolicySettings
from policies.store.connect import open_pool
from policies.trust import Trust

__all__ = ["service"]


@asynccontextmanager
async def service(app: FastAPI, settings: PolicySettings) -> AsyncIterator[None]:
    """Open the trust's database for `policies.http.router` in the application's lifespan."""
    city = open_city(settings.city)
    pool = await open_pool(settings.dsn_policies.get_secret_value(), size=6)
    try:
        trust = await Trust.open(settings)
        app.state.trust = trust
        app.state.trust_pool = pool
        app.state.trust_settings = settings
        app.state.trust_desk = Desk(pool, trust, city, settings)
        try:
            yield
        finally:
            await trust.close()
    finally:
        await pool.close()
