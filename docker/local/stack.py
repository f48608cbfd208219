"""Versions, ports and folders of the local stack, from docker/stack.toml and the environment. Standard library only."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docker.local.console import Trouble

__all__ = ["LOCAL", "ROOT", "Name", "Profile", "cache_folder", "profile", "versions"]

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
_STACK = ROOT / "docker" / "stack.toml"

Name = Literal["main", "open", "test"]
_FOLDERS: dict[Name, Path] = {"main": LOCAL / "main", "open": LOCAL / "open", "test": LOCAL / "test"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One instance of the engines (and, outside tests, of our processes): its ports and its data folder."""

    name: Name
    folder: Path
    ports: Mapping[str, int]

    @property
    def open_access(self) -> bool:
        """Say whether this instance serves without policies (conformance suites, loopback only)."""
        return self.name == "open"


def versions() -> dict[str, str]:
    """Read the pinned versions."""
    return {key: str(value) for key, value in _read()["versions"].items()}


def profile(name: Name) -> Profile:
    """Build a profile; `DATAPOLIS_PORT_<NAME>` (tests: `DATAPOLIS_TEST_PORT_<NAME>`) overrides a port."""
    table, prefix = ("test_ports", "DATAPOLIS_TEST_PORT_") if name == "test" else ("ports", "DATAPOLIS_PORT_")
    chosen = {key: _port(prefix + key.upper(), int(default)) for key, default in _read()[table].items()}
    # The folder may be a symbolic link to a place that the engines' account can reach (control.prepare_folder).
    return Profile(name=name, folder=_FOLDERS[name].resolve(), ports=chosen)


def cache_folder() -> Path:
    """Return the user's cache folder for engines: `$XDG_CACHE_HOME/datapolis` or `~/.cache/datapolis`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "datapolis"


def _read() -> dict[str, dict[str, str | int]]:
    with _STACK.open("rb") as file:
        return tomllib.load(file)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Trouble(f"{variable} is {text!r}, which is not a port.", "Set it to a number from 1 to 65535.")
    return int(text)
