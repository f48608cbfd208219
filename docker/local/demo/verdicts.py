"""Scenes 6 and 7: which domains have reached governed readiness, and how a verdict lapses and recovers by itself."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from docker.local.console import Trouble
from docker.local.demo.client import until
from docker.local.demo.scene import Scene, must
from docker.local.stack import ROOT

__all__ = ["lapse_and_recovery", "verdicts"]

_READY = ("environment", "mobility")
_NOT_YET = "requests"
_DOMAIN = "mobility"
_GOVERNED = "governed"


async def verdicts(scene: Scene) -> None:
    """Show every verdict with its gates; two domains stand, one does not, and says why."""

    async def standing() -> dict[str, dict[str, Any]] | None:
        found = await scene.readiness()
        scene.show.progress(", ".join(f"{name}: {each['status']}" for name, each in sorted(found.items())))
        return found if all(found[name]["status"] == _GOVERNED for name in _READY) else None

    found = await until(f"{' and '.join(_READY)} at governed readiness", standing, 90)
    must(found[_NOT_YET]["status"] != _GOVERNED, "the domain requests is not at governed readiness", found[_NOT_YET])
    for name in (*_READY, _NOT_YET):
        each = found[name]
        scene.show.good(f"{name}: {each['status']}. {each['reason']}")
        scene.show.table(
            ["gate", "passed", "why"],
            [(gate["gate"], "yes" if gate["pass"] else "NO", gate["reason"]) for gate in each["gates"]],
        )
    if not scene.recorded:
        scene.show.note(f"{_NOT_YET} has no feed here: its feed needs recorded data (DATAPOLIS_DATA), none are at hand")
    scene.figures["verdicts"] = {name: found[name]["status"] for name in (*_READY, _NOT_YET)}


async def lapse_and_recovery(scene: Scene) -> None:
    """Stop the domain's live feed: freshness lapses and the verdict with it. Start it again: both recover."""
    feeds = [one["feed"] for one in (await scene.readiness())[_DOMAIN]["feeds"] if one["feed"] in scene.live]
    must(bool(feeds), f"the domain {_DOMAIN} has a live feed", feeds)
    began = time.monotonic()
    try:
        for feed in feeds:
            await _connectors(scene, "pause", feed)
        lapsed = await _status(scene, governed=False)
        must("freshness" in lapsed["failing"], "the verdict reverts and names freshness", lapsed["failing"])
        took = round(time.monotonic() - began, 1)
        scene.show.good(
            f"{', '.join(feeds)} stopped: after {took} s {_DOMAIN} is {lapsed['status']}: {lapsed['reason']}"
        )
        scene.figures["seconds"]["verdict_reverts"] = took
    finally:
        began = time.monotonic()
        for feed in feeds:
            await _connectors(scene, "resume", feed)
    again = await _status(scene, governed=True)
    took = round(time.monotonic() - began, 1)
    scene.show.good(f"started again: after {took} s {_DOMAIN} is {again['status']}")
    scene.figures["seconds"]["verdict_recovers"] = took


async def _status(scene: Scene, *, governed: bool) -> dict[str, Any]:
    async def probe() -> dict[str, Any] | None:
        each = (await scene.readiness())[_DOMAIN]
        scene.show.progress(f"{_DOMAIN}: {each['status']}")
        return each if (each["status"] == _GOVERNED) is governed else None

    return await until(f"the verdict of {_DOMAIN} {'recovers' if governed else 'reverts'}", probe, 120)


async def _connectors(scene: Scene, command: str, feed: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "connectors",
        command,
        feed,
        cwd=ROOT,
        env=scene.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise Trouble(f"`connectors {command} {feed}` failed: {said.decode().strip()}", "See .local/main/logs.")
