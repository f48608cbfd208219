"""Finding an issuer's keys by its discovery document, and claims where another provider puts them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from policies.caller import TokenError
from policies.decision import EngineUnavailable
from policies.egress import session
from policies.keys import KeySet
from policies.token import ClaimNames, Verifier
from tests.fixtures.tokens import TestIssuer

LOOPBACK = (ip_network("127.0.0.0/8"),)


def verifier(issuer: TestIssuer, http: Any, url: str | None = None, names: ClaimNames | None = None) -> Verifier:
    keys = KeySet("", http, 0.0, 300.0, issuer.url if url is None else url)
    return Verifier(keys, issuer.url, issuer.audience, 2.0, 8192, names or ClaimNames())


@asynccontextmanager
async def serving(document: Any) -> AsyncIterator[str]:
    """Serve a discovery document; `{url}` in it becomes the server's own address."""

    async def answer(request: web.Request) -> web.Response:
        base = f"http://{request.host}"
        if isinstance(document, str):
            return web.Response(text=document)
        return web.json_response({k: v.replace("{url}", base) for k, v in document.items()})

    app = web.Application()
    app.add_routes([web.get("/.well-known/openid-configuration", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_keys_are_found_by_discovery(issuer: TestIssuer) -> None:
    async with session(LOOPBACK, 3.0) as http:
        assert (await verifier(issuer, http).verify(issuer.bearer("urn:party:a"))).party == "urn:party:a"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"issuer": "https://other.example", "jwks_uri": "{url}/jwks"}, "is the document of another issuer than"),
        ({"issuer": "{url}"}, "names no jwks_uri"),
        ({"issuer": "{url}", "jwks_uri": "file:///etc/passwd"}, "names no jwks_uri"),
        ({"issuer": "{url}", "jwks_uri": "{url}/nothing"}, "answered 404"),
        ("[]", "is no JSON object"),
        ("no json", "cannot be read: JSONDecodeError"),
        (" " * 300_000, "is longer than"),
    ],
)
async def test_documents_that_are_not_believed(issuer: TestIssuer, document: Any, reason: str) -> None:
    async with serving(document) as url, session(LOOPBACK, 3.0) as http:
        with pytest.raises(EngineUnavailable, match=reason):
            await verifier(issuer, http, url).verify(issuer.bearer("urn:party:a"))


async def test_claims_where_another_provider_puts_them(issuer: TestIssuer) -> None:
    names = ClaimNames("organisation.urn", "https://city.example/tier", "realm_access.roles", "city.purpose")
    claims: dict[str, Any] = {
        "party": None,
        "tier": None,
        "roles": None,
        "organisation": {"urn": "urn:party:b"},
        "https://city.example/tier": "researcher",
        "realm_access": {"roles": ["planner", "default"]},
    }
    async with session(LOOPBACK, 3.0) as http:
        found = verifier(issuer, http, names=names)
        caller = await found.verify({"authorization": f"Bearer {issuer.token('', **claims)}"})
        assert (caller.party, caller.tier, caller.roles, caller.purposes) == (
            "urn:party:b",
            "researcher",
            ("default", "planner"),
            (),
        )
        other = {**claims, "organisation": "urn:party:b"}
        with pytest.raises(TokenError, match=r"names no party \(claim `organisation.urn`\)"):
            await found.verify({"authorization": f"Bearer {issuer.token('', **other)}"})
