"""Every test, as `make test` runs them: `python -m tests.suite`.

Two processes share the tests, then the whole platform is tried alone. Up to five tests that failed are run once more,
by themselves: one that passes then fails only beside others, or on a busy machine. It does not fail the run, and it is
named at once and again at the end, because it is a fault of the test or a race in the product: look into it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ALONE", "main", "run"]

ALONE = 5
"""So many failures at most are run again; more of them are a broken build."""

_FAILED = 1
"""What pytest exits with where tests ran and some failed."""


def main() -> int:
    """Run all; return the exit code of the first part that fails for good."""
    root = Path(__file__).parents[1]
    unsteady: list[str] = []
    for part in (["-n", "2", "--dist", "loadfile", "--ignore=tests/acceptance"], ["tests/acceptance"]):
        code, found = run(root, part)
        unsteady += found
        if code:
            return code
    if unsteady:
        _say(unsteady)
    return 0


def run(root: Path, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run one part; return its exit code, and the tests that failed at first and passed alone."""
    code = _pytest(root, *arguments, "--cache-clear")
    failed = _last_failed(root)
    if code != _FAILED or not 0 < len(failed) <= ALONE:
        return code, []
    print(f"\n{len(failed)} failed; run once more, alone:", *failed, sep="\n  ", flush=True)
    code = _pytest(root, *failed)
    if code == 0:
        _say(failed)
    return code, [] if code else failed


def _say(unsteady: Sequence[str]) -> None:
    print(f"\n{len(unsteady)} failed at first and passed alone; find out why:", *unsteady, sep="\n  ", flush=True)


def _pytest(root: Path, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=root, check=False).returncode


def _last_failed(root: Path) -> list[str]:
    file = root / ".pytest_cache" / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []


if __name__ == "__main__":
    raise SystemExit(main())
