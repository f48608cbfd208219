"""Who and what takes part: the sample city's clients with their tokens, and the feeds that never end."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import yaml

from docker.local.console import Trouble

__all__ = ["live_feeds", "tokens_of"]


async def tokens_of(http: aiohttp.ClientSession, url: str, state: Path) -> dict[str, str]:
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


def live_feeds(city: Path) -> list[str]:
    """Name the feeds whose sources are the device simulators: they never end."""
    found = []
    for file in sorted((city / "feeds").glob("*.yaml")):
        source = yaml.safe_load(file.read_text())["source"]
        if source["kind"] == "mqtt" or ("SIMULATORS_URL" in (url := source.get("url", "")) and "/recorded/" not in url):
            found.append(file.stem)
    return found
