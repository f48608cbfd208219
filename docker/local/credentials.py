"""Passwords of one instance, generated once into its folder, readable by the owner alone. Standard library only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from docker.local.kafka_access import PRINCIPALS, password_name

__all__ = ["ROLES", "load"]

ROLES = ("admin", "owner", "broker", "policies", "catalog")
_NAMES = (*(f"POSTGRES_{role.upper()}" for role in ROLES), *(password_name(each) for each in PRINCIPALS))


def load(folder: Path) -> dict[str, str]:
    """Read `secrets.env` of an instance, adding what is missing."""
    file = folder / "secrets.env"
    known: dict[str, str] = {}
    if file.exists():
        lines = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
        known = {name: value for name, _, value in lines}
    missing = [name for name in _NAMES if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.writelines(f"{name}={value}\n" for name, value in sorted(known.items()))
    return known
