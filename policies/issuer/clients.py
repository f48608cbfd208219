"""The demo clients: who they are stands in `city.yaml`; their secrets are made here and stay in the state folder."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

__all__ = ["client_secrets"]


def client_secrets(state: Path, names: Iterable[str]) -> dict[str, str]:
    """Read `clients.json` in the state folder, adding a secret for each client that has none."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "clients.json"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        known: dict[str, str] = json.loads(text) if text else {}
        missing = [name for name in names if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(24) for name in missing}
            file.seek(0)
            file.truncate()
            file.write(json.dumps(known, indent=1) + "\n")
    return known
