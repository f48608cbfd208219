"""The development issuer: client credentials over HTTP, discovery, and loopback alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from policies.issuer.app import listen_at
from policies.issuer.clients import client_secrets
from tests.policies.conftest import ROOT


@dataclass(frozen=True, slots=True)
class Running:
    """An issuer as a process."""

    url: str
    state: Path
    process: subprocess.Popen[bytes]

    def secret(self, client: str) -> str:
        found: str = json.loads((self.state / "clients.json").read_text())[client]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "DATAPOLIS_ISSUER": f"http://127.0.0.1:{port}",
        "DATAPOLIS_STATE": str(state),
        "DATAPOLIS_CITY": str(ROOT / "city"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "policies", "issuer"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield Running(f"http://127.0.0.1:{port}", state, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


async def post(running: Running, client: str, secret: str, **form: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": aiohttp.encode_basic_auth(client, secret)}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{running.url}/token", data={"grant_type": "client_credentials", **form}) as answer,
    ):
        return answer.status, await answer.json()


async def document(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.json()


async def claims(running: Running, token: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict(await document(f"{running.url}/jwks.json"))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience="datapolis", issuer=running.url)


async def test_discovery(running: Running) -> None:
    found = await document(f"{running.url}/.well-known/openid-configuration")
    assert found["issuer"] == running.url
    assert found["token_endpoint"] == f"{running.url}/token"
    [key] = (await document(found["jwks_uri"]))["keys"]
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert "d" not in key


async def test_client_credentials(running: Running) -> None:
    status, body = await post(running, "rideflow", running.secret("rideflow"))
    assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 3600)
    found = await claims(running, body["access_token"])
    assert (found["sub"], found["party"], found["tier"]) == ("rideflow", "urn:party:rideflow", "vendor")
    assert found["purpose"] == ["https://w3id.org/dpv#ServiceProvision", "https://w3id.org/dpv#Marketing"]
    assert found["exp"] - found["iat"] == 3600


async def test_one_purpose(running: Running) -> None:
    _, body = await post(running, "rideflow", running.secret("rideflow"), purpose="dpv:Marketing")
    assert (await claims(running, body["access_token"]))["purpose"] == ["https://w3id.org/dpv#Marketing"]
    status, body = await post(running, "rideflow", running.secret("rideflow"), purpose="dpv:Payment")
    assert (status, body["error"]) == (400, "invalid_scope")


async def test_refusals(running: Running) -> None:
    for client, secret in (("rideflow", "wrong"), ("rideflow", ""), ("nobody", running.secret("rideflow"))):
        status, body = await post(running, client, secret)
        assert (status, body["error"]) == (401, "invalid_client")
    status, body = await post(running, "rideflow", running.secret("rideflow"), grant_type="password")
    assert (status, body["error"]) == (400, "unsupported_grant_type")


async def test_rotation_by_signal(running: Running) -> None:
    _, before = await post(running, "steward", running.secret("steward"))
    running.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and len((await document(f"{running.url}/jwks.json"))["keys"]) < 2:
        pass
    _, after = await post(running, "steward", running.secret("steward"))
    kids = [jwt.get_unverified_header(body["access_token"])["kid"] for body in (before, after)]
    assert kids[0] != kids[1]
    for body in (before, after):
        assert (await claims(running, body["access_token"]))["party"] == "urn:party:steward"


def test_the_token_command_uses_the_same_keys(running: Running) -> None:
    environment = os.environ | {"DATAPOLIS_ISSUER": running.url, "DATAPOLIS_STATE": str(running.state)}
    command = [sys.executable, "-m", "policies", "token", "--party", "urn:party:uni-air"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    header = jwt.get_unverified_header(done.stdout.strip())
    assert (running.state / "issuer" / f"{header['kid']}.RS256.pem").exists()
    refused = subprocess.run(
        [*command, "--purpose", "dpv:Profit"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "dpv:Profit is no purpose of DPV" in refused.stderr


def test_loopback_alone() -> None:
    assert listen_at("http://127.0.0.1:18090") == ("127.0.0.1", 18090)
    assert listen_at("http://localhost:1") == ("localhost", 1)
    for url in ("http://0.0.0.0:18090", "http://issuer.example:18090", "https://127.0.0.1:1", "http://10.0.0.1:1"):
        with pytest.raises(ValueError, match=r"serves http://127\.0\.0\.1:<port> only"):
            listen_at(url)


def test_secrets_are_kept(tmp_path: Path) -> None:
    first = client_secrets(tmp_path, ["a"])
    second = client_secrets(tmp_path, ["a", "b"])
    assert second["a"] == first["a"]
    assert len(second["b"]) == 32
    assert (tmp_path / "clients.json").stat().st_mode & 0o777 == 0o600
