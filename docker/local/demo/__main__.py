"""`python -m docker.local.demo`: play every scene on the running stack; exit code 1 when a promise does not hold."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import aiohttp

from docker.local.console import run_cli
from docker.local.demo.cast import live_feeds, tokens_of
from docker.local.demo.client import City
from docker.local.demo.programme import SCENES
from docker.local.demo.reads import RESEARCHER, VENDOR
from docker.local.demo.scene import Scene
from docker.local.demo.show import Show
from docker.local.environment import process_environment, state_folder
from docker.local.stack import LOCAL, profile


async def play() -> int:
    """Play all scenes, then print URLs and tokens and write `.local/demo.json`."""
    instance = profile("main")
    environment = process_environment(instance, "connectors")
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        city = City(environment["DATAPOLIS_BROKER_URL"], environment["DATAPOLIS_CATALOG_URL"], http)
        tokens = await tokens_of(http, environment["DATAPOLIS_TOKEN_URL"], Path(state_folder(instance)))
        live = frozenset(live_feeds(Path(environment["DATAPOLIS_CITY"])))
        metrics = f"http://127.0.0.1:{instance.ports['worker_admin']}/metrics"
        scene = Scene(city, Show(), environment, metrics, tokens, live, {"seconds": {}})
        for number, (title, act) in enumerate(SCENES, 1):
            scene.show.scene(number, title)
            await act(scene)
    figures = scene.figures
    figures["seconds"]["demo"] = round(time.monotonic() - began, 1)
    figures["urls"] = {
        "broker": f"{city.broker}/ngsi-ld/v1",
        "catalog": f"{city.catalog}/",
        "trust": f"{city.catalog}/trust/domains",
    }
    figures["tokens"] = tokens
    _write(LOCAL / "demo.json", figures)
    scene.show.end(
        f"Datapolis is up: everything above happened, in {figures['seconds']['demo']} s",
        {
            "portal": f"{city.catalog}/",
            "catalog (DCAT-AP)": f"{city.catalog}/catalog",
            "NGSI-LD API": f"{city.broker}/ngsi-ld/v1/entities?type=Vehicle",
            "figures": ".local/demo.json",
            "tokens": f"{VENDOR} (vendor), {RESEARCHER} (researcher) and others in .local/demo.json",
            "stop": "make down",
        },
    )
    return 0


def _write(file: Path, figures: object) -> None:
    """Write the figures; they hold tokens, so only this user may read them."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(figures, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    run_cli(lambda: asyncio.run(play()))
