"""A certified OpenID provider that is not ours, and a broker that knows of it its address alone."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import jwt

from docker.local.stack import ROOT
from tests.fixtures.broker import Answer, Api, broker_process
from tests.fixtures.governed import PATIENT, admit_city
from tests.fixtures.oidc import Provider, provider
from tests.fixtures.postgres import Database

__all__ = ["provider"]

PARTY = "urn:party:rideflow"


def _environment(provider: Provider, opa: str) -> dict[str, str]:
    """A broker of the sample city that trusts this provider."""
    return {
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_CITY": str(ROOT / "city"),
        "DATAPOLIS_ISSUER": provider.url,
        "DATAPOLIS_AUDIENCE": provider.audience,
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8,::1/128",
        **PATIENT,
    }


async def test_tokens_of_another_provider_are_accepted_as_long_as_its_keys_stand(
    provider: Provider, pg: Database, opa: str, tmp_path: Path
) -> None:
    provider.users((PARTY, "vendor"), ("urn:party:other", "emperor"))
    provider.start()
    admit_city(pg)
    environment = _environment(provider, opa) | {
        "DATAPOLIS_JWKS_URL": "",
        "DATAPOLIS_CLAIM_PARTY": "preferred_username",
        "DATAPOLIS_CLAIM_TIER": "family_name",
        "DATAPOLIS_JWKS_REFETCH_S": "0",
        "DATAPOLIS_JWKS_TTL_S": "3600",
    }
    with broker_process(pg, environment) as running:
        async with aiohttp.ClientSession() as http:
            api = Api(http, running.url, None)

            async def asked(token: str) -> Answer:
                headers = {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceProvision"}
                return await api.call("GET", "/types", None, headers)

            first = await provider.sign_in(PARTY)
            assert jwt.get_unverified_header(first)["alg"] == "RS256"
            assert (await asked(first)).status == 200
            odd = await asked(await provider.sign_in("urn:party:other"))
            assert (odd.status, "`family_name` must be one of" in odd.json["detail"]) == (401, True)
            forged = first[:-8] + ("A" * 8 if not first.endswith("A" * 8) else "B" * 8)
            assert (await asked(forged)).json["detail"] == "the token's signature does not match the issuer's key"

            provider.stop()
            provider.start()  # with another key
            second = await provider.sign_in(PARTY)
            assert jwt.get_unverified_header(second)["kid"] != jwt.get_unverified_header(first)["kid"]
            assert (await asked(second)).status == 200
            refused = await asked(first)
            assert (refused.status, refused.json["detail"]) == (
                401,
                "the token is signed with a key that the issuer does not publish",
            )

            provider.stop()
            assert (await asked(second)).status == 200  # its key is known
            unknown = await asked(first)
            assert (unknown.status, "cannot be read" in unknown.json["detail"]) == (503, True)


async def test_a_provider_that_cannot_be_reached_is_told_as_such(provider: Provider, pg: Database, opa: str) -> None:
    provider.users((PARTY, "vendor"))
    provider.start()
    token = await provider.sign_in(PARTY)
    provider.stop()
    admit_city(pg)
    with broker_process(pg, _environment(provider, opa)) as running:
        async with aiohttp.ClientSession() as http:
            answer = await Api(http, running.url, None).call(
                "GET", "/types", None, {"Authorization": f"Bearer {token}"}
            )
    assert answer.status == 503
    assert f"{provider.url}.well-known/openid-configuration cannot be read" in answer.json["detail"]
