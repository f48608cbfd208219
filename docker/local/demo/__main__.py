"""`python -m docker.local.demo`: play every scene on the running stack; exit code 1 when a promise does not hold."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import yaml

from docker.local.console import Trouble, run_cli
from docker.local.demo.client import City
from docker.local.demo.ingest import feeds_in
from docker.local.demo.reads import (
    RESEARCHER,
    VENDOR,
    narrowed_for_research,
    notified,
    open_to_all,
    read_under_licence,
    refused_for_marketing,
)
from docker.local.demo.scene import Scene
from docker.local.demo.show import Show
from docker.local.demo.verdicts import lapse_and_recovery, verdicts
from docker.local.environment import process_environment, state_folder
from docker.local.stack import LOCAL, profile

_SCENES: tuple[tuple[str, Callable[[Scene], Awaitable[None]]], ...] = (
    ("Departments publish: feeds through Kafka into the broker", feeds_in),
    ("A subscriber is notified", notified),
    ("A vendor reads under licence", read_under_licence),
    ("The same read for another purpose", refused_for_marketing),
    ("A researcher reads the same data", narrowed_for_research),
    ("The public reads", open_to_all),
    ("Which domains have reached governed readiness", verdicts),
    ("A feed stops, and comes back", lapse_and_recovery),
)


async def play() -> int:
    """Play all scenes, then print URLs and tokens and write `.local/demo.json`."""
    instance = profile("main")
    environment = process_environment(instance, "connectors")
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        city = City(environment["DATAPOLIS_BROKER_URL"], environment["DATAPOLIS_CATALOG_URL"], http)
        tokens = await _tokens(http, environment["DATAPOLIS_TOKEN_URL"], Path(state_folder(instance)))
        live = frozenset(_live_feeds(Path(environment["DATAPOLIS_CITY"])))
        scene = Scene(city, Show(), environment["DATAPOLIS_KAFKA"], tokens, live, {"seconds": {}})
        for number, (title, act) in enumerate(_SCENES, 1):
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


async def _tokens(http: aiohttp.ClientSession, url: str, state: Path) -> dict[str, str]:
    """Get a token for each client of the sample city from the development issuer."""
    file = state / "clients.json"
    try:
        secrets: dict[str, str] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Trouble(f"{file} cannot be read: {error}.", "Start the stack first: make demo") from error
    tokens: dict[str, str] = {}
    for name, secret in secrets.items():
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
        async with http.post(url, data=form, timeout=aiohttp.ClientTimeout(total=10)) as answer:
            body = await answer.json(content_type=None)
            if answer.status != 200:
                raise Trouble(f"The issuer gave no token for {name}: {body}.", "See .local/main/logs/issuer.log.")
            tokens[name] = body["access_token"]
    return tokens


def _live_feeds(city: Path) -> list[str]:
    """Name the feeds whose sources are the device simulators: they never end."""
    found = []
    for file in sorted((city / "feeds").glob("*.yaml")):
        source = yaml.safe_load(file.read_text())["source"]
        if source["kind"] == "mqtt" or ("SIMULATORS_URL" in (url := source.get("url", "")) and "/recorded/" not in url):
            found.append(file.stem)
    return found


def _write(file: Path, figures: object) -> None:
    """Write the figures; they hold tokens, so only this user may read them."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(figures, out, indent=1)
        out.write("\n")


run_cli(lambda: asyncio.run(play()))
