"""The commands as processes: the folder into force, an agreement's status, the sealer with its health."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import asyncpg

from tests.fixtures.postgres import Database
from tests.policies.conftest import ROOT


def environment(pg: Database, state: Path) -> dict[str, str]:
    return os.environ | {
        "DATAPOLIS_DSN_POLICIES": pg.dsn("policies"),
        "DATAPOLIS_CITY": str(ROOT / "city"),
        "DATAPOLIS_STATE": str(state),
    }


def run(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "policies", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def test_an_agreement_is_checked_and_what_is_no_part_of_it_named(tmp_path: Path) -> None:
    """Without a database: what decisions would read of it, or the member that the profile cannot express."""
    env = os.environ | {"DATAPOLIS_CITY": str(ROOT / "city")}
    good = ROOT / "city" / "agreements" / "rideflow-mobility.jsonld"
    code, out, _ = run(env, "agreement", "lint", str(good))
    assert (code, json.loads(out)["uid"]) == (0, "urn:datapolis:agreement:rideflow-mobility")
    odd = json.loads(good.read_text())
    odd["@context"][2] = str(ROOT / "city" / "context.jsonld")
    odd["permission"][0]["target"]["colour"] = "red"
    odd["obligation"] = []
    file = tmp_path / "odd.jsonld"
    file.write_text(json.dumps(odd))
    code, out, err = run(env, "agreement", "lint", str(file))
    assert (code, out) == (1, "")
    assert "obligation: not part of the profile" in err
    assert "permission.0.target.colour: unknown member" in err


def test_lint_notes_what_changes_nothing(pg: Database, tmp_path: Path) -> None:
    env, file = environment(pg, tmp_path), tmp_path / "windowed.jsonld"
    written = json.loads((ROOT / "city" / "agreements" / "rideflow-mobility.jsonld").read_text())
    shutil.copy(ROOT / "city" / "context.jsonld", tmp_path)
    written["@context"][2] = "context.jsonld"
    rule = written["permission"][0]
    rule["target"]["window"] = {"max_age": "P30D"}
    for action, noted in (("read", True), (["publish", "read"], True), (["read", "temporal"], False)):
        rule["action"] = action
        if "publish" in action:
            rule["target"]["feeds"] = ["test-feed"]
        else:
            rule["target"].pop("feeds", None)
        file.write_text(json.dumps(written))
        code, out, err = run(env, "agreement", "lint", str(file))
        assert (code, "window" in out) == (0, True), err
        assert ("permission.0.target.window: narrows what histories show" in err) is noted
    for target, member in (({"q": "speed>1"}, "q"), ({"scopeQ": "/a"}, "scopeQ"), ({}, None)):
        written["permission"] = [{**rule, "action": ["read", "register"], "target": {"types": ["Vehicle"], **target}}]
        file.write_text(json.dumps(written))
        code, out, err = run(env, "agreement", "lint", str(file))
        assert code == 0, err
        assert (f"permission.0.target.{member}: looks at entities" in err) is (member is not None)
        assert ("looks at entities" in err) is (member is not None)


def test_folder_into_force_and_sealed(pg: Database, tmp_path: Path) -> None:
    env = environment(pg, tmp_path)
    code, out, err = run(env, "agreements", "apply")
    assert (code, out) == (1, "")
    assert "the database does not answer as asked" in err, "agreements need their domains first"
    assert run(env, "domains", "apply")[:2] == (0, "4 domains, 4 changed: environment, mobility, platform, requests\n")
    code, out, _ = run(env, "agreements", "apply")
    assert (code, out.splitlines()[-1]) == (0, "22 agreements changed")

    uid = "urn:datapolis:agreement:rideflow-mobility"
    assert run(env, "agreement", "status", uid, "suspended", "--why", "a test")[:2] == (0, f"{uid} is suspended\n")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "policies", "seal"],
        cwd=ROOT,
        env=env | {"DATAPOLIS_ADMIN_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not ready(port):
        time.sleep(0.1)
    assert ready(port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    asyncio.run(_nothing_is_pending(pg))


async def _nothing_is_pending(pg: Database) -> None:
    conn = await asyncpg.connect(pg.dsn("policies"), timeout=10)
    try:
        assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == 0
        assert await conn.fetchval("SELECT count(*) FROM policies.audit_leaf") == 4 + 22 + 1
        assert await conn.fetchval("SELECT max(size) FROM policies.checkpoint") == 27
    finally:
        await conn.close(timeout=5)
