"""Our own processes as supervised programs, and the one-shot commands that run between the engines and them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from docker.local.account import Account, engine_account
from docker.local.console import say
from docker.local.environment import process_environment, state_folder
from docker.local.program import Program, http_ready
from docker.local.stack import ROOT, Profile

__all__ = ["COMMANDS", "ONE_SHOTS", "service_account", "service_programs"]

# Name of the process, `python -m` command, port of its health, environment name of that port.
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "issuer": (("policies", "issuer"), "issuer"),
    "sealer": (("policies", "seal"), "sealer_admin"),
    "broker": (("broker", "serve"), "broker"),
    "worker": (("broker", "work"), "worker_admin"),
    "indexer": (("broker", "indexes", "run"), "indexer_admin"),
    "catalog": (("catalog", "serve"), "catalog"),
    "assessor": (("catalog", "assess"), "assessor_admin"),
    "connectors": (("connectors", "run"), "connectors_admin"),
    "simulators": (("docker.local.simulators",), "simulators"),
}
# What is done once, in this order, when the engines are up and before our processes start.
ONE_SHOTS: dict[str, tuple[str, ...]] = {
    "migrate": ("docker.migrate",),
    "topics": ("connectors", "topics", "apply"),
    "domains": ("policies", "domains", "apply"),
    "agreements": ("policies", "agreements", "apply"),
}
_OPEN = ("sealer", "broker", "worker", "indexer")
_CODE = ("broker", "catalog", "connectors", "docker", "ontologies", "policies", "city")


def service_programs(profile: Profile, *, demo: bool) -> list[Program]:
    """Describe our processes: all of them, without the simulators unless for the demo; four with open access."""
    account = service_account(engine_account())
    account.own(state_folder(profile))
    names = _OPEN if profile.open_access else tuple(name for name in COMMANDS if demo or name != "simulators")
    digest = _code_digest()
    programs = [_program(profile, account, name, digest) for name in names]
    for file in state_folder(profile).iterdir():
        account.hand_over(file)
    return programs


def service_account(account: Account) -> Account:
    """Return the engines' account where it can run this interpreter on this checkout, else the invoking user."""
    if not account.switch:
        return account
    interpreter = Path(sys.executable).resolve()
    if account.can("-x", interpreter) and account.can("-r", ROOT / "docker" / "stack.toml"):
        return account
    say(f"{account.name!r} cannot read {interpreter} or this checkout, so our processes run as the invoking user", "~")
    return Account("root", 0, 0, switch=False)


def _program(profile: Profile, account: Account, name: str, digest: str) -> Program:
    command, port = COMMANDS[name]
    return Program(
        name=name,
        command=[sys.executable, "-m", *command],
        directory=ROOT,
        ready=http_ready(profile.ports[port], "/health/ready"),
        ports={port: profile.ports[port]},
        user=account.name if account.switch else None,
        environment=process_environment(profile, name),
        reload_key=digest,
    )


def _code_digest() -> str:
    """Change whenever a file of ours does, so that a second `make up` restarts our processes with the new code."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for file in _files(ROOT / folder):
            digest.update(f"{file}\0{file.stat().st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Sequence[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
