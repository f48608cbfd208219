"""What a feed remembers between runs: its place in the source, its counters, and whether it is paused.

Small files under the state folder, one folder per feed, written whole and renamed, so that a kill leaves the old or the
new content. Losing them costs a re-read of the source, whose duplicates change nothing downstream.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import orjson

from connectors.errors import FeedError
from connectors.settings import ConnectorSettings

__all__ = ["FeedState", "domain_key"]


class FeedState:
    """The files of one feed."""

    def __init__(self, folder: Path, feed: str) -> None:
        self._folder = folder / feed
        self._paused = self._folder / "paused"
        self._relearn = self._folder / "relearn"

    def read(self, name: str) -> dict[str, Any]:
        """Read `position` or `schema`; empty when never written or damaged."""
        try:
            found = orjson.loads((self._folder / f"{name}.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replace `position` or `schema`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{name}.json"
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(orjson.dumps(content))
        temporary.replace(target)

    @property
    def paused(self) -> bool:
        """Whether someone asked the feed to stop."""
        return self._paused.exists()

    def pause(self) -> None:
        """Ask the feed to stop; a running supervisor obeys within half a second, and a later one does not start it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._paused.touch()

    def resume(self) -> None:
        """Let the feed run again."""
        self._paused.unlink(missing_ok=True)

    def ask_relearn(self) -> None:
        """Ask that the baseline of schema drift be learnt anew: with the next batch, by whoever fetches."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._relearn.touch()

    def relearn(self) -> bool:
        """Whether someone asked since the last call."""
        try:
            self._relearn.unlink()
        except FileNotFoundError:
            return False
        return True


def domain_key(settings: ConnectorSettings, domain: str) -> bytes:
    """Return the domain's pseudonym key: from the settings, else from the state folder (made at first use)."""
    given = settings.domain_keys.get(domain)
    if given is not None:
        return given.get_secret_value().encode()
    path = settings.state / "keys" / f"{domain}.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_text(encoding="ascii").strip()
    else:
        key = secrets.token_hex(32)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key + "\n")
    if len(key) < 32:
        raise FeedError(f"{path}: the key is shorter than 32 characters; remove the file to have a new one made")
    return key.encode()
