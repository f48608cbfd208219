"""`make check`: everything that can be said about the code without running the platform. Under three minutes.

Steps run side by side on two threads; each prints one line, and what a failing one found. The exit code is the number
of steps that failed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docker import migrate
from docker.local import licences, locate
from docker.local.console import Trouble, run_cli, say
from docker.local.stack import ROOT
from policies.city import open_city
from policies.domains import CityFileError

__all__ = ["main"]

_BIN = Path(sys.executable).parent
REGO = "policies/rego"
Outcome = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its name, and the work that says whether all is well and what was found."""

    name: str
    work: Callable[[], Outcome]


def main() -> int:
    """Run all steps; 0 when each is clean."""
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=2) as threads:
        results = list(threads.map(_run, steps()))
    failed = results.count(False)
    total = f"{len(results)} checks in {time.monotonic() - began:.0f} s"
    say(f"{total}, {failed} failed" if failed else f"{total}, all clean", "!" if failed else "+")
    return min(failed, 100)


def steps() -> list[Step]:
    """Return the steps, the longest first."""
    return [
        Step("types (mypy, strict)", _tool("mypy", "--no-error-summary")),
        Step("format (ruff)", _tool("ruff", "format", "--check", "--quiet", ".")),
        Step("lint (ruff)", _tool("ruff", "check", "--quiet", ".")),
        Step("import layers (import-linter)", _tool("lint-imports")),
        Step("Rego compiles (opa check --strict)", _opa("check", "--strict", REGO)),
        Step("Rego format (opa fmt)", _rego_format),
        Step("Rego tests (opa test)", _opa("test", REGO)),
        Step("Rego style (regal)", _regal),
        Step("numbers of migrations", _migrations),
        Step("licences of what runs", _licences),
        Step("domains of the sample city", _python("policies", "domains", "lint")),
        Step("agreements of the sample city", _agreements),
        Step("feeds of the sample city", _python("connectors", "check", "--all")),
        Step("docker compose config", _compose),
    ]


def _run(step: Step) -> bool:
    began = time.monotonic()
    try:
        good, found = step.work()
    except Trouble as trouble:
        good, found = False, str(trouble)
    say(f"{step.name} ({time.monotonic() - began:.1f} s)", "+" if good else "!")
    if found.strip():
        say("\n".join(f"    {line}" for line in found.strip().splitlines()).lstrip(), " " if good else "!")
    return good


def _tool(*command: str) -> Callable[[], Outcome]:
    return lambda: _command([str(_BIN / command[0]), *command[1:]])


def _python(*command: str) -> Callable[[], Outcome]:
    return lambda: _command([sys.executable, "-m", *command])


def _opa(*command: str) -> Callable[[], Outcome]:
    return lambda: _command([str(locate.opa()), *command])


def _command(command: Sequence[str]) -> Outcome:
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    good = answer.returncode == 0
    return good, "" if good else f"$ {' '.join(command)}\n{answer.stdout}{answer.stderr}"


def _rego_format() -> Outcome:
    answer = subprocess.run(
        [str(locate.opa()), "fmt", "--list", REGO], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    unformatted = answer.stdout.strip()
    good = answer.returncode == 0 and not unformatted
    return good, "" if good else f"Run: opa fmt --write {REGO}\n{unformatted}\n{answer.stderr}"


def _regal() -> Outcome:
    program = locate.regal()
    if program is None:
        return True, "NOT RUN: regal is not installed and could not be built (see `make engines`)"
    return _command([str(program), "lint", REGO])


def _migrations() -> Outcome:
    """Read all migrations: two branches may each have taken a number, and neither sees it before they meet."""
    try:
        found = list(migrate.migrations())
    except migrate.MigrationError as error:
        return False, f"{error}. Give it the next free number, unless it has been applied somewhere."
    return bool(found), "" if found else "no migrations were found"


def _licences() -> Outcome:
    found = licences.examine()
    refused = [each for each in found if not each.admitted and each.name not in licences.DEVIATIONS]
    lines = [f"{each.name} {each.version}: {each.licence} is not admitted at run time" for each in refused]
    lines += [f"DEVIATION {name}: {why}" for name, why in licences.DEVIATIONS.items()]
    return not refused, "\n".join(lines)


def _agreements() -> Outcome:
    try:
        city = open_city(ROOT / "city")
        for file in sorted((ROOT / "city" / "agreements").glob("*.jsonld")):
            city.agreement(file)
    except CityFileError as error:
        return False, str(error)
    return True, ""


def _compose() -> Outcome:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return True, "NOT RUN: no docker client with the compose plugin (tests/docker reads the file by itself)"
    return _command([docker, "compose", "-f", "docker/compose.yml", "config", "--quiet"])


if __name__ == "__main__":
    run_cli(main)
