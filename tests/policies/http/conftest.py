"""The trust's own door, served by itself on the sample city."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest_asyncio
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server

from policies import PolicySettings
from policies.http import router, service
from tests.fixtures.tokens import TestIssuer

__all__ = ["Answer", "Client", "client"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a server."""

    http: aiohttp.ClientSession
    base: str
    issuer: TestIssuer

    def steward(self, sub: str = "ada", domains: str = "mobility environment requests") -> dict[str, str]:
        """Give the headers of a steward of these domains."""
        roles = [f"steward:{domain}" for domain in domains.split()]
        token = self.issuer.token("urn:party:steward", "steward", roles, ["dpv:RecordManagement"], sub=sub)
        return {"Authorization": f"Bearer {token}"}

    def party(self, party: str, tier: str, sub: str = "bo", **more: Any) -> dict[str, str]:
        """Give the headers of a person who acts for a party."""
        return {"Authorization": f"Bearer {self.issuer.token(party, tier, sub=sub, **more)}"}

    async def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = "*/*") -> Answer:
        """Send GET and read the whole answer."""
        return await self.ask("GET", path, {"Accept": accept}, params=params)

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **given: Any) -> Answer:
        """Send a request and read the whole answer; redirects are not followed."""
        async with self.http.request(
            method, self.base + path, headers=headers, allow_redirects=False, **given
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """Send JSON."""
        return await self.ask("POST", path, headers, json=body)


@pytest_asyncio.fixture
async def client(settings: PolicySettings, conn: asyncpg.Connection, issuer: TestIssuer) -> AsyncIterator[Client]:
    """A server of the trust's own routes, on the sample city."""
    app = FastAPI()
    app.include_router(router, prefix="/trust")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    async with service(app, settings), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        opened = Client(http, f"http://127.0.0.1:{port}", issuer)
        for _ in range(100):
            try:
                await opened.get("/trust/domains")
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
        yield opened
    server.stop()  # type: ignore[no-untyped-call]  # granian types it not
    await serving
