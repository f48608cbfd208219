"""The policy engine that tests get: alive, of the pinned version, and serving the rules of policies/rego."""

from __future__ import annotations

import subprocess

import aiohttp

from docker.local import locate
from docker.local.stack import versions


def test_is_the_pinned_version() -> None:
    """The binary in the cache is the one that stack.toml names."""
    text = subprocess.run([str(locate.opa()), "version"], capture_output=True, text=True, check=True).stdout
    assert text.splitlines()[0] == f"Version: {versions()['opa']}"


async def test_answers_health_and_queries(opa: str) -> None:
    """It is healthy, evaluates a query, and leaves an undefined document undefined."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        async with session.get(f"{opa}/health") as answer:
            assert answer.status == 200
        async with session.post(f"{opa}/v1/query", json={"query": "x := 1 + 2"}) as answer:
            assert (await answer.json())["result"] == [{"x": 3}]
        async with session.post(f"{opa}/v1/data/nothing/here", json={"input": {}}) as answer:
            assert "result" not in await answer.json()
