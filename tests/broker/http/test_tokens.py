"""Tokens and keys at the door: each way of being refused is 401 with a plain reason, and no secret reaches a log."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from docker.local.stack import ROOT
from policies.access_keys import make, revoke
from policies.caller import Caller
from policies.issuer.signing import SigningKeys, claims
from policies.store.connect import connect
from tests.fixtures.broker import Api, BrokerProcess, broker_process
from tests.fixtures.governed import PATIENT, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer, issuer_of

PATHS = ("/entities/urn:ngsi-ld:Vehicle:1", "/entities?type=Vehicle", "/types", "/subscriptions")
FUTURE, PAST = 4_102_444_800, 1_600_000_000


@dataclass(frozen=True, slots=True)
class Door:
    """A governed broker that writes all it has to say to a file, and its issuer."""

    running: BrokerProcess
    issuer: TestIssuer
    log: Path


@pytest.fixture(scope="module")
def door(pg_module: Database, opa: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A broker under the sample city, at the most talkative level."""
    folder = tmp_path_factory.mktemp("door")
    admit_city(pg_module)
    for issuer in issuer_of(folder / "issuer"):
        environment = {
            **issuer.environment(),
            "DATAPOLIS_OPA_URL": opa,
            "DATAPOLIS_CITY": str(ROOT / "city"),
            "DATAPOLIS_JWKS_REFETCH_S": "0",
            "DATAPOLIS_LOG_LEVEL": "debug",
            **PATIENT,
        }
        with broker_process(pg_module, environment, log=folder / "log") as running:
            yield Door(running, issuer, folder / "log")


@pytest.fixture
async def api(door: Door) -> AsyncIterator[Api]:
    """A client without credentials of its own."""
    async with aiohttp.ClientSession() as http:
        yield Api(http, door.running.url, None)


def bad_tokens(issuer: TestIssuer, folder: Path) -> dict[str, tuple[str, str]]:
    """Make a token for each way of being wrong, with the reason that must be given."""
    kid = issuer.keys.jwks()["keys"][0]["kid"]
    good = claims(issuer.url, issuer.audience, "urn:party:steward", "steward")
    thief = rsa.generate_private_key(65537, 2048)

    def part(value: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body, end = issuer.token("urn:party:steward", "steward").rsplit(".", 1)
    return {
        "wrong key": (
            jwt.encode(good, thief, algorithm="RS256", headers={"kid": kid}),
            "the token's signature does not match the issuer's key",
        ),
        "none": (f"{part({'alg': 'none', 'kid': kid})}.{part(good)}.", "the token's algorithm is not accepted"),
        "hmac": (
            jwt.encode(good, "k" * 32, algorithm="HS256", headers={"kid": kid}),
            "the token's algorithm is not accepted",
        ),
        "expired": (issuer.token("urn:party:steward", "steward", exp=PAST), "the token has expired"),
        "other audience": (issuer.token("urn:party:steward", "steward", aud="x"), "meant for another audience"),
        "other issuer": (issuer.token("urn:party:steward", "steward", iss="https://x.example"), "another issuer"),
        "future": (issuer.token("urn:party:steward", "steward", nbf=FUTURE), "the token is not valid yet"),
        "issued in the future": (issuer.token("urn:party:steward", "steward", iat=FUTURE), "not valid yet"),
        "unknown kid": (SigningKeys(folder).sign(good), "a key that the issuer does not publish"),
        "changed": (f"{body}.{end[:-8]}{'A' * 8}", "the token's signature does not match"),
        "oversized": (issuer.token("urn:party:steward", "steward", note="x" * 9000), "the token is longer than 8192"),
        "no party": (issuer.token("urn:party:steward", "steward", party=None), "the token names no party"),
        "no jwt": ("secret-looking-nonsense", "the token is not a signed JWT"),
        "no key": ("dpk_aaaaaaaaaaaaaaaa_" + "b" * 52, "the access key is not known"),
    }


async def test_each_is_refused_with_a_plain_reason_and_none_is_logged(door: Door, api: Api, tmp_path: Path) -> None:
    secrets: list[str] = []
    tokens = bad_tokens(door.issuer, tmp_path / "stranger")
    for name, (token, reason) in tokens.items():
        secrets.append(token)
        for path in PATHS:
            answer = await api.call("GET", path, headers={"Authorization": f"Bearer {token}"})
            assert (name, answer.status, answer.headers["WWW-Authenticate"]) == (name, 401, "Bearer")
            assert answer.json.keys() == {"type", "title", "detail", "status"}
            assert reason in answer.json["detail"]
            assert token not in answer.body.decode()
    secrets += await rotated(door, api)
    secrets += await replayed(door, api)
    said = door.log.read_text()
    assert "worker" in said, "the log was captured"
    for secret in [*secrets, *door.running.database.engines.passwords.values()]:
        assert secret not in said
        signature = secret.rpartition(".")[2]
        assert not signature or signature not in said
    assert "authorization" not in said.lower()


async def rotated(door: Door, api: Api) -> list[str]:
    """A token of a key that has been rotated out is refused once the issuer publishes it no more."""
    old = {"Authorization": f"Bearer {door.issuer.token('urn:party:steward', 'steward')}"}
    assert (await api.call("GET", PATHS[1], headers=old)).status in (200, 403)
    door.issuer.keys.rotate()
    door.issuer.keys.rotate()
    new = {"Authorization": f"Bearer {door.issuer.token('urn:party:steward', 'steward')}"}
    assert (await api.call("GET", PATHS[1], headers=new)).status in (200, 403)
    for path in PATHS:
        answer = await api.call("GET", path, headers=old)
        assert (answer.status, "does not publish" in answer.json["detail"]) == (401, True)
    return [old["Authorization"][7:], new["Authorization"][7:]]


async def replayed(door: Door, api: Api) -> list[str]:
    """An access key that worked is refused within a second of its revocation, however it is sent."""
    conn = await connect(door.running.database.dsn("policies"))
    caller = Caller("urn:party:uni-air", "x", "researcher")
    made = await make(conn, caller, "urn:datapolis:agreement:uni-air-mobility", "dpv:ScientificResearch", "x", 1)
    basic = b64encode(f"key:{made.secret}".encode()).decode()
    sent = ({"Authorization": f"Bearer {made.secret}"}, {"Authorization": f"Basic {basic}"})
    for headers in sent:
        assert (await api.call("GET", PATHS[1], headers=headers)).status == 200
    await revoke(conn, made.key, "urn:party:steward")
    await conn.close(timeout=5)
    done = time.monotonic()
    for headers in sent:
        while (answer := await api.call("GET", PATHS[1], headers=headers)).status == 200:
            assert time.monotonic() - done < 1.0
            await asyncio.sleep(0.01)
        assert (answer.status, "has been revoked" in answer.json["detail"]) == (401, True)
    return [made.secret, made.secret.rpartition("_")[2], basic]
