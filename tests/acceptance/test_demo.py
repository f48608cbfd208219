"""The demo's scenes, each against the running platform: what `make demo` promises holds in the tests too."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from docker.local.demo.cast import live_feeds, tokens_of
from docker.local.demo.client import City
from docker.local.demo.programme import SCENES
from docker.local.demo.scene import Scene
from docker.local.demo.show import Show
from docker.local.stack import ROOT
from tests.fixtures.stack import Stack


@pytest.mark.timeout(600)
async def test_every_scene_happens(stack: Stack) -> None:
    environment = stack.environment
    async with ClientSession() as http:
        city = City(environment["DATAPOLIS_BROKER_URL"], environment["DATAPOLIS_CATALOG_URL"], http)
        tokens = await tokens_of(http, environment["DATAPOLIS_TOKEN_URL"], stack.folder)
        metrics = f"http://127.0.0.1:{stack.ports['worker_admin']}/metrics"
        live = frozenset(live_feeds(ROOT / "city"))
        scene = Scene(city, Show(), environment, metrics, tokens, live, {"seconds": {}})
        for _, act in SCENES:
            await act(scene)
    counts = scene.figures["counts"]
    assert counts["received"] == counts["mapped"] + counts["rejected"]
    assert scene.figures["verdicts"] == {"environment": "governed", "mobility": "governed", "requests": "not yet"}
    assert scene.figures["reads"]["refused"]["reason"] == "purpose_not_covered"
    assert "addressPseudonym" not in scene.figures["reads"]["public"]["service_request_attributes"]
    assert scene.figures["reads"]["researcher"]["vehicles"] < scene.figures["reads"]["vendor"]["moving"]
