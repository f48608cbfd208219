"""`python -m docker.local COMMAND`: the local stack's command line. `make help` lists what people use."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from docker.local import control
from docker.local.console import Trouble, run_cli, say
from docker.local.stack import LOCAL, Profile, profile
from docker.local.supervise import Supervisor


def chosen() -> Profile:
    """Return the instance that DATAPOLIS_ACCESS asks for."""
    access = os.environ.get("DATAPOLIS_ACCESS", "governed")
    if access not in {"governed", "open"}:
        raise Trouble(f"DATAPOLIS_ACCESS is {access!r}.", "Set it to governed (the default) or open.")
    return profile("open" if access == "open" else "main")


def up(demo: bool = False) -> int:
    """Start the stack."""
    instance = chosen()
    with control.locked(instance):
        control.up(instance, demo=demo)
    instance = chosen()
    ports = instance.ports
    if instance.open_access:
        say("serving WITHOUT policies, on the loopback only, from a store that was emptied at this start", "~")
    say(f"broker   http://127.0.0.1:{ports['broker']}/ngsi-ld/v1")
    if not instance.open_access:
        say(f"catalog  http://127.0.0.1:{ports['catalog']}/")
    say(f"logs     {Supervisor(instance).logs}")
    return 0


def demo_up() -> int:
    """Start the stack together with the device simulators."""
    return up(demo=True)


def down() -> int:
    """Stop the stack, governed and open alike."""
    for instance in (profile("main"), profile("open")):
        with control.locked(instance):
            if control.down(instance):
                say(f"stopped the stack in {instance.folder}", "+")
    say("no process of the stack is left", "+")
    return 0


def status() -> int:
    """Print each process of each instance; exit code 1 when one that should run does not."""
    bad = 0
    seen = 0
    for instance in (profile("main"), profile("open"), profile("test")):
        for program, (state, pid) in sorted(Supervisor(instance).states().items()):
            seen += 1
            bad += state != "RUNNING"
            say(
                f"{instance.name:5} {program:12} {state.lower():9} {f'process {pid}' if pid else ''}",
                "+" if pid else "!",
            )
    if not seen:
        say(f"nothing runs (data: {LOCAL})")
    return 1 if bad else 0


def migrate() -> int:
    """Bring the running stack's database to this version's schema."""
    instance = chosen()
    if not Supervisor(instance).running():
        raise Trouble("The stack is not up.", "Start it, which also migrates: make up")
    control.once(instance, "migrate")
    return 0


def test_engines() -> int:
    """Start the engines that tests share, and leave them up."""
    test = profile("test")
    with control.locked(test):
        control.engines_up(test)
        (profile("test").folder / "keep").touch()
    say("test engines are up and stay up; stop them with: make test-engines-down")
    return 0


def test_engines_down() -> int:
    """Stop the engines that tests share."""
    test = profile("test")
    with control.locked(test):
        (test.folder / "keep").unlink(missing_ok=True)
        control.down(test)
    say("test engines are stopped", "+")
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "up": up,
    "demo-up": demo_up,
    "down": down,
    "status": status,
    "migrate": migrate,
    "test-engines": test_engines,
    "test-engines-down": test_engines_down,
}


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m docker.local", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    return COMMANDS[parser.parse_args().command]()


run_cli(main)
