"""`python -m docker.local COMMAND`: the local stack's command line. `make help` lists what people use."""

from __future__ import annotations

import argparse

from docker.local import control
from docker.local.console import run_cli, say
from docker.local.stack import profile
from docker.local.supervise import Supervisor


def test_engines() -> int:
    """Start the engines that tests share, and leave them up."""
    test = profile("test")
    with control.locked(test):
        control.engines_up(test)
        (test.folder / "keep").touch()
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


def status() -> int:
    """Print each process of each instance."""
    for name in ("main", "open", "test"):
        instance = profile(name)
        for program, (state, pid) in sorted(Supervisor(instance).states().items()):
            say(f"{name:5} {program:18} {state:9} {pid or ''}")
    return 0


COMMANDS = {"test-engines": test_engines, "test-engines-down": test_engines_down, "status": status}


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m docker.local", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    return COMMANDS[parser.parse_args().command]()


run_cli(main)
