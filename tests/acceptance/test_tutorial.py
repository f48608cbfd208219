"""The steward's tutorial is run from its own code blocks, in one shell, against the running platform."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from docker.local.stack import ROOT
from tests.fixtures.stack import Stack

TUTORIAL = ROOT / "policies" / "TUTORIAL.md"
_BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.S)
_MARK = "@@ block"


def blocks() -> list[tuple[str, str]]:
    """Read the commands, each with the output that is shown below it."""
    found: list[tuple[str, str]] = []
    for kind, text in _BLOCK.findall(TUTORIAL.read_text()):
        if kind == "sh":
            found.append((text, ""))
        else:
            assert found
            assert not found[-1][1], "an output stands below its command"
            found[-1] = (found[-1][0], text)
    return found


def matches(shown: str, printed: str) -> bool:
    """Compare outputs; `…` is anything within its line."""
    pattern = "[^\n]*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [("a …\nb", "a 17\nb\n", True), ("a …\nb", "a 17\nc\n", False), ("", "\n", True), ("", "more", False)],
)
def test_outputs_are_compared(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


async def vehicles(stack: Stack) -> int:
    url = (
        f"{stack.broker}/entities?type=https://smartdatamodels.org/dataModel.Transportation/Vehicle&limit=1&count=true"
    )
    async with aiohttp.ClientSession() as http:
        token = await stack.token(http, "rideflow")
        headers = {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceProvision"}
        async with http.get(url, headers=headers) as answer:
            return int(answer.headers.get("NGSILD-Results-Count", "0"))


@pytest.mark.timeout(600)
def test_the_tutorial(stack: Stack, tmp_path: Path) -> None:
    end = time.monotonic() + 60
    while not asyncio.run(vehicles(stack)):
        assert time.monotonic() < end, "no vehicle has come in"
        time.sleep(0.5)
    written = blocks()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    script = ["set -u"]
    for n, (command, _) in enumerate(written):
        script += [command, f"echo '{_MARK} {n}'"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],  # noqa: S607 - the tutorial's own shell
        env={**stack.environment, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    printed = re.split(rf"{_MARK} \d+\n", done.stdout)
    assert len(printed) == len(written) + 1, done.stderr
    wrong = [
        f"{command}printed\n{output}not\n{shown}"
        for (command, shown), output in zip(written, printed, strict=False)
        if not matches(shown, output)
    ]
    assert not wrong, "\n".join([*wrong, done.stderr])
