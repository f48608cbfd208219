"""The catalog's HTTP application: the only place where its parts are wired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from catalog.broker import Broker
from catalog.catalogue import Reader
from catalog.city import read_city
from catalog.enter import enter_systems
from catalog.fragments import Fragments
from catalog.http import ckan, dcat, entries, health, problems, readiness, register, roadmap, routes, search, sparql
from catalog.http.headers import HeadAsGet, SecurityHeaders
from catalog.portal import pages
from catalog.portal.language import LANGUAGES, LanguagePrefix, language_of
from catalog.portal.live import LiveMap
from catalog.portal.sample import Samples
from catalog.settings import Settings
from catalog.store.connect import open_pool
from policies import PolicySettings
from policies import http as trust
from policies.egress import session

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, trust_settings: PolicySettings | None = None) -> FastAPI:
    """Build the application; it opens its connections when it starts serving. Settings come from the environment."""
    settings, trust_settings = settings or Settings(), trust_settings or PolicySettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await open_pool(settings.dsn_catalog.get_secret_value())
        http = session(settings.egress, settings.read_timeout_s)
        try:
            for code in LANGUAGES:  # read now, so that no reader waits for it
                language_of(code)
            async with trust.service(app, trust_settings):
                public = Broker(http, settings.broker_url, purpose=settings.public_purpose)
                app.state.pool = pool
                app.state.reader = Reader(
                    pool, read_city(settings.city), settings.catalog_url, settings.broker_for_others
                )
                app.state.fragments = Fragments()
                app.state.use = register.UseOfData()
                await enter_systems(settings, pool, app.state.trust_pool)
                app.state.sparql = sparql.Endpoint(settings.sparql_timeout_s, app.state.fragments)
                app.state.samples = Samples(public, lambda: app.state.trust.revision)
                app.state.live = LiveMap(public, settings.live_ttl_s, settings.live_most)
                yield
        finally:
            if hasattr(app.state, "samples"):
                await app.state.samples.close()
            if hasattr(app.state, "reader"):
                await app.state.reader.close()
            if hasattr(app.state, "sparql"):
                await app.state.sparql.engine.close()
            await http.close()
            await pool.close()

    app = FastAPI(title="Datapolis catalog", version="0.1.0", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.settings = settings
    problems.install(app)
    app.add_middleware(LanguagePrefix)
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityHeaders)
    for part in (
        health.router,
        readiness.router,
        dcat.router,
        search.router,
        ckan.router,
        sparql.router,
        register.router,
        entries.router,
        roadmap.router,
        routes.router,
        pages.router,
    ):
        app.include_router(part)
    app.include_router(trust.router, prefix="/trust")
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    return app
