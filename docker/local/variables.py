"""Every DATAPOLIS_ variable that something reads, from the settings classes; `python -m docker.local.variables`.

It prints the table of README's section 'Configuration', and a test holds the README against it.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from docker.local.console import run_cli, say
from docker.local.stack import profile

__all__ = ["Variable", "table", "variables"]

_MODULES = (
    "broker.settings",
    "broker.workers.settings",
    "policies.settings",
    "connectors.settings",
    "catalog.settings",
)
# Read by the local stack and the tests themselves, not by a settings class.
_LOCAL = {
    "DATAPOLIS_DSN_ADMIN": ("", "migrations: a superuser, where roles and the extension are to be made too"),
    "DATAPOLIS_PORT_<NAME>": ("", "a port of the local stack; names: {ports}"),
    "DATAPOLIS_TEST_PORT_<NAME>": ("", "a port of the test engines; names: {test_ports}"),
    "DATAPOLIS_TEST_KEEP": ("", "1: the test engines stay up after the tests"),
    "DATAPOLIS_SIMULATORS_URL": ("", "where feeds find the simulated sources; set by `make demo`"),
    "DATAPOLIS_SIMULATORS_HOST": ("127.0.0.1", "simulators: address that they serve on"),
    "DATAPOLIS_SIMULATORS_PORT": ("18091", "simulators: port that they serve on"),
    "DATAPOLIS_SIMULATOR_BUSES": ("40", "simulators: buses on the road"),
    "DATAPOLIS_SIMULATOR_PERIOD": ("5", "simulators: seconds between two uplinks of a device"),
    "DATAPOLIS_PROVE": ("", "1: the long proofs, set by `make prove`"),
    "DATAPOLIS_PROVE_PART": ("1/1", "2/3: the second of three processes that share a long proof"),
}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its name, what holds without it, who reads it, and what it is for."""

    name: str
    default: str
    readers: tuple[str, ...]
    meaning: str


def variables() -> list[Variable]:
    """Collect all variables, by name."""
    found: dict[str, Variable] = {}
    for module in _MODULES:
        for settings in _classes(module):
            for field, info in settings.model_fields.items():
                name = f"{settings.model_config.get('env_prefix', '')}{field}".upper()
                known = found.get(name)
                reader = module.partition(".")[0]
                readers = tuple(dict.fromkeys((*(known.readers if known else ()), reader)))
                meaning = (known.meaning if known else "") or info.description or ""
                default = known.default if known else _text(info.get_default(call_default_factory=True))
                found[name] = Variable(name, default, readers, meaning)
    names = {"ports": ", ".join(profile("main").ports), "test_ports": ", ".join(profile("test").ports)}
    for name, (default, meaning) in _LOCAL.items():
        found[name] = Variable(name, default, ("local stack",), meaning.format(**names))
    return sorted(found.values(), key=lambda each: each.name)


def table() -> str:
    """Render the variables as a Markdown table."""
    rows = ["| variable | default | read by | what it is |", "|---|---|---|---|"]
    for each in variables():
        default = f"`{each.default}`" if each.default else ""
        rows.append(f"| `{each.name}` | {default} | {', '.join(each.readers)} | {each.meaning} |")
    return "\n".join(rows)


def _classes(module: str) -> list[type[BaseSettings]]:
    found = vars(importlib.import_module(module)).values()
    return [
        each
        for each in found
        if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == module
    ]


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ({}, (), ""):
        return ""
    if isinstance(value, Path | str):
        return str(value)
    return json.dumps(value, default=str)


def main() -> int:
    """Print the table."""
    say(table(), "")
    return 0


if __name__ == "__main__":
    run_cli(main)
